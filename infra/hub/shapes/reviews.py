"""Reviews and their comments, as GitHub shows them."""

from infra.hub.records import Issue, Repository, Review, ReviewComment, ReviewThread
from infra.hub.shapes.issues import issue_html_url, show_rollup
from infra.hub.shapes.repositories import api_url
from infra.hub.shapes.users import node_id, show_user_by_id
from infra.hub.wire import JSON, timestamp
from infra.hub.world import World


def show_review(world: World, repository: Repository, issue: Issue, review: Review) -> JSON:
    """Show a review; one that is not submitted has no `submitted_at`."""
    html = f"{issue_html_url(world, repository, issue)}#pullrequestreview-{review.id}"
    pull = f"{api_url(world, repository)}/pulls/{issue.number}"
    shown: JSON = {
        "id": review.id,
        "node_id": node_id("PullRequestReview", review.id),
        "user": show_user_by_id(world, review.author_id),
        "body": review.body,
        "state": review.state,
        "html_url": html,
        "pull_request_url": pull,
        "author_association": world.association(review.author_id, repository),
        "_links": {"html": {"href": html}, "pull_request": {"href": pull}},
        "commit_id": review.commit,
    }
    return shown if review.submitted is None else shown | {"submitted_at": timestamp(review.submitted)}


def show_sent_review(world: World, repository: Repository, issue: Issue, review: Review) -> JSON:
    """Show a review as webhooks do: its state in lower case, no text as null."""
    shown = show_review(world, repository, issue, review)
    return shown | {"state": review.state.lower(), "body": review.body or None, "updated_at": shown["submitted_at"]}


def show_review_comment(world: World, repository: Repository, issue: Issue, comment: ReviewComment) -> JSON:
    thread = world.state.load(ReviewThread, comment.thread_id)
    url = f"{api_url(world, repository)}/pulls/comments/{comment.id}"
    html = f"{issue_html_url(world, repository, issue)}#discussion_r{comment.id}"
    pull = f"{api_url(world, repository)}/pulls/{issue.number}"
    shown = {
        "url": url,
        "pull_request_review_id": comment.review_id,
        "id": comment.id,
        "node_id": node_id("PullRequestReviewComment", comment.id),
        "user": show_user_by_id(world, comment.author_id),
        "body": comment.body,
        "created_at": timestamp(comment.created),
        "updated_at": timestamp(comment.updated),
        "html_url": html,
        "pull_request_url": pull,
        "author_association": world.association(comment.author_id, repository),
        "_links": {"self": {"href": url}, "html": {"href": html}, "pull_request": {"href": pull}},
        "reactions": show_rollup(world, comment.id, url),
        **_show_place(thread),
    }
    return shown if comment.in_reply_to_id is None else shown | {"in_reply_to_id": comment.in_reply_to_id}


def _show_place(thread: ReviewThread) -> JSON:
    return {
        "diff_hunk": thread.hunk,
        "path": thread.path,
        "commit_id": thread.commit,
        "original_commit_id": thread.original_commit,
        "line": thread.line,
        "original_line": thread.original_line,
        "position": thread.position,
        "original_position": thread.original_position,
        "side": thread.side or "RIGHT",
        "subject_type": "line" if thread.side else "file",
        **dict.fromkeys(("start_line", "original_start_line", "start_side")),
    }

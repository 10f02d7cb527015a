"""Forms: what the chosen person does, through the API's own functions, so that the same webhooks follow."""

from aiohttp import web

from infra.hub.api.comments import create_comment, update_comment
from infra.hub.api.issue_labels import add_issue_labels, set_issue_labels
from infra.hub.api.issues import create_issue, update_issue
from infra.hub.api.labels import NAME_LIMIT
from infra.hub.api.merges import put_merge
from infra.hub.api.pulls import update_pull
from infra.hub.errors import ApiError
from infra.hub.pages import reviews
from infra.hub.pages.deliveries import find_delivery, show_delivery
from infra.hub.pages.home import show_home
from infra.hub.pages.issues import show_issue, show_new_issue
from infra.hub.pages.merging import post_queue
from infra.hub.pages.pulls import show_pull
from infra.hub.pages.rendering import issue_path
from infra.hub.pages.visit import ACTS_AS, PageHandler, Visit
from infra.hub.records import Issue
from infra.hub.shapes.issues import labels_of
from infra.hub.webhooks import redeliver


async def choose_person(visit: Visit) -> web.Response:
    """Act as another person from now on, and go back to the page it was chosen on."""
    user = next((user for user in visit.people if str(user.id) == visit.typed("person")), None)
    if user is None:
        raise ApiError(422, "There is no such person; choose one from the list")
    back = visit.typed("back")
    response = visit.go(back if back.startswith("/") and back[1:2] not in ("/", "\\") else "/")
    response.set_cookie(ACTS_AS, str(user.id), httponly=True, samesite="Strict")
    return response


async def post_issue(visit: Visit) -> web.Response:
    names = _names(visit.typed("labels"))
    answer = await create_issue(visit.call(title=visit.typed("title"), body=visit.typed("body"), labels=names))
    return visit.go(f"/{visit.repository().full_name}/issues/{answer.body['number']}")


async def post_comment(visit: Visit) -> web.Response:
    await create_comment(visit.call(body=visit.typed("body")))
    return _back(visit)


async def edit_comment(visit: Visit) -> web.Response:
    await update_comment(visit.call(body=visit.typed("edited")))
    return _back(visit)


async def post_label(visit: Visit) -> web.Response:
    await add_issue_labels(visit.call(labels=[_name(visit.typed("label"))]))
    return _back(visit)


async def remove_label(visit: Visit) -> web.Response:
    gone = visit.typed("label")
    kept = [label.name for label in labels_of(visit.world, _issue(visit)) if label.name != gone]
    await set_issue_labels(visit.call(labels=kept))
    return _back(visit)


async def post_state(visit: Visit) -> web.Response:
    """Close as completed or not planned, or reopen."""
    state, _, reason = visit.typed("state").partition(":")
    if _issue(visit).is_pull:
        await update_pull(visit.call(state=state))
    else:
        await update_issue(visit.call(state=state, state_reason=reason or None))
    return _back(visit)


async def post_merge(visit: Visit) -> web.Response:
    await put_merge(visit.call(merge_method=visit.typed("method"), sha=visit.typed("sha")))
    return _back(visit)


async def post_redelivery(visit: Visit) -> web.Response:
    with visit.world.state.transaction():
        again = redeliver(visit.world, find_delivery(visit))
    return visit.go(f"/_hub/deliveries/{again.id}")


async def show_issue_or_pull(visit: Visit) -> web.Response:
    return await (show_pull if _issue(visit).is_pull else show_issue)(visit)


def _issue(visit: Visit) -> Issue:
    return visit.issue(visit.repository())


def _names(text: str) -> list[str]:
    return [_name(name) for name in text.split(",") if name.strip()]


def _name(text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= NAME_LIMIT:
        raise ApiError(422, f"The name of a label has 1 to {NAME_LIMIT} characters")
    return name


def _back(visit: Visit) -> web.Response:
    repository = visit.repository()
    return visit.go(issue_path(visit.issue(repository), repository))


ISSUE = r"/{owner}/{repo}/issues/{number:\d{1,9}}"
PULL = r"/{owner}/{repo}/pull/{number:\d{1,9}}"
COMMENT = r"{comment_id:\d{1,15}}"
THREAD = r"{thread_id:\d{1,15}}"

FORMS: dict[str, tuple[PageHandler, PageHandler]] = {
    "/_hub/act-as": (choose_person, show_home),
    r"/_hub/deliveries/{delivery_id:\d{1,15}}/redeliver": (post_redelivery, show_delivery),
    "/{owner}/{repo}/issues/new": (post_issue, show_new_issue),
    f"{ISSUE}/comments": (post_comment, show_issue_or_pull),
    f"{ISSUE}/comments/{COMMENT}/edit": (edit_comment, show_issue_or_pull),
    f"{ISSUE}/labels": (post_label, show_issue_or_pull),
    f"{ISSUE}/labels/remove": (remove_label, show_issue_or_pull),
    f"{ISSUE}/state": (post_state, show_issue_or_pull),
    f"{PULL}/merge": (post_merge, show_pull),
    f"{PULL}/queue": (post_queue, show_pull),
    f"{PULL}/reviews": (reviews.post_review, show_pull),
    f"{PULL}/comments": (reviews.post_line_comment, show_pull),
    f"{PULL}/comments/{COMMENT}/edit": (reviews.edit_review_comment, show_pull),
    f"{PULL}/threads/{THREAD}/reply": (reviews.post_reply, show_pull),
    f"{PULL}/threads/{THREAD}/resolve": (reviews.post_resolved, show_pull),
}

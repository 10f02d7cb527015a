"""The GitHub port over a repository in memory: what the App asks, and what it does as its own bot."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from app.domain.effects import ThreadAnswer
from app.domain.errors import HeadMoved, Missing
from app.domain.facts import (
    BranchRules,
    Check,
    Comment,
    CommitData,
    Delivery,
    FoundComment,
    Identity,
    Issue,
    LabelGiven,
    MergeView,
    Pull,
    Review,
    ReviewState,
    Standing,
    Thread,
    ThreadComment,
)
from app.domain.grants import RunToken
from app.domain.labels import Label
from app.domain.names import Repository
from tests.simulation.issues import BOT, REPOSITORY
from tests.simulation.linking import MemoryLinks
from tests.simulation.rows import CommentRow, IssueRow, PullRow

IDENTITY = Identity(app_id=1, slug="orch", bot_id=BOT.id, bot_login=BOT.login)
AN_HOUR = timedelta(hours=1)


class MemoryGitHub(MemoryLinks):
    """Implement `app.ports.GitHub` for one repository; lists show at once what was made."""

    async def identity(self) -> Identity:
        return IDENTITY

    async def repositories(self) -> Sequence[Repository]:
        return [REPOSITORY]

    async def repository(self, repository: Repository) -> Repository:
        return REPOSITORY

    async def standing(self, repository: Repository, login: str) -> Standing:
        person = self._place.people.get(login)
        if person is None:
            raise Missing(f"there is no {login}")
        return Standing(permission=person.permission, role=person.permission.value)

    async def file(self, repository: Repository, path: str) -> bytes | None:
        return self._place.files.get(path)

    async def issue(self, repository: Repository, number: int) -> Issue:
        return self._issue(self._place.the_issue(number))

    async def issues_labeled(self, repository: Repository, label: str, state: str) -> Sequence[Issue]:
        return [
            self._issue(row)
            for row in self._place.issues.values()
            if label.casefold() in map(str.casefold, row.labels) and (row.is_open or state == "all")
        ]

    async def label_given(self, repository: Repository, number: int, label: str) -> LabelGiven | None:
        rows = [row for row in self._place.the_issue(number).given if row.label.casefold() == label.casefold()]
        if not rows or not rows[-1].on:
            return None
        return LabelGiven(actor=rows[-1].by.actor, created_at=rows[-1].at)

    async def text_changed(self, repository: Repository, number: int) -> datetime | None:
        return self._place.the_issue(number).changed

    async def comments(self, repository: Repository, number: int) -> Sequence[Comment]:
        return [_comment(row) for row in self._place.comments_on(number)]

    async def comments_since(self, repository: Repository, since: datetime) -> Sequence[FoundComment]:
        return [
            FoundComment(
                number=row.number,
                on_pull=row.number in self._place.pulls,
                seen=any(content == "eyes" for _, content in row.reactions),
                comment=_comment(row),
            )
            for row in self._place.written.values()
            if row.edited >= since
        ]

    async def create_comment(self, repository: Repository, number: int, body: str) -> int:
        return self._place.write_comment(number, body, BOT).id

    async def edit_comment(self, repository: Repository, comment_id: int, body: str) -> None:
        self._place.edit_comment(comment_id, body, BOT)

    async def pin_comment(self, repository: Repository, comment_id: int) -> None:
        if comment_id not in self._place.written:
            raise Missing(f"comment {comment_id} is not there")

    async def react(self, repository: Repository, comment_id: int, reaction: str) -> None:
        if comment_id not in self._place.written:
            raise Missing(f"comment {comment_id} is not there")
        self._place.written[comment_id].reactions.add((BOT.id, reaction))

    async def add_labels(self, repository: Repository, number: int, labels: Sequence[str]) -> None:
        for label in labels:
            self._place.add_label(number, label, BOT)

    async def remove_label(self, repository: Repository, number: int, label: str) -> None:
        self._place.remove_label(number, label, BOT)

    async def change_labels(
        self, repository: Repository, number: int, add: Sequence[str], remove: Sequence[str]
    ) -> None:
        await self.add_labels(repository, number, add)
        for label in remove:
            self._place.remove_label(number, label, BOT)

    async def create_missing_labels(self, repository: Repository, labels: Sequence[Label]) -> None:
        """Do nothing: a label is made where it is put on."""

    async def close_issue(self, repository: Repository, number: int) -> None:
        self._place.close_issue(number, BOT)

    async def branch_head(self, repository: Repository, branch: str) -> str | None:
        return self._place.head(branch)

    async def commit_author(self, repository: Repository, sha: str) -> int | None:
        return self._place.commits[sha].author.id

    async def create_branch(self, repository: Repository, branch: str, sha: str) -> bool:
        if self._place.head(branch) is not None:
            return False
        self._place.set_branch(branch, sha, BOT)
        return True

    async def move_branch(self, repository: Repository, branch: str, sha: str) -> None:
        self._place.forward_branch(branch, sha, BOT)

    async def delete_ref(self, repository: Repository, ref: str) -> None:
        self._place.remove_ref(ref, BOT)

    async def pull(self, repository: Repository, number: int) -> Pull:
        return _pull(self._place.the_pull(number))

    async def pulls_from(self, repository: Repository, branch: str) -> Sequence[Pull]:
        rows = [row for row in self._place.pulls.values() if row.branch == branch]
        return [_pull(row).model_copy(update={"mergeable": None}) for row in reversed(rows)]

    async def create_pull(self, repository: Repository, branch: str, base: str, title: str, body: str) -> Pull:
        return _pull(self._place.open_pull(branch, base, title, body, BOT))

    async def reviews(self, repository: Repository, number: int) -> Sequence[Review]:
        return list(self._place.the_pull(number).reviews)

    async def threads(self, repository: Repository, number: int) -> Sequence[Thread]:
        return list(self._place.the_pull(number).threads)

    async def answer_threads(self, repository: Repository, answers: Sequence[ThreadAnswer]) -> None:
        for answer in answers:
            for pull in self._place.pulls.values():
                pull.threads = [self._answered(thread, answer) for thread in pull.threads]

    def _answered(self, thread: Thread, answer: ThreadAnswer) -> Thread:
        if thread.id != answer.thread:
            return thread
        said = ThreadComment(id=self._place.new_id(), author=BOT.actor, body=answer.body, created_at=self._place.now())
        resolved = thread.is_resolved or answer.resolve
        return thread.model_copy(update={"comments": (*thread.comments, said), "is_resolved": resolved})

    async def create_review(self, repository: Repository, number: int, body: str) -> int:
        pull = self._place.the_pull(number)
        review = Review(
            id=self._place.new_id(),
            author=BOT.actor,
            state=ReviewState.COMMENTED,
            body=body,
            commit=pull.head,
            submitted_at=self._place.now(),
        )
        pull.reviews.append(review)
        return review.id

    async def checks(self, repository: Repository, sha: str) -> Sequence[Check]:
        return self._place.commits[sha].checks

    async def job_log(self, repository: Repository, job: int, most: int) -> str:
        return ""

    async def merge_view(self, repository: Repository, number: int) -> MergeView:
        pull = self._place.the_pull(number)
        return MergeView(
            node_id=f"PR_{pull.id}",
            head_sha=pull.head,
            is_draft=False,
            decision=None,
            state="dirty" if pull.conflicts else pull.state,
            has_queue=False,
            queued=False,
            methods=("squash",),
        )

    async def merge_pull(self, repository: Repository, number: int, sha: str, method: str) -> None:
        self._place.merge(number, BOT, sha)

    async def enqueue_pull(self, repository: Repository, node_id: str, sha: str) -> None:
        raise AssertionError("no branch here has a merge queue")

    async def update_branch(self, repository: Repository, number: int, sha: str) -> bool:
        pull = self._place.the_pull(number)
        if pull.head != sha:
            raise HeadMoved("expected head sha did not match current head ref")
        if pull.conflicts:
            return False
        pull.state = "clean"
        self._place.set_branch(pull.branch, self._place.new_commit(pull.head, BOT), BOT)
        return True

    async def commit(self, repository: Repository, sha: str) -> CommitData:
        parent = self._place.commits[sha].parent
        return CommitData(sha=sha, tree=sha, parents=(parent,) if parent else (), message="")

    async def sign_commit(self, repository: Repository, commit: CommitData) -> str:
        raise AssertionError("no branch here takes only signed commits")

    async def rules(self, repository: Repository, branch: str) -> BranchRules:
        return BranchRules()

    async def write_file(self, repository: Repository, branch: str, path: str, content: bytes, message: str) -> None:
        raise AssertionError("nothing here writes files")

    async def mint(self, repository: Repository, permissions: Mapping[str, str]) -> RunToken:
        return RunToken(value="a token", expires_at=self._place.now() + AN_HOUR)

    async def revoke(self, token: RunToken) -> None:
        """Do nothing: nobody uses a token here."""

    async def failed_deliveries(self, since: datetime | None = None) -> Sequence[Delivery]:
        return []

    async def redeliver(self, delivery_id: int) -> None:
        raise AssertionError("no delivery failed")

    def _issue(self, row: IssueRow) -> Issue:
        return Issue(
            number=row.number,
            title=row.title,
            body=row.body,
            is_open=row.is_open,
            state_reason=row.state_reason,
            labels=frozenset(row.labels),
            comments=len(self._place.comments_on(row.number)),
            updated_at=row.updated,
            blocked_by=len(row.blocked_by),
        )


def _comment(row: CommentRow) -> Comment:
    return Comment(id=row.id, author=row.author.actor, body=row.body, created_at=row.created, edited_at=row.edited)


def _pull(row: PullRow) -> Pull:
    return Pull(
        number=row.number,
        head_sha=row.head,
        is_open=row.is_open,
        merged=row.merged,
        head_branch=row.branch,
        head_repository_id=REPOSITORY.id,
        base_branch=row.base,
        mergeable=None if row.merged else not row.conflicts,
        conflicts=row.conflicts,
        labels=frozenset(row.labels),
    )

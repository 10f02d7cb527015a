"""Values with defaults: a test names only what it is about."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.domain.approvals import Question
from app.domain.effects import Send
from app.domain.events import (
    Commented,
    IssueLabeled,
    IssueUnlabeled,
    PullClosed,
    PullCommented,
    PullPushed,
    PullReopened,
    Refresh,
    RunFinished,
    RunStarted,
    Spent,
)
from app.domain.facts import (
    Actor,
    Check,
    CheckState,
    Comment,
    Identity,
    Issue,
    MergeView,
    Permission,
    Pull,
    Standing,
    Thread,
    ThreadComment,
)
from app.domain.instructions import Instruction, Kind
from app.domain.jobs import run_job
from app.domain.markers import Keyring
from app.domain.names import Repository, TaskRef, branch_of, digest_of
from app.domain.outcomes import Outcome, RunResult, Usage
from app.domain.policy import Policy
from app.domain.record import RunSummary, TaskRecord
from app.domain.snapshot import Snapshot
from app.domain.task import Status

NOW = datetime(2025, 3, 1, 12, 0, tzinfo=UTC)
TITLE = "Add a greeting"
BODY = "Say hello."
SHA = "1" * 40
OTHER_SHA = "2" * 40
RUN = "run-1"
IDENTITY = Identity(app_id=7, slug="orch", bot_id=900, bot_login="orch[bot]")
POLICY = Policy(agents=("script",))
KEYRING = Keyring((b"first key", b"second key"))
WRITER = Actor(id=11, login="writer", is_bot=False)
STRANGER = Actor(id=12, login="stranger", is_bot=False)
ROBOT = Actor(id=13, login="robot[bot]", is_bot=True)
SELF = Actor(id=IDENTITY.bot_id, login=IDENTITY.bot_login, is_bot=True)
QUESTION = Question(key="k1", text="bash: git push", at=NOW)
USAGE = Usage(tokens_in=1000, tokens_out=200, cost=Decimal("0.25"))


def repository(number: int = 1, installation: int = 5, name: str = "project") -> Repository:
    return Repository(id=number, installation_id=installation, owner="owner", name=name)


def task(number: int = 12, of: Repository | None = None) -> TaskRef:
    return TaskRef(repository=of or repository(), number=number)


TASK = task()
JOB = run_job(TASK, 1)
SOON = Send(event=Refresh(task=TASK), delay=POLICY.settle)
"""What shows the status of a task that waits for a runner, once it had time to begin."""


def record(status: Status = Status.IN_PROGRESS, **changes: object) -> TaskRecord:
    """Make the record of a task in its first attempt; only one in progress has a current run."""
    made = TaskRecord(
        task=TASK,
        title=TITLE,
        status=status,
        why="Because.",
        agent="script",
        requested_by=WRITER.login,
        requested_by_id=WRITER.id,
        admitted=digest_of(TITLE, BODY),
        label="orch",
        branch=branch_of(TASK.number, TITLE),
        run_id=RUN if status is Status.IN_PROGRESS else None,
        job_id=JOB.id,
        created_at=NOW,
    )
    return made.change(**changes)


def issue(*labels: str, is_open: bool = True, comments: int = 1, body: str = BODY, reason: str | None = None) -> Issue:
    return Issue(
        number=TASK.number,
        title=TITLE,
        body=body,
        is_open=is_open,
        state_reason=reason,
        labels=frozenset(labels),
        comments=comments,
        updated_at=NOW,
    )


def snapshot(
    known: TaskRecord | None = None,
    at: Issue | None = None,
    permission: Permission | None = None,
    pull: Pull | None = None,
    *,
    policy: Policy = POLICY,
    head: str | None = None,
    **more: Any,
) -> Snapshot:
    return Snapshot(
        now=NOW,
        identity=IDENTITY,
        policy=policy,
        record=known,
        issue=at,
        standing=standing(permission) if permission else None,
        pull=pull,
        head=head,
        **more,
    )


def result(outcome: Outcome = Outcome.DELIVERED, **changes: object) -> RunResult:
    made = RunResult(
        outcome=outcome,
        reason="It ended.",
        agent="script",
        head_sha=SHA if outcome is Outcome.DELIVERED else None,
        usage=USAGE,
        text="I did it.",
        started_at=NOW - timedelta(seconds=90),
        ended_at=NOW,
    )
    return made.model_copy(update=changes)


def spent(outcome: Outcome = Outcome.DELIVERED, **changes: object) -> Send:
    """Make what tells the ledger of `result(outcome)`."""
    made = Spent(
        repository=TASK.repository,
        run_id=RUN,
        cost=USAGE.cost,
        at=NOW,
        agent="script",
        outcome=outcome,
        seconds=90,
    )
    return Send(event=made.model_copy(update=changes))


def summary(run_id: str = RUN, **changes: object) -> RunSummary:
    """Make the summary of `result(...)` with the defaults."""
    made = RunSummary(
        run_id=run_id,
        attempt=1,
        agent="script",
        outcome=Outcome.DELIVERED,
        reason="It ended.",
        head_sha=SHA,
        usage=USAGE,
        started_at=NOW - timedelta(seconds=90),
        ended_at=NOW,
    )
    return made.model_copy(update=changes)


def labeled(label: str = "orch", actor: Actor = WRITER, title: str = TITLE, body: str = BODY) -> IssueLabeled:
    return IssueLabeled(task=TASK, label=label, actor=actor, title=title, body=body)


def unlabeled(label: str = "status:routed", actor: Actor = WRITER) -> IssueUnlabeled:
    return IssueUnlabeled(task=TASK, label=label, actor=actor)


def started(run_id: str = RUN, job_id: str = JOB.id, lost: str | None = None) -> RunStarted:
    return RunStarted(task=TASK, run_id=run_id, job_id=job_id, lost=lost)


def finished(ended: RunResult, run_id: str = RUN) -> RunFinished:
    return RunFinished(task=TASK, run_id=run_id, job_id=JOB.id, result=ended)


def pull(number: int = 30, is_open: bool = True, merged: bool = False, head_sha: str = SHA, **changes: object) -> Pull:
    made = Pull(number=number, head_sha=head_sha, is_open=is_open, merged=merged, mergeable=True, base_branch="main")
    return made.model_copy(update=changes)


def standing(permission: Permission, role: str | None = None) -> Standing:
    """Make the standing of somebody with one of GitHub's own roles, or with the role that is named."""
    return Standing(permission=permission, role=role or permission.value)


def commented(body: str = "/approve", actor: Actor = WRITER, number: int = 50, **changes: object) -> Commented:
    """Make a comment on the issue."""
    made = Commented(
        task=TASK,
        actor=actor,
        author_id=actor.id,
        comment_id=number,
        body=body,
        written_at=NOW,
        title=TITLE,
        text=BODY,
    )
    return made.model_copy(update=changes)


def on_pull(body: str = "/approve", actor: Actor = WRITER, number: int = 50, **changes: object) -> Commented:
    """Make a comment on the task's pull request."""
    return commented(body, actor, number, **{"pull": 30, "title": None, "text": None, **changes})


def pull_commented(**changes: object) -> PullCommented:
    """Make a comment on a pull request that Orch opened."""
    made = PullCommented(
        repository=TASK.repository,
        number=30,
        pull_author_id=SELF.id,
        actor=WRITER,
        author_id=WRITER.id,
        comment_id=50,
        body="/stop",
        written_at=NOW,
    )
    return made.model_copy(update=changes)


def instruction(key: str = "comment-50-1", **changes: object) -> Instruction:
    made = Instruction(key=key, kind=Kind.COMMENT, author=WRITER.login, where=12, digest=digest_of("", "Hm."), at=NOW)
    return made.model_copy(update=changes)


def thread(*authors: Actor, name: str = "T1", **changes: object) -> Thread:
    """Make a review thread in which these people wrote in turn."""
    said = tuple(
        ThreadComment(id=number, author=author, body=f"by {author.login}", created_at=NOW)
        for number, author in enumerate(authors, 70)
    )
    made = Thread(id=name, path="a.py", line=1, hunk="@@", is_resolved=False, is_outdated=False, comments=said)
    return made.model_copy(update=changes)


def check(state: CheckState = CheckState.FAILED, name: str = "tests", **changes: object) -> Check:
    return Check(name=name, state=state).model_copy(update=changes)


def view(state: str = "clean", **changes: object) -> MergeView:
    """Make a pull request that may be merged at once."""
    made = MergeView(
        node_id="PR_1",
        head_sha=SHA,
        is_draft=False,
        decision="approved",
        state=state,
        has_queue=False,
        queued=False,
        methods=("squash", "merge"),
    )
    return made.model_copy(update=changes)


def comment(number: int = 50, body: str = "/approve", author: Actor = WRITER) -> Comment:
    return Comment(id=number, author=author, body=body, created_at=NOW, edited_at=NOW)


def closed(branch: str, merged: bool = True, head_repository_id: int | None = 1) -> PullClosed:
    return PullClosed(
        repository=repository(),
        number=30,
        head_branch=branch,
        head_repository_id=head_repository_id,
        merged=merged,
        actor=WRITER,
    )


def _pull_fact(branch: str) -> dict[str, Any]:
    return {
        "repository": repository(),
        "number": 30,
        "head_branch": branch,
        "head_repository_id": 1,
        "actor": WRITER,
    }


def reopened(branch: str) -> PullReopened:
    return PullReopened(**_pull_fact(branch))


def pushed(branch: str) -> PullPushed:
    return PullPushed(**_pull_fact(branch), head_sha=SHA)

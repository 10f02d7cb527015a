"""Changes of refs: what follows from them for pull requests, and the webhooks that tell of them.

Git and the state cannot change in one step. So a write is noted first, git does its part, and then everything that
differs from the refs last told about is told and recorded in one transaction; a restart does the same for notes left.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from infra.hub.act import Act, send_issue, set_state
from infra.hub.checking import run_ci
from infra.hub.closing import close_mentioned
from infra.hub.git import ZERO, CommitInfo
from infra.hub.placing import followed, keep_place
from infra.hub.queue import leave
from infra.hub.records import GitWrite, Issue, Pull, Ref, Repository, ReviewThread, User
from infra.hub.shapes.commits import show_pushed_commit
from infra.hub.shapes.repositories import html_url
from infra.hub.world import World

HEADS = "refs/heads/"
TOLD = (HEADS, "refs/tags/")


@dataclass(frozen=True, slots=True)
class RefChange:
    """A ref that is no longer where it was; None stands for not being there."""

    name: str
    before: str | None
    after: str | None
    forced: bool
    commits: list[CommitInfo]
    files: dict[str, list[tuple[str, str]]]

    @property
    def branch(self) -> str:
        return self.name.removeprefix(HEADS)


@dataclass(frozen=True, slots=True)
class PullMove:
    """What ref changes mean for an open pull request; at most one of the two, or a new head."""

    pull: Pull
    before: str
    merged: bool = False
    gone: bool = False
    threads: Sequence[ReviewThread] = ()


@asynccontextmanager
async def changing_refs(act: Act, merging: Pull | None = None) -> AsyncIterator[None]:
    """Change refs inside; pull requests and webhooks follow when it is done."""
    state, repository = act.world.state, act.repository
    async with act.world.lock(repository):
        base = state.find(Ref, HEADS + merging.base_ref, repository.id) if merging else None
        with state.transaction():
            note = state.put(
                GitWrite(
                    id=state.new_id(),
                    repository_id=repository.id,
                    actor_id=act.user.id,
                    app_id=act.app_id,
                    pull_number=merging.number if merging else None,
                    base_before=base.sha if base else None,
                )
            )
        try:
            yield
        finally:
            await _tell(act, note)


async def finish_changes(world: World) -> None:
    """Tell about the changes of refs that a hub killed in the middle did not."""
    for repository in world.state.rows(Repository):
        for note in world.state.rows(GitWrite, repository.id):
            await _tell(Act(world, repository, world.state.load(User, note.actor_id), note.app_id), note)


async def measured(world: World, repository: Repository, pull: Pull) -> Pull:
    """Count what a pull request would change."""
    git = world.git(repository)
    files = await git.files_changed(pull.base_sha, pull.head_sha)
    return replace(
        pull,
        commits=len(await git.commits_between(pull.base_sha, pull.head_sha)),
        changed_files=len(files),
        additions=sum(change.additions for change in files),
        deletions=sum(change.deletions for change in files),
        mergeable=None,
        null_answers=0,
    )


async def _tell(act: Act, note: GitWrite) -> None:
    state = act.world.state
    changes = await _changes(act.world, act.repository)
    moves = [move async for move in _moves(act, changes, note)]
    with state.transaction():
        for change in changes:
            _record(act, change)
        for move in moves:
            _move(act, move)
        state.delete(note)
    for change in changes:
        if change.after is not None and change.name.startswith(HEADS):
            await run_ci(act, change.branch, change.after)


async def _changes(world: World, repository: Repository) -> list[RefChange]:
    known = {ref.name: ref.sha for ref in world.state.rows(Ref, repository.id)}
    found = await world.git(repository).refs("refs/")
    names = sorted(name for name in known.keys() | found.keys() if known.get(name) != found.get(name))
    return [await _change(world, repository, name, known.get(name), found.get(name)) for name in names]


async def _change(world: World, repository: Repository, name: str, before: str | None, after: str | None) -> RefChange:
    git = world.git(repository)
    forced, commits, files = False, list[CommitInfo](), dict[str, list[tuple[str, str]]]()
    if after is not None and name.startswith(HEADS):
        forced = before is not None and await git.merge_base(before, after) != before
        start = before or await git.resolve(HEADS + repository.default_branch)
        if start:
            commits = await git.commits_between(start, after)
            files = await git.names_changed(start, after) if commits else {}
    return RefChange(name, before, after, forced, commits, files)


async def _moves(act: Act, changes: list[RefChange], note: GitWrite) -> AsyncIterator[PullMove]:
    branches = {change.branch: change for change in changes if change.name.startswith(HEADS)}
    for pull in act.world.state.rows(Pull, act.repository.id):
        head, base = branches.get(pull.head_ref), branches.get(pull.base_ref)
        if pull.merged is not None or (head is None and base is None):
            continue
        issue = act.world.state.find(Issue, pull.key, act.repository.id)
        if issue is not None and issue.state == "open":
            yield await _follow(act, pull, head, base, note)


async def _follow(act: Act, pull: Pull, head: RefChange | None, base: RefChange | None, note: GitWrite) -> PullMove:
    git = act.world.git(act.repository)
    if base is not None and base.after is not None:
        asked = note.pull_number == pull.number and base.before == note.base_before
        if asked or await git.merge_base(base.after, pull.head_sha) == pull.head_sha:
            return PullMove(replace(pull, merge_commit_sha=base.after), pull.head_sha, merged=True)
    if (head is not None and head.after is None) or (base is not None and base.after is None):
        return PullMove(pull, pull.head_sha, gone=True)
    if head is None or head.after is None:
        return PullMove(replace(pull, mergeable=None, null_answers=0), pull.head_sha)
    base_sha = await git.resolve(HEADS + pull.base_ref) or pull.base_sha
    moved = replace(pull, head_sha=head.after, base_sha=base_sha)
    threads = await followed(act.world, act.repository, moved)
    return PullMove(await measured(act.world, act.repository, moved), pull.head_sha, threads=threads)


def _record(act: Act, change: RefChange) -> None:
    state, repository = act.world.state, act.repository
    known = state.find(Ref, change.name, repository.id)
    if change.after is None:
        assert known is not None
        state.delete(known)
    else:
        state.put(Ref(known.id if known else state.new_id(), repository.id, change.name, change.after))
    if change.name.startswith(TOLD):
        current = state.load(Repository, repository.id)
        state.put(replace(current, pushed=act.world.now()))
        _send_push(act, change)


def _move(act: Act, move: PullMove) -> None:
    """Write a pull request's move down; closing and merging are one webhook each, a new head is `synchronize`."""
    state, pull = act.world.state, move.pull
    issue = state.load(Issue, pull.issue_id)
    if move.merged:
        state.put(replace(pull, merged=act.world.now(), merged_by_id=act.user.id))
        act.note(issue, "merged")
        issue = set_state(act, issue, "closed", None)
        leave(act, pull, "MERGE")
        close_mentioned(act, issue, pull)
    elif move.gone:
        set_state(act, issue, "closed", None)
        leave(act, pull, "UNKNOWN_REMOVAL_REASON")
    else:
        state.put(pull)
        for thread in move.threads:
            keep_place(act.world, thread)
        if pull.head_sha != move.before:
            send_issue(act, act.world.touch(issue), "synchronize", before=move.before, after=pull.head_sha)
            leave(act, pull, "UNKNOWN_REMOVAL_REASON")


def _send_push(act: Act, change: RefChange) -> None:
    shown = [(commit, change.files.get(commit.sha, [])) for commit in change.commits]
    commits = [show_pushed_commit(act.world, act.repository, commit, files) for commit, files in shown]
    before, after = change.before or ZERO, change.after or ZERO
    identity = act.world.identity(act.user)
    act.send(
        "push",
        {
            "ref": change.name,
            "before": before,
            "after": after,
            "base_ref": None,
            "created": change.before is None,
            "deleted": change.after is None,
            "forced": change.forced,
            "compare": f"{html_url(act.world, act.repository)}/compare/{before[:12]}...{after[:12]}",
            "commits": commits,
            "head_commit": commits[-1] if commits else None,
            "pusher": {"name": identity.name, "email": identity.email},
        },
    )

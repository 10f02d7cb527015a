"""Where review threads stand in what a pull request changes, and how they follow its head."""

from dataclasses import dataclass, replace

from infra.hub.git import BareRepository
from infra.hub.patches import Anchor, anchor_at_line, anchor_at_position, line_after
from infra.hub.records import Pull, Repository, ReviewThread
from infra.hub.world import World

WHOLE_FILE = Anchor(side="", line=0, position=1, hunk="")


@dataclass(frozen=True, slots=True)
class Diff:
    """What a pull request changes as of one commit, by file."""

    commit: str
    start: str
    patches: dict[str, str]

    def thread(self, path: str, anchor: Anchor) -> ReviewThread:
        """Draw a thread at a line, not written yet."""
        line = anchor.line if anchor.side else None
        return ReviewThread(
            id=0,
            repository_id=0,
            issue_id=0,
            path=path,
            side=anchor.side,
            line=line,
            commit=self.commit,
            start=self.start,
            original_line=line,
            original_commit=self.commit,
            hunk=anchor.hunk,
            position=anchor.position,
            original_position=anchor.position,
        )

    def at_line(self, path: str, side: str, line: int) -> Anchor | None:
        return anchor_at_line(self.patches[path], side, line) if path in self.patches else None

    def at_position(self, path: str, position: int) -> Anchor | None:
        return anchor_at_position(self.patches[path], position) if path in self.patches else None


async def diff_of(git: BareRepository, pull: Pull, commit: str | None = None) -> Diff:
    """Read what a pull request changes, at its head or at one of its commits."""
    head = commit or pull.head_sha
    files = await git.files_changed(pull.base_sha, head)
    start = await git.merge_base(pull.base_sha, head) or pull.base_sha
    return Diff(head, start, {change.filename: change.patch or "" for change in files})


async def followed(world: World, repository: Repository, pull: Pull) -> list[ReviewThread]:
    """Move the threads of a pull request to its new head; those whose line is gone lose it."""
    threads = [thread for thread in world.state.rows(ReviewThread, pull.issue_id) if not thread.is_outdated]
    if not threads:
        return []
    git = world.git(repository)
    diff = await diff_of(git, pull)
    return [await _follow(git, diff, thread) for thread in threads]


def keep_place(world: World, thread: ReviewThread) -> None:
    """Write where a thread is now, whatever else became of it meanwhile."""
    known = world.state.get(ReviewThread, thread.id)
    if known is not None:
        moved = replace(known, line=thread.line, position=thread.position, commit=thread.commit, start=thread.start)
        world.state.put(moved)


async def _follow(git: BareRepository, diff: Diff, thread: ReviewThread) -> ReviewThread:
    if thread.line is None:
        return replace(thread, commit=diff.commit, start=diff.start) if thread.path in diff.patches else thread
    old, new = (thread.start, diff.start) if thread.side == "LEFT" else (thread.commit, diff.commit)
    line = line_after(await git.patch(old, new, thread.path), thread.line)
    anchor = None if line is None else diff.at_line(thread.path, thread.side, line)
    if anchor is None:
        return replace(thread, line=None, position=None)
    return replace(thread, line=anchor.line, position=anchor.position, commit=diff.commit, start=diff.start)

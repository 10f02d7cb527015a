"""The person's repository and the hub's, kept alike: branches flow in, and what came of work lands.

Objects go between the two repositories by git itself. The hub's branches are moved through its API, so that pushes
are told of; the person's by a push that git refuses where it would touch work that is not committed.
"""

import asyncio
import json
import shlex
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from app.domain.errors import Permanent, Retryable
from app.entry.local_person import Person
from app.entry.local_place import Tell
from app.entry.local_plan import Clash, Fetch, Land, Move, plan
from app.log import log
from infra.local.user_git import NO_HOOKS, GitRefused, UserGit

EVERY = 1.0
AGAIN = 2.0
KEPT = "refs/orch/hub/"
"""Where the hub's side of a branch lies for the person that cannot be put in its place."""
RECEIVE = [
    "git",
    *("-c", NO_HOOKS),
    *("-c", "receive.denyCurrentBranch=updateInstead"),
    *("-c", "receive.denyNonFastForwards=false"),
    *("-c", "receive.denyDeletes=false"),
    "receive-pack",
]
BUSY = ("rebase-merge", "rebase-apply", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "BISECT_LOG")


@dataclass(slots=True)
class Mirror:
    """Both sides, and how they agreed last. `tell` says one line to the person."""

    mine: UserGit
    hub: UserGit
    person: Person
    agreed_file: Path
    tell: Tell
    agreed: dict[str, str] = field(default_factory=dict)
    told: dict[str, str] = field(default_factory=dict)
    rest_until: dict[str, float] = field(default_factory=dict)
    copied: set[str] = field(default_factory=set)

    async def forever(self) -> None:
        """Look every second."""
        while True:
            try:
                await self.once()
            except (GitRefused, Permanent, Retryable, OSError) as error:
                log().warning("branches cannot be compared now", reason=str(error))
            await asyncio.sleep(EVERY)

    async def once(self) -> None:
        """Make both sides alike where that takes nothing from anybody."""
        if not self.agreed:
            self._read_agreed()
        mine, theirs = await asyncio.gather(asyncio.to_thread(self.mine.branches), asyncio.to_thread(self.hub.branches))
        before = dict(self.agreed)
        await asyncio.to_thread(self._copy, {name: sha for name, sha in mine.items() if sha != theirs.get(name)})
        for move in await asyncio.to_thread(plan, mine, theirs, self.agreed, self.hub.contains):
            await self._make(move)
        if self.agreed != before:
            self._write_agreed()

    def _copy(self, branches: Mapping[str, str]) -> None:
        """Give the hub's repository the commits, and move nothing there."""
        refs = [f"refs/heads/{name}" for name, sha in branches.items() if sha not in self.copied]
        if refs:
            self.hub("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", str(self.mine.folder), *refs)
            self.copied |= set(branches.values())

    async def _make(self, move: Move) -> None:
        match move:
            case Fetch():
                await self._fetch(move)
            case Land() if time.monotonic() >= self.rest_until.get(move.branch, 0):
                await asyncio.to_thread(self._land, move)
            case Land():
                pass
            case Clash():
                await asyncio.to_thread(self._clash, move)

    async def _fetch(self, move: Fetch) -> None:
        """Move the hub's branch to the person's."""
        name = f"refs/heads/{move.branch}"
        if move.was is None:
            await self.person.call("POST", "/git/refs", {"ref": name, "sha": move.sha})
        else:
            body = {"sha": move.sha, "force": move.forced}
            await self.person.call("PATCH", f"/git/{quote(name)}", body)
        self._agree(move.branch, move.sha)

    def _land(self, move: Land) -> None:
        """Move the person's branch to the hub's, unless git refuses."""
        reason = self._push(f"{move.sha or ''}:refs/heads/{move.branch}", move.branch, move.was)
        if reason is None:
            self._agree(move.branch, move.sha)
            if move.sha:
                self.tell(f"{move.branch} is at {move.sha[:10]} now")
            else:
                self.tell(f"{move.branch} is gone, as it is on the hub")
            return
        self.rest_until[move.branch] = time.monotonic() + AGAIN
        what = f"go to {move.sha[:10]}" if move.sha else "be removed"
        self._tell_once(move.branch, f"{move.branch} is to {what}, but {reason}; it is tried again every few seconds")

    def _push(self, refspec: str, branch: str, was: str | None) -> str | None:
        busy = self._busy()
        if busy:
            return busy
        lease = f"--force-with-lease=refs/heads/{branch}:{was or ''}"
        try:
            receive = f"--receive-pack={shlex.join(RECEIVE)}"
            self.hub("push", "--quiet", "--no-verify", lease, receive, str(self.mine.folder), refspec)
        except GitRefused as error:
            return explain(str(error))
        return None

    def _busy(self) -> str | None:
        folder = Path(self.mine("rev-parse", "--absolute-git-dir"))
        found = next((name for name in BUSY if (folder / name).exists()), None)
        return f"something is under way there ({found}): finish it first" if found else None

    def _clash(self, move: Clash) -> None:
        if move.sha is None:
            text = f"{move.branch} is gone on the hub; yours has commits of its own and stays as it is, here only"
        else:
            text = (
                f"{move.branch} went two ways, here and on the hub ({move.sha[:10]}): on {move.branch},"
                f" `git merge {KEPT}{move.branch}` brings both together"
            )
        if self.told.get(move.branch) != text and move.sha is not None:
            self.hub("push", "--quiet", "--no-verify", str(self.mine.folder), f"+{move.sha}:{KEPT}{move.branch}")
        self._tell_once(move.branch, text)

    def _tell_once(self, branch: str, text: str) -> None:
        if self.told.get(branch) != text:
            self.told[branch] = text
            self.tell(text)

    def _agree(self, branch: str, sha: str | None) -> None:
        if self.told.pop(branch, None):
            self.mine.try_line("update-ref", "-d", f"{KEPT}{branch}")
        if sha is None:
            self.agreed.pop(branch, None)
        else:
            self.agreed[branch] = sha

    def _read_agreed(self) -> None:
        with suppress(OSError, ValueError):
            self.agreed = json.loads(self.agreed_file.read_text())

    def _write_agreed(self) -> None:
        temporary = self.agreed_file.with_suffix(".new")
        temporary.write_text(json.dumps(self.agreed))
        temporary.replace(self.agreed_file)


REASONS: Mapping[str, str] = {
    "Working directory has": "there are changes that are not committed: commit or stash them",
    "Could not update working tree": "a file that git does not know is in the way: move it",
    "refusing to delete the current branch": "you are on it: switch to another branch",
    "cannot lock ref": "a branch of a like name is in the way: rename yours",
    "stale info": "it has just moved",
}


def explain(said: str) -> str:
    """Turn git's refusal of a push into what a person does about it."""
    found = next((text for sign, text in REASONS.items() if sign in said), None)
    return found or f"git refuses it ({' '.join(said.split())[-300:]})"

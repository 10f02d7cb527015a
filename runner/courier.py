"""What a run brings from GitHub and takes there, patiently: each time with a token minted for it."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from app.domain.errors import Permanent, Retryable
from app.domain.grants import Grant, TokenKind
from app.domain.jobs import Job
from app.domain.names import run_ref
from app.domain.outcomes import Outcome
from app.domain.record import Unfinished
from app.domain.text import one_line
from app.log import log
from app.ports import Clock, Runs
from runner.absent import Undeliverable
from runner.driving import STOPPED
from runner.ends import Ending
from runner.git import PushRejected, Transient
from runner.pulse import Pulse
from runner.workspace import Mirror, Workspace, WorkspaceBusy

TRIES = 4
PATIENCE = 32
"""Tries of what is worth more: to push what an agent has done, for a quarter of an hour."""
PAUSE = 0.25
LONGEST_PAUSE = 30
_WORKFLOW = re.compile(r"refusing to allow a GitHub App to create or update workflow `([^`\n]*)`")
_NO_WORKFLOW = (
    "{} is a workflow of GitHub Actions, which GitHub takes from no App without a permission that Orch does not have. "
    "Change it yourself, and tell the agent in a comment to leave it as it is."
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Courier:
    """Fetches and pushes for one run."""

    job: Job
    grant: Grant
    pulse: Pulse
    runs: Runs
    clock: Clock

    async def fetch(self, mirror: Mirror, left: Unfinished | None) -> tuple[str, str] | None:
        """Fetch with a token of its own at each try, because a token also says where a renamed repository is.

        Return what an earlier run left unfinished and the commit that it was made on, if it is still there.
        """
        token = await self.runs.token(self.grant.run_id, self.job, TokenKind.FETCH)
        url = token.clone_url or self.grant.clone_url
        if left and await mirror.fetch_run(url, token.value, run_ref(left.run_id), left.sha):
            parent = await mirror.parent(left.sha)
            return (left.sha, parent) if parent else None
        await mirror.fetch(url, token.value)
        return None

    async def push(self, workspace: Workspace, sha: str) -> None:
        """Push to the run's ref, and revoke the token."""
        run_id = self.grant.run_id
        token = await self.runs.token(run_id, self.job, TokenKind.PUSH)
        try:
            await workspace.push(token.clone_url or self.grant.clone_url, token.value, sha, run_ref(run_id))
            log().info("pushed", ref=run_ref(run_id), sha=sha)
        except PushRejected as refused:
            if found := _WORKFLOW.search(refused.stderr):
                raise Undeliverable(_NO_WORKFLOW.format(one_line(found[1]))) from refused
            raise
        finally:
            try:
                await self.runs.revoke(run_id, self.job, token)
            except (Retryable, Permanent) as error:
                log().warning("a push token was not revoked and lives for an hour", run=run_id, reason=str(error))

    async def persist(
        self, step: Callable[[], Awaitable[T]], tries: int = TRIES, *, in_spite_of_stop: bool = False
    ) -> T:
        """Try a step a few times while only network, server or a run that is just ending are in the way.

        A run that is told to stop tries no more, unless what it did is to be kept. Raises Retryable, or Ending.
        """
        for attempt in range(1, tries):
            try:
                return await step()
            except (Retryable, Transient, WorkspaceBusy) as error:
                log().info("trying again", run=self.grant.run_id, reason=str(error))
                asked = error.delay if isinstance(error, Retryable) else None
            await self.clock.sleep(min(asked or PAUSE * 2**attempt, LONGEST_PAUSE))
            if self.pulse.is_over or (self.pulse.verdict is not None and not in_spite_of_stop):
                raise Ending(Outcome.CANCELLED, STOPPED)
        try:
            return await step()
        except (Transient, WorkspaceBusy) as error:
            raise Retryable(str(error)) from error

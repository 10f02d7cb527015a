"""One agent at work on one grant: its processes one after another, under the limits of the whole run."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from app.domain.grants import Grant
from app.domain.outcomes import Usage, total
from app.log import log
from app.ports import Clock
from runner.agents.base import Session
from runner.driving import TURN_SECONDS
from runner.ends import failed_end
from runner.equipment import AgentSetup, Equipment
from runner.gateway.account import Account
from runner.looking import fingerprint
from runner.meter import Cut, Meter
from runner.planning import MOST_MENDED, problems_of
from runner.prices import load, price
from runner.prompts import Scene, first_prompt, next_prompt
from runner.pulse import Pulse
from runner.story import Story
from runner.supervision import Exit
from runner.transcript import Transcript
from runner.turn import Turns
from runner.workspace import Workspace

MOST_TURNS = 20
"""Times that an agent is started in one run; what people tell it after the last is left to the next run."""
LEAST_SECONDS = 10.0
"""What must be left of a run's time to start its agent once more."""


@dataclass(slots=True)
class Working:
    """One agent at work; `cut` is known at the end, and `usage` then is what was used.

    `done` says that it was done with a turn before its last. An agent that is done is started again with what it
    was told meanwhile and did not take in as it worked, and with what is wrong with an answer that has to be read:
    `mended` is how often that was.
    """

    grant: Grant
    profile: str
    setup: AgentSetup
    equipment: Equipment
    clock: Clock
    pulse: Pulse
    workspace: Workspace
    scene: Scene
    story: Story
    usage: Usage
    turn_seconds: float = TURN_SECONDS
    cut: Cut | None = None
    done: bool = False
    mended: int = 0

    async def __call__(self) -> Exit:
        """Let the agent work to its end, and return how its last process ended."""
        meter = Meter(self.grant.limits, partial(fingerprint, self.workspace.tree))
        async with AsyncExitStack() as stack:
            opened = Transcript.open(
                self.equipment.artifacts,
                self.clock,
                self.grant.run_id,
                self.equipment.redaction,
                self.equipment.gather_seconds,
            )
            transcript = await stack.enter_async_context(opened)
            account = await self._account(stack)
            self.pulse.spent = lambda: _best(meter.usage, account).cost
            turns = Turns(
                grant=self.grant,
                profile=self.profile,
                setup=self.setup,
                equipment=self.equipment,
                pulse=self.pulse,
                workspace=self.workspace,
                story=self.story,
                meter=meter,
                transcript=transcript,
                account=account,
                turn_seconds=self.turn_seconds,
            )
            try:
                return await self._take(turns)
            finally:
                self.usage = _best(meter.usage, account)

    async def _take(self, turns: Turns) -> Exit:
        """Take one turn after another, for as long as the agent is told more."""
        now = asyncio.get_running_loop().time
        until = now() + self.grant.limits.wall_seconds
        told = self.pulse.inbox.prompt()
        prompt, session = first_prompt(self.grant, self.scene, told), self._session_before()
        for _ in range(MOST_TURNS):
            ended, self.cut = await turns(prompt, session, until - now())
            if not await self._goes_on(ended, turns.account) or until - now() < LEAST_SECONDS:
                break
            self.done = True
            session = self._session_now(turns.meter)
            told, wrong = self.pulse.inbox.prompt(), self._wrong()
            self.mended += bool(wrong)
            before = None if session else self.story.answer or self.story.text
            prompt = next_prompt(self.grant, self.scene, told, before=before, wrong=wrong)
            turns.meter.begin_again()
            log().info("the agent is told more", instructions=len(told), wrong=wrong, session=session is not None)
        return ended

    async def _goes_on(self, ended: Exit, account: Account | None) -> bool:
        """Look for what there is to tell an agent that has done well and may spend more."""
        spent = account is not None and account.refusal is not None
        if self.cut or spent or failed_end(ended, self.story, self.grant.limits):
            return False
        await self.pulse.look()
        return self.pulse.verdict is None and bool(self.pulse.inbox.waiting or self._wrong())

    def _wrong(self) -> tuple[str, ...]:
        """List what is wrong with the agent's answer, if it may mend it."""
        if self.mended >= MOST_MENDED:
            return ()
        return problems_of(self.grant, self.story, self.equipment.redaction)

    def _session_before(self) -> Session | None:
        """Return the session of an earlier run to go on with."""
        session = self.grant.session if self.scene.resumed else None
        return Session(session.id, session.usage) if session else None

    def _session_now(self, meter: Meter) -> Session | None:
        """Return the session that the agent has by now, with all that it used, if it can go on with one."""
        if self.story.session is None or not self.setup.make().traits.resumes:
            return None
        before = self._session_before()
        used = [before.usage, meter.usage] if before and before.id == self.story.session else [meter.usage]
        return Session(self.story.session, total(used))

    async def _account(self, stack: AsyncExitStack) -> Account | None:
        """Open an account at the gateway for an agent whose model is known."""
        gateway = self.equipment.gateway
        if self.setup.upstream is None or gateway is None:
            return None
        await asyncio.to_thread(load)  # now, and not when the first answer waits to be priced
        limits = self.grant.limits
        account = gateway.open(
            self.setup.upstream,
            price=price,
            max_cost=limits.cost,
            max_tokens=limits.tokens,
            max_calls=limits.turns,
        )
        stack.callback(gateway.close, account)
        return account


def _best(told: Usage, account: Account | None) -> Usage:
    """Believe the gateway where every answer told what it took, else the agent.

    An agent that was cut off has not told all, one that goes on with a session may not know what that had used, and
    calls for titles are often not counted.
    """
    if account is None or not account.calls:
        return told
    counted = account.usage
    if counted.tokens_in is None or counted.tokens_out is None:
        return told
    return counted if counted.cost is not None else counted.model_copy(update={"cost": told.cost})

"""One process of an agent: what it is started with, where it is confined, and what it may."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

from app.domain.grants import Grant
from app.domain.outcomes import Outcome, Usage
from runner.agents.base import Agent, AgentCommand, Asked, Assignment, Lane, Prompt, Session, UsageReport
from runner.driving import STOPPED, Drive, Leave
from runner.equipment import AgentSetup, Equipment
from runner.gateway.account import Account
from runner.leave import leave_for, needs_gate
from runner.meter import Cut, Meter
from runner.prices import price
from runner.prompts import now_told
from runner.pulse import Pulse
from runner.sandbox import Confined, Confinement
from runner.story import Story
from runner.supervision import Command, Exit, Limits
from runner.transcript import Transcript
from runner.workspace import Workspace, WorkspaceDamaged

MOST_OUTPUT = 1 << 30
"""Bytes of an agent's output that are read: its last word is the last. The transcript has a limit of its own."""


@dataclass(frozen=True, slots=True)
class Turns:
    """What all processes of one run have in common; calling it lets the agent work once."""

    grant: Grant
    profile: str
    setup: AgentSetup
    equipment: Equipment
    pulse: Pulse
    workspace: Workspace
    story: Story
    meter: Meter
    transcript: Transcript
    account: Account | None
    turn_seconds: float

    async def __call__(self, prompt: Prompt, session: Session | None, seconds: float) -> tuple[Exit, Cut | None]:
        """Start the agent and let it work to its end; return that, and why it was cut off if it was."""
        agent = self.setup.make()
        asked = self._ask(agent, prompt, session)
        async with self.equipment.sandbox.confine(asked.argv, asked.env, self._confinement()) as confined:
            drive = Drive(
                agent=agent,
                command=self._command(asked, confined, seconds),
                meter=self.meter,
                transcript=self.transcript,
                judge=self._judge,
                priced=self._priced,
                until=self._until(),
                story=self.story,
                inbox=self.pulse.inbox,
                worded=now_told,
                pausing=self.pulse.pausing,
                turn_seconds=self.turn_seconds,
            )
            try:
                return await drive(), drive.cut
            finally:
                self.pulse.inbox.end()

    def _until(self) -> tuple[Callable[[], Awaitable[Cut]], ...]:
        """Name what ends the agent before it is done."""
        return (self._stopped, *((self._spent,) if self.account else ()))

    async def _stopped(self) -> Cut:
        await self.pulse.stopped.wait()
        return Cut(Outcome.CANCELLED, STOPPED)

    async def _spent(self) -> Cut:
        assert self.account is not None
        await self.account.spent.wait()
        return Cut(Outcome.BUDGET_SPENT, self.account.refusal or "the budget is spent")

    def _ask(self, agent: Agent, prompt: Prompt, session: Session | None) -> AgentCommand:
        """Ask the adapter what to start, and write the files that it wants in HOME."""
        asked = agent.command(self._assignment(prompt, session))
        for name, data in asked.files.items():
            _write_in(self.workspace.home, name, data)
        return asked

    def _command(self, asked: AgentCommand, confined: Confined, seconds: float) -> Command:
        return Command(
            argv=confined.argv,
            env=confined.env,
            cwd=self.workspace.tree,
            lock=self.workspace.lock_path,
            limits=Limits(seconds, self.grant.limits.silence_seconds, output_bytes=MOST_OUTPUT),
            stdin=asked.stdin,
            talks=asked.talks,
            sandboxed=confined.sandboxed,
        )

    def _assignment(self, prompt: Prompt, session: Session | None) -> Assignment:
        place = self.workspace
        return Assignment(
            prompt=prompt,
            workspace=place.tree,
            home=place.home,
            tmp=place.tmp,
            model=self.grant.model or self.setup.model,
            endpoint=self.account.endpoint if self.account else None,
            session=session,
            lane=Lane.GATED if needs_gate(self.profile) else Lane.EXEC,
            max_turns=self.grant.limits.turns,
            max_cost=self.grant.limits.cost,
        )

    def _confinement(self) -> Confinement:
        place, equipment = self.workspace, self.equipment
        return Confinement(
            workspace=place.tree,
            home=place.home,
            tmp=place.tmp,
            mirror=place.mirror.repository,
            readable=(*equipment.readable, *_installation(self.setup.program)),
            private=equipment.private,
            network=equipment.network,
            gateway=equipment.socket,
            port=equipment.gateway.port if equipment.gateway else None,
            hosts=equipment.hosts,
        )

    def _judge(self, asked: Asked) -> Leave:
        hide = self.equipment.redaction.text
        return leave_for(self.profile, asked, self.workspace.tree, self.grant.answers, hide)

    def _priced(self, report: UsageReport, model: str | None) -> UsageReport:
        """Give a report its price where the agent told none and it is known."""
        named = model or self.grant.model or self.setup.model
        if report.cost is not None or named is None:
            return report
        used = Usage(tokens_in=report.tokens_in, tokens_out=report.tokens_out, tokens_cached=report.tokens_cached)
        provider = self.setup.upstream.url if self.setup.upstream else None
        return replace(report, cost=price(named, used, provider))


def _write_in(home: Path, name: str, data: bytes) -> None:
    """Write a file in HOME, and nowhere else: in one that is kept, an agent may have left links."""
    path = home / name
    if not path.parent.resolve().is_relative_to(home.resolve()):
        raise WorkspaceDamaged(f"{name} in the agent's HOME leads out of it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)
    except (FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError) as error:
        raise WorkspaceDamaged(f"{name} in the agent's HOME cannot be written: {error.strerror}") from error


def _installation(program: Path | None) -> tuple[Path, ...]:
    """Name what must be readable for a program to run: its directory, and the package that a link leads to."""
    if program is None:
        return ()
    real = program.resolve()
    tops = [parent for parent in real.parents if parent.name == "node_modules"]
    return tuple({program.parent, (tops[-1] if tops else real.parent)})

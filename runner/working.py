"""Put together what one agent needs to work: prompt, model, isolation, limits, leave, and a transcript."""

import asyncio
import os
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path

from app.domain.grants import Grant
from app.domain.outcomes import Outcome, Usage
from app.ports import Clock
from runner.agents.base import Agent, AgentCommand, Asked, Assignment, Endpoint, Lane, Session, UsageReport
from runner.driving import Drive, Leave
from runner.equipment import AgentSetup, Equipment
from runner.gateway.account import Account
from runner.leave import leave_for, needs_gate
from runner.meter import Cut, Meter
from runner.prices import load, price
from runner.prompts import work_prompt
from runner.pulse import Pulse
from runner.sandbox import Confined, Confinement
from runner.story import Story
from runner.supervision import Command, Exit, Limits
from runner.transcript import Transcript
from runner.workspace import Workspace, WorkspaceDamaged

MOST_OUTPUT = 1 << 30
"""Bytes of an agent's output that are read: its last word is the last. The transcript has a limit of its own."""
LONGEST_LOOK = 20_000
"""Files and folders that are read to see whether anything changed; what lies beyond them is not looked at."""


@dataclass(slots=True)
class Working:
    """One agent at work on one grant; `cut` is known at the end, and `usage` then is what was used."""

    grant: Grant
    setup: AgentSetup
    equipment: Equipment
    clock: Clock
    pulse: Pulse
    workspace: Workspace
    resumed: bool
    kept: bool
    usage: Usage
    cut: Cut | None = None

    async def __call__(self, story: Story) -> Exit:
        """Let the agent work to its end, and return how its process ended."""
        agent, limits = self.setup.make(), self.grant.limits
        meter = Meter(limits, partial(fingerprint, self.workspace.tree))
        async with AsyncExitStack() as stack:
            opened = Transcript.open(self.equipment.artifacts, self.clock, self.grant.run_id, self.equipment.redaction)
            transcript = await stack.enter_async_context(opened)
            account = await self._account(stack)
            asked = self._ask(agent, account)
            confining = self.equipment.sandbox.confine(asked.argv, asked.env, self._confinement())
            drive = Drive(
                agent=agent,
                command=self._command(asked, await stack.enter_async_context(confining)),
                meter=meter,
                transcript=transcript,
                judge=self._judge,
                priced=self._priced,
                until=(self._stopped, *((partial(_spent, account),) if account else ())),
                story=story,
            )
            try:
                return await drive()
            finally:
                self.cut = drive.cut
                self.usage = _best(meter.usage, account)

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

    def _ask(self, agent: Agent, account: Account | None) -> AgentCommand:
        """Ask the adapter what to start, and write the files that it wants in HOME."""
        asked = agent.command(self._assignment(agent, account.endpoint if account else None))
        for name, data in asked.files.items():
            _write_in(self.workspace.home, name, data)
        return asked

    def _command(self, asked: AgentCommand, confined: Confined) -> Command:
        limits, place = self.grant.limits, self.workspace
        return Command(
            argv=confined.argv,
            env=confined.env,
            cwd=place.tree,
            lock=place.lock_path,
            limits=Limits(limits.wall_seconds, limits.silence_seconds, output_bytes=MOST_OUTPUT),
            stdin=asked.stdin,
            talks=asked.talks,
            sandboxed=confined.sandboxed,
        )

    def _assignment(self, agent: Agent, endpoint: Endpoint | None) -> Assignment:
        grant, place = self.grant, self.workspace
        gated = needs_gate(grant.profile)
        return Assignment(
            prompt=work_prompt(grant, resumed=self.resumed, kept=self.kept),
            workspace=place.tree,
            home=place.home,
            tmp=place.tmp,
            model=grant.model or self.setup.model,
            endpoint=endpoint,
            session=Session(grant.session.id, grant.session.usage) if grant.session and self.resumed else None,
            lane=Lane.GATED if gated else Lane.EXEC,
            max_turns=grant.limits.turns,
            max_cost=grant.limits.cost,
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
        return leave_for(self.grant.profile, asked, self.workspace.tree, self.grant.answers, hide)

    def _priced(self, report: UsageReport, model: str | None) -> UsageReport:
        """Give a report its price where the agent told none and it is known."""
        named = model or self.grant.model or self.setup.model
        if report.cost is not None or named is None:
            return report
        used = Usage(tokens_in=report.tokens_in, tokens_out=report.tokens_out, tokens_cached=report.tokens_cached)
        provider = self.setup.upstream.url if self.setup.upstream else None
        return replace(report, cost=price(named, used, provider))

    async def _stopped(self) -> Cut:
        await self.pulse.stopped.wait()
        return Cut(Outcome.CANCELLED, "it was told to stop")


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


async def _spent(account: Account) -> Cut:
    await account.spent.wait()
    return Cut(Outcome.BUDGET_SPENT, account.refusal or "the budget is spent")


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


def _installation(program: Path | None) -> tuple[Path, ...]:
    """Name what must be readable for a program to run: its directory, and the package that a link leads to."""
    if program is None:
        return ()
    real = program.resolve()
    tops = [parent for parent in real.parents if parent.name == "node_modules"]
    return tuple({program.parent, (tops[-1] if tops else real.parent)})


def fingerprint(tree: Path) -> str:
    """Return something that changes when a file of the tree does, by names, sizes and times; `.git` does not count."""
    digest, left, folders = sha256(), LONGEST_LOOK, [str(tree)]
    while folders and left > 0:  # without recursion: an agent may have made them as deep as it likes
        entries = _some_of(folders.pop(), left)
        left -= len(entries)
        for entry in entries:
            try:
                found = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if not entry.is_dir(follow_symlinks=False):
                said = f"{entry.path} {found.st_size} {found.st_mtime_ns}\n"
                digest.update(said.encode(errors="surrogateescape"))
            elif entry.name != ".git":
                folders.append(entry.path)
    return digest.hexdigest()


def _some_of(folder: str, most: int) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(islice(entries, most), key=lambda entry: entry.name)
    except OSError:
        return []

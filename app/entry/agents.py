"""Which agents there are, and which of them can run on this machine."""

import asyncio
import re
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from dataclasses import dataclass
from pathlib import Path

from app.entry.runner import set_up
from app.settings import KNOWN_AGENTS, RunnerSettings
from runner.agents.base import SYSTEM_PATH

ENVIRONMENT = {"PATH": SYSTEM_PATH, "HOME": "/nonexistent"}
PATIENCE = 15.0
"""Seconds that a program may take to tell its version."""


@dataclass(frozen=True, slots=True)
class AgentRow:
    """An agent as `orch agents` lists it; `version` is None if its program tells none, `lacks` holds sentences."""

    name: str
    used: bool
    program: str | None
    version: str | None
    ready: bool
    lanes: list[str]
    own_limits: list[str]
    resumes: bool
    lacks: list[str]


async def list_agents(settings: RunnerSettings) -> list[AgentRow]:
    """List the agents that the settings name, and then the others that Orch knows."""
    names = [*settings.agents, *(name for name in KNOWN_AGENTS if name not in settings.agents)]
    return list(await asyncio.gather(*(_row(settings, name) for name in names)))


async def _row(settings: RunnerSettings, name: str) -> AgentRow:
    setup = set_up(settings, name)
    traits = setup.make().traits
    return AgentRow(
        name=name,
        used=name in settings.agents,
        program=str(setup.program) if setup.program else None,
        version=await version_of(setup.program) if setup.program else None,
        ready=setup.missing is None,
        lanes=sorted(lane.value for lane in traits.lanes),
        own_limits=sorted(limit.value for limit in traits.limits),
        resumes=traits.resumes,
        lacks=[*([setup.missing] if setup.missing else []), *traits.lacks],
    )


async def version_of(program: Path) -> str | None:
    """Ask a program for its version; None if it tells none in time."""
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            "--version",
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            env=ENVIRONMENT,
        )
    except OSError:
        return None
    try:
        said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    found = re.search(r"\d+(\.\d+)+[-+.\w]*", said.decode(errors="replace"))
    return found[0] if found and process.returncode == 0 else None

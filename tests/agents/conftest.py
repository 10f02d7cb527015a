"""The tests of Orch with real agent CLIs: left out unless they are asked for by their marker."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from runner.sandbox import SandboxKind
from tests.agents.stage import WIRES, Stage, program
from tests.e2e.world import World
from tests.integration.sandboxes import sandbox_or_skip
from tests.model.server import model_server

HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what lies here; whoever does not name the marker does not want to wait for it."""
    ours = [item for item in items if HERE in item.path.parents]
    for item in ours:
        item.add_marker("agents")
        item.add_marker(pytest.mark.timeout(300))
    if ours and "agents" not in config.option.markexpr:
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@pytest.fixture(params=WIRES)
def agent(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if not program(name).exists():
        pytest.skip(f"{name} is not installed; `make test-agents` does that")
    return name


@pytest.fixture
async def stage(world: World, agent: str) -> AsyncIterator[Stage]:
    sandbox_or_skip(SandboxKind.BUBBLEWRAP)
    async with model_server() as model:
        yield Stage(world, model, agent)

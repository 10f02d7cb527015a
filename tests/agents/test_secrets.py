"""The provider's key, Orch's own keys and GitHub's tokens are nowhere where an agent could find them."""

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.agents.stage import KEY, Stage, shells

WAITS = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)\nos.remove('go')"
SPIES = f'env > env.txt; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline > others.txt 2>/dev/null; python3 -c "{WAITS}"'
OF_INSTALLATIONS = "ghs_"
"""How GitHub's tokens for Orch and its runs begin."""


def secrets(stage: Stage) -> list[str]:
    """List what no agent may see."""
    about = stage.world.about
    of_pem = Path(about["key_file"]).read_text().splitlines()[5]
    return [KEY, OF_INSTALLATIONS, about["webhook_secret"], of_pem, *about["tokens"].values()]


def leaked(stage: Stage, told: Iterable[str]) -> list[str]:
    return [secret for said in told for secret in secrets(stage) if secret in said]


def texts(folder: Path) -> Iterable[str]:
    """Yield what the files hold that an agent may delete while they are read."""
    for path in folder.rglob("*"):
        with suppress(OSError):
            if path.is_file() and not path.is_symlink():
                yield path.read_bytes().decode("latin-1")


@pytest.mark.parametrize("profile", ["headless-permissive", "headless-safe"])
async def test_i5_no_secret_is_where_an_agent_could_find_it(stage: Stage, profile: str) -> None:
    stage.model.scenarios["spy"] = shells(SPIES if profile == "headless-permissive" else f'python3 -c "{WAITS}"')
    await stage.start("spy", PROFILE=profile)
    number = await stage.ask()
    await stage.until_tool_works("os.path.exists")
    [workspace] = stage.world.folder.glob("orch/repositories/*/tasks/*")
    assert leaked(stage, [stage.told_to_processes()]) == []
    assert leaked(stage, texts(workspace)) == []
    (workspace / "tree" / "go").touch()
    (workspace / "tree" / "done.txt").touch()
    await stage.comment(number, "in_review")
    assert stage.model.last is not None
    assert KEY in json.dumps(dict(stage.model.last.headers))
    said = [
        *await stage.world.comments(number),
        (await stage.world.pulls())[0]["body"],
        json.dumps(stage.model.last.body),
    ]
    assert leaked(stage, [*said, *texts(stage.world.folder / "orch"), stage.world.log.read_text()]) == []

"""How agents are set up on a runner, and what keeps one from running."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.domain.errors import Permanent
from app.entry.runner import open_worker, require_tools, set_up
from app.settings import RunnerSettings, ServeSettings
from runner.sandbox import SandboxKind, find_sandbox

URL = "http://127.0.0.1:9/v1"


def settings(**options: object) -> RunnerSettings:
    return RunnerSettings(agents=["mini"], agent_options=json.loads(json.dumps({"mini": options})), sandbox="none")


def test_an_agent_that_has_all_lacks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_KEY", "canary")
    setup = set_up(settings(key="MODEL_KEY", base_url=URL), "mini")
    assert (setup.missing, setup.upstream is None) == (None, False)


@pytest.mark.parametrize("key", ["canary with words", "canary\n"])
def test_a_key_that_cannot_be_one_is_told_and_not_repeated(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("MODEL_KEY", key)
    setup = set_up(settings(key="MODEL_KEY", base_url=URL), "mini")
    assert setup.upstream is None
    assert setup.missing == "the key of a model server is one word of printable ASCII (see ORCH_AGENT_OPTIONS)"


def test_the_words_of_a_command_are_the_program_of_no_other_agent() -> None:
    assert set_up(settings(argv=["true"]), "mini").program is None


def test_words_of_a_command_that_cannot_be_filled_in_are_refused_at_the_start() -> None:
    with pytest.raises(Permanent, match=r"ORCH_AGENT_OPTIONS: mini: \{nothing\} in "):
        set_up(settings(adapter="command", argv=["sh", "{nothing}"]), "mini")


def test_hosts_that_cannot_be_any_are_refused_at_the_start() -> None:
    wrong = settings().model_copy(update={"hosts": ["https://docs.example.org"]})
    with pytest.raises(Permanent, match=r"ORCH_HOSTS: 'https://docs\.example\.org' is no host"):
        require_tools(wrong)


async def test_i5_no_agent_may_see_the_files_that_hold_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (".env", "key.pem"):
        (tmp_path / name).write_text("canary")
    given: dict[str, Any] = {
        "agents": ["script"],
        "app_id": 1,
        "webhook_secret": "canary",
        "state_dir": tmp_path / "state",
    }
    made = ServeSettings(private_key_file=tmp_path / "key.pem", **given)
    ports = cast(Any, SimpleNamespace(jobs=None, clock=None, artifacts=None))
    async with open_worker(made, ports, cast(Any, None), find_sandbox(SandboxKind.NONE)) as worker:
        assert set(worker.equipment.private) == {tmp_path / name for name in ("state", ".env", "key.pem")}

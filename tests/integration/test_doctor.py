"""`orch doctor`: what it says of this machine, and when it says no."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from app.cli import doctor
from app.cli.options import Options
from app.entry.check import Check, Result, failed
from app.entry.doctor import DoctorSettings, examine
from runner.sandbox import Network, SandboxKind
from tests.integration.sandboxes import sandbox_or_skip

cli = typer.Typer()


@cli.callback()
def _root(ctx: typer.Context) -> None:
    ctx.obj = Options()


doctor.register(cli)


def found(checks: list[Check], name: str) -> Check:
    return next(check for check in checks if check.check == name)


def below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


async def test_a_working_sandbox_passes_every_check(tmp_path: Path) -> None:
    sandbox_or_skip(SandboxKind.BUBBLEWRAP)
    settings = DoctorSettings(state_dir=tmp_path / "state", sandbox=SandboxKind.BUBBLEWRAP, network=Network.NONE)
    checks = await examine(settings)
    assert [check for check in checks if check.result is Result.FAILED] == []
    assert found(checks, "network") == Check("network", Result.OK, "nothing but the model")
    assert found(checks, "agent: read Orch's keys and state").result is Result.OK
    assert len([check for check in checks if check.check.startswith("agent: ")]) == 14


async def test_the_state_directory_is_left_as_it_was(tmp_path: Path) -> None:
    sandbox_or_skip(SandboxKind.BUBBLEWRAP)
    (tmp_path / "queue.db").write_text("state\n")
    await examine(DoctorSettings(state_dir=tmp_path, sandbox=SandboxKind.BUBBLEWRAP))
    assert below(tmp_path) <= {"queue.db", "repositories"}


async def test_without_a_sandbox_it_says_so_and_does_not_fail(tmp_path: Path) -> None:
    checks = await examine(DoctorSettings(state_dir=tmp_path, sandbox=SandboxKind.NONE))
    assert not failed(checks)
    assert found(checks, "sandbox").result is Result.NOTE
    assert found(checks, "agent: signal the runner").detail.startswith("possible: signalled process")


async def test_a_network_that_cannot_be_withheld_is_a_failure(tmp_path: Path) -> None:
    checks = await examine(DoctorSettings(state_dir=tmp_path, sandbox=SandboxKind.NONE, network=Network.HOSTS))
    assert failed(checks)
    assert found(checks, "network").advice == "use bubblewrap or ORCH_NETWORK=full"


async def test_a_host_that_is_none_is_a_failure(tmp_path: Path) -> None:
    sandbox_or_skip(SandboxKind.BUBBLEWRAP)
    settings = DoctorSettings(state_dir=tmp_path, network=Network.HOSTS, hosts="docs.example.org,1.2.3.4")
    assert found(await examine(settings), "network").advice == "mend ORCH_HOSTS"


def test_the_command_prints_json_and_fails_where_nothing_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = CliRunner().invoke(cli, ["doctor", "--sandbox", "bubblewrap", "--json"])
    checks = {check["check"]: check["result"] for check in json.loads(done.stdout)}
    assert (done.exit_code, checks["git"], checks["sandbox"]) == (1, "failed", "failed")


def test_an_unknown_sandbox_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, ["doctor", "--sandbox", "docker"])
    assert "there is no sandbox `docker`" in str(done.exception)

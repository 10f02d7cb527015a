"""What must hold of Dockerfile, compose file and systemd unit, whoever edits them."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import ServeSettings
from runner.sandbox.owners import GROUPS, UIDS

TREE = Path(__file__).parents[2]
DEPLOY = TREE / "infra/deploy"
FILES = (TREE / "Dockerfile", DEPLOY / "compose.yml", DEPLOY / "orch.service", DEPLOY / "README.md")
SECONDS_TO_GIVE_BACK = 30
"""What runs that go on take after `drain_seconds`, at most."""


def stages() -> dict[str, list[tuple[str, str]]]:
    """Map the stages of the Dockerfile to their instructions, the FROM first."""
    text = re.sub(r"^#.*\n", "", (TREE / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", "")
    found: dict[str, list[tuple[str, str]]] = {"": []}
    name = ""
    for line in filter(None, text.splitlines()):
        keyword, _, rest = line.partition(" ")
        if keyword == "FROM":
            name = rest.partition(" AS ")[2]
            found[name] = []
        found[name].append((keyword, rest))
    return found


def of(stage: str, keyword: str) -> list[str]:
    return [rest for found, rest in stages()[stage] if found == keyword]


def environment(stage: str) -> dict[str, str]:
    return dict(word.split("=", 1) for rest in of(stage, "ENV") for word in shlex.split(rest))


def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yml").read_text())


def unit() -> Iterator[tuple[str, str]]:
    lines = (DEPLOY / "orch.service").read_text().splitlines()
    yield from (tuple(line.split("=", 1)) for line in lines if "=" in line and not line.startswith("#"))  # type: ignore[misc]


def unit_value(name: str) -> str:
    [value] = [value for found, value in unit() if found == name]
    return value


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    named = set(re.findall(r"\bORCH_([A-Z][A-Z_]*)\b", path.read_text()))
    assert {name.lower() for name in named} <= ServeSettings.model_fields.keys()


def test_every_image_that_is_built_upon_is_pinned_by_digest() -> None:
    images = of("", "ARG")
    assert [image for image in images if not re.fullmatch(r"\w+_IMAGE=\S+:\S+@sha256:[0-9a-f]{64}", image)] == []
    named = {f"${{{image.partition('=')[0]}}}" for image in images}
    bases = {stage: of(stage, "FROM")[0].partition(" ")[0] for stage in stages() if stage}
    assert [stage for stage, base in bases.items() if base not in named and base not in bases] == []


def test_every_agent_has_a_version() -> None:
    [agents] = of("agents", "ARG")
    [words] = [shlex.split(agents)[0].partition("=")[2].split()]
    assert [word for word in words if not re.fullmatch(r"@?[\w./-]+@\d+\.\d+\.\d+", word)] == []


@pytest.mark.parametrize("stage", ["app", "runner"])
def test_an_image_ends_as_a_user_that_is_not_root_nor_one_of_agents(stage: str) -> None:
    uid, gid = map(int, of(stage, "USER")[-1].split(":"))
    assert uid
    assert (uid in UIDS, gid in GROUPS, gid in UIDS) == (False, False, False)


def test_no_module_is_taken_from_where_orch_is_started() -> None:
    assert environment("app")["PYTHONSAFEPATH"] == "1"
    assert of("runner", "FROM") == ["app AS runner"]
    assert ("Environment", "PYTHONSAFEPATH=1") in list(unit())


@pytest.mark.parametrize("stage", ["environment", "app", "runner"])
def test_no_image_has_a_compiler_or_recommended_packages(stage: str) -> None:
    installs = [rest for rest in of(stage, "RUN") if "apt-get install" in rest]
    assert [
        rest for rest in installs if "--no-install-recommends" not in rest or "rm -rf /var/lib/apt" not in rest
    ] == []
    assert [rest for rest in installs if re.search(r"\b(build-essential|g?cc|make|\w+-dev)\b", rest)] == []


def test_what_pip_installs_is_hashed_or_ours() -> None:
    installs = [
        part for stage in stages() for run in of(stage, "RUN") for part in run.split("&&") if "pip install" in part
    ]
    assert len(installs) == 3
    assert [
        part for part in installs if "--require-hashes" not in part and "--no-deps --no-index /wheel" not in part
    ] == []


def test_the_health_check_asks_the_port_that_orch_listens_on() -> None:
    [check] = of("app", "HEALTHCHECK")
    argv = json.loads(check[check.index("[") :])
    compile(argv[2], "health check", "exec")
    assert "os.environ['ORCH_PORT'] + '/healthz'" in argv[2]
    assert of("app", "EXPOSE") == [environment("app")["ORCH_PORT"]]


def test_an_image_holds_what_is_pinned_elsewhere_too() -> None:
    dev = set(pins("dev"))
    assert set(pins("image")) | set(pins("build")) | set(pins("base")) <= dev
    names = {pin.partition("==")[0].partition("[")[0] for pin in pins("image")}
    project = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(each for some in project["optional-dependencies"].values() for each in some)]
    assert {re.split(r"[\[<>=!~ ]", each)[0] for each in wanted} <= names


def pins(name: str) -> list[str]:
    return re.findall(r"^([\w.\[\], -]+==\S+)", (TREE / f"requirements/{name}.txt").read_text(), flags=re.MULTILINE)


def test_what_is_copied_is_let_through_to_the_build_and_nothing_else_is() -> None:
    copied = {
        word for stage in stages() for rest in of(stage, "COPY") if "--from" not in rest for word in rest.split()[:-1]
    }
    lines = (TREE / ".dockerignore").read_text().splitlines()
    assert lines[1] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == copied
    assert [name for name in copied if not (TREE / name).exists()] == []
    later = lines[max(number for number, line in enumerate(lines) if line.startswith("!")) :]
    assert any(fnmatch("infra/deploy", line) for line in later)


@pytest.mark.parametrize("service", ["app", "runner"])
def test_a_service_has_no_rights_that_it_does_not_need(service: str) -> None:
    found = compose()["services"][service]
    assert (found["cap_drop"], found["read_only"], found["build"]["target"]) == (["ALL"], True, service)
    assert "no-new-privileges:true" in found["security_opt"]
    assert not {"privileged", "cap_add", "user", "pid", "network_mode"} & found.keys()


def test_only_the_runner_is_let_out_of_the_filter_of_system_calls() -> None:
    lifted = {name: [each for each in found["security_opt"] if "unconfined" in each] for name, found in services()}
    assert lifted == {
        "app": [],
        "runner": ["seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"],
    }


def services() -> list[tuple[str, Any]]:
    return list(compose()["services"].items())


def test_both_services_share_the_state_and_the_secrets_and_no_secret_is_in_the_environment() -> None:
    state = environment("app")["ORCH_STATE_DIR"]
    for _, found in services():
        assert found["volumes"] == [f"state:{state}"]
        assert found["environment"] == {"ORCH_PRIVATE_KEY_FILE": "/run/secrets/private_key"}
        targets = [each if isinstance(each, str) else each["target"] for each in found["secrets"]]
        assert targets == ["private_key", f"{of('app', 'WORKDIR')[0]}/.env"]


def test_orch_is_reached_through_loopback_alone() -> None:
    port = environment("app")["ORCH_PORT"]
    assert [(name, found.get("ports")) for name, found in services()] == [
        ("app", [f"127.0.0.1:{port}:{port}"]),
        ("runner", None),
    ]


def test_there_is_time_to_stop_in_order() -> None:
    needed = ServeSettings.model_fields["drain_seconds"].default + SECONDS_TO_GIVE_BACK
    assert [int(found["stop_grace_period"].removesuffix("s")) > needed for _, found in services()] == [True, True]
    assert int(unit_value("TimeoutStopSec")) > needed
    assert (unit_value("KillMode"), of("app", "STOPSIGNAL")) == ("mixed", ["SIGTERM"])


def test_the_unit_is_no_root_and_reads_its_key_as_a_credential() -> None:
    config = ConfigParser(strict=False, interpolation=None)
    config.read_string((DEPLOY / "orch.service").read_text())
    assert set(config.sections()) == {"Unit", "Service", "Install"}
    assert (unit_value("User"), unit_value("NoNewPrivileges"), unit_value("CapabilityBoundingSet")) == (
        "orch",
        "yes",
        "",
    )
    assert unit_value("LoadCredential").startswith("private-key.pem:")
    assert ("Environment", "ORCH_PRIVATE_KEY_FILE=%d/private-key.pem") in list(unit())


@pytest.mark.parametrize(
    "name",
    ["ProtectKernelTunables", "ProtectKernelLogs", "ProtectProc", "ProcSubset", "ProtectHostname", "PrivateUsers"],
)
def test_nothing_in_the_unit_keeps_bubblewrap_from_its_work(name: str) -> None:
    assert name not in dict(unit())
    assert {"user", "mnt", "pid", "ipc", "uts", "net"} <= set(unit_value("RestrictNamespaces").split())

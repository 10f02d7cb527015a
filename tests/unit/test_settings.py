"""Where settings come from, and what is said of those that cannot be right."""

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from app.domain.policy import Policy
from app.entry.configuration import reference
from app.settings import RunnerSettings, ServeSettings, StateSettings, check_settings, provider_key
from app.sources import Given, Sources, gather

KNOWN = ServeSettings.model_fields
ENOUGH = {"ORCH_APP_ID": "7", "ORCH_PRIVATE_KEY": "pem", "ORCH_WEBHOOK_SECRET": "hush", "ORCH_AGENTS": "script"}


def read(
    folder: Path, environ: dict[str, str] | None = None, dot_env: str = "", yaml: str = "", config: Path | None = None
) -> Sources:
    """Read sources out of a folder that holds what is given."""
    if dot_env:
        (folder / ".env").write_text(dot_env)
    if yaml:
        (folder / "orch.yml").write_text(yaml)
    return gather(KNOWN, environ or {}, folder, config)


def problems(folder: Path, **given: str) -> list[str]:
    """Say what is wrong with settings that would be enough but for these."""
    checked = check_settings(ServeSettings, read(folder, ENOUGH | given))
    assert isinstance(checked, list)
    return checked


def settings(sources: Sources) -> ServeSettings:
    checked = check_settings(ServeSettings, sources)
    assert isinstance(checked, ServeSettings), checked
    return checked


def test_environment_is_over_dot_env_is_over_yaml_is_over_defaults(tmp_path: Path) -> None:
    yaml = "port: 1\nslots: 1\nworkers: 1\n"
    found = read(tmp_path, ENOUGH | {"ORCH_PORT": "3"}, "ORCH_PORT=2\nORCH_SLOTS=2\n", yaml)
    made = settings(found)
    assert (made.port, made.slots, made.workers, made.max_parallel) == (3, 2, 1, 4)


def test_what_a_lower_source_gives_counts_where_nothing_else_does(tmp_path: Path) -> None:
    found = read(tmp_path, {"ORCH_PORT": "3"})
    slots, port = Given("4", "`slots`", "secret"), Given("5", "`port`", "secret")
    found.lay_under({"slots": slots, "port": port})
    assert found.given == {"port": Given("3", "ORCH_PORT", "environment"), "slots": slots}


def test_every_value_knows_where_it_stands(tmp_path: Path) -> None:
    found = read(tmp_path, {"ORCH_PORT": "3"}, "ORCH_SLOTS=2\n", "# first\nworkers: 1\n")
    assert found == Sources(
        {
            "workers": Given(1, "workers", "orch.yml, line 2"),
            "slots": Given("2", "ORCH_SLOTS", ".env"),
            "port": Given("3", "ORCH_PORT", "environment"),
        }
    )


@pytest.mark.parametrize("text", ["script", " script , ", '["script"]'])
def test_a_list_is_comma_separated_or_json(tmp_path: Path, text: str) -> None:
    assert settings(read(tmp_path, ENOUGH | {"ORCH_AGENTS": text})).agents == ["script"]


def test_yaml_holds_lists_and_numbers_of_its_own(tmp_path: Path) -> None:
    enough = {name: value for name, value in ENOUGH.items() if name not in ("ORCH_AGENTS", "ORCH_APP_ID")}
    made = settings(read(tmp_path, enough, yaml="agents: [script]\napp_id: 12\nbeat: 1.5\nlog_json: true\n"))
    assert (made.agents, made.app_id, made.beat, made.log_json) == (["script"], 12, 1.5, True)


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    found = read(tmp_path, {"ORCH_PORT": ""}, "ORCH_PORT=2\n")
    assert found.given["port"] == Given("2", "ORCH_PORT", ".env")


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    assert read(tmp_path, {"PATH": "/bin", "_ORCH_COMPLETE": "x"}, "OTHER=1\n") == Sources()


@pytest.mark.parametrize("way", ["option", "environment", "dot_env"])
def test_another_file_can_be_named(tmp_path: Path, way: str) -> None:
    (tmp_path / "other.yml").write_text("port: 5\n")
    named = {"ORCH_CONFIG_FILE": "other.yml"} if way == "environment" else {}
    config = Path("other.yml") if way == "option" else None
    found = read(tmp_path, named, "ORCH_CONFIG_FILE=other.yml\n" if way == "dot_env" else "", "slots: 9\n", config)
    assert found.given == {"port": Given(5, "port", "other.yml, line 1")}


TYPOS = {
    "environment": (
        {"environ": {"ORCH_WEBHOK_SECRET": "x"}},
        "ORCH_WEBHOK_SECRET (from environment) is no setting; did you mean ORCH_WEBHOOK_SECRET?",
    ),
    "dot env": ({"dot_env": "ORCH_PROT=1\n"}, "ORCH_PROT (from .env) is no setting; did you mean ORCH_PORT?"),
    "yaml": ({"yaml": "slots: 1\nprot: 1\n"}, "prot (orch.yml, line 2) is no setting; did you mean port?"),
    "yaml, spelled as a variable": (
        {"yaml": "ORCH_PORT: 1\n"},
        "ORCH_PORT (orch.yml, line 1) is no setting; did you mean port?",
    ),
    "nothing like it": ({"environ": {"ORCH_ZZZZZZZZ": "x"}}, "ORCH_ZZZZZZZZ (from environment) is no setting"),
    "twice": ({"yaml": "port: 1\nport: 2\n"}, "port (orch.yml, line 2) was given before: orch.yml, line 1"),
    "no value": ({"dot_env": "ORCH_PORT\n"}, "ORCH_PORT (from .env) has no value: write ORCH_PORT=..."),
    "no line of dot env": ({"dot_env": "A=1\nORCH_PORT 80\n"}, ".env, line 2, is not NAME=value"),
    "no yaml": ({"yaml": "port: 1\nslots: [\n"}, "orch.yml, line 3, is not YAML: expected the node content"),
    "two documents": ({"yaml": "port: 1\n---\nport: 2\n"}, "orch.yml, line 2, is not YAML: but found another document"),
    "a list": ({"yaml": "- port\n"}, "orch.yml must be `setting: value` lines"),
    "a python object": ({"yaml": "port: !!python/name:os.system\n"}, "orch.yml, line 1, is not YAML: could not"),
    "no such file": ({"config": Path("gone.yml")}, "gone.yml cannot be read: No such file or directory"),
    "a folder": ({"config": Path("..")}, ".. cannot be read: Is a directory"),
}


@pytest.mark.parametrize("typo", TYPOS)
def test_a_typo_is_named_with_its_place(tmp_path: Path, typo: str) -> None:
    given, said = TYPOS[typo]
    [problem] = read(tmp_path, **given).problems  # type: ignore[arg-type]
    assert problem.startswith(said)


@pytest.mark.parametrize("name", [".env", "orch.yml"])
def test_a_file_that_is_no_text_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\xff\xfe\xff")
    found = read(tmp_path)
    assert found.problems == [f"{name} cannot be read: it is not UTF-8 text"]
    assert check_settings(ServeSettings, found) == found.problems


def test_every_problem_is_said_at_once(tmp_path: Path) -> None:
    found = read(tmp_path, {"ORCH_PORT": "many", "ORCH_PROT": "1"}, yaml="slots: 0\n")
    checked = check_settings(ServeSettings, found)
    assert isinstance(checked, list)
    assert [line.split(" ")[0].rstrip(":") for line in checked] == [
        "ORCH_PROT",
        "ORCH_AGENTS",
        "slots",
        "ORCH_APP_ID",
        "ORCH_PRIVATE_KEY_FILE",
        "ORCH_WEBHOOK_SECRET",
        "ORCH_PORT",
    ]


WRONG = {
    "ORCH_AGENTS": ("script,nobody", "nobody is unknown; known: claude, codex,"),
    "ORCH_BEAT": ("20", "at most half of ORCH_JOB_LEASE"),
    "ORCH_RUN_LEASE": ("1", "at least twice ORCH_BEAT"),
    "ORCH_GITHUB_API_URL": ("github.com", "match"),
    "ORCH_LOG_LEVEL": ("loud", "'debug', 'info', 'warning' or 'error'"),
    "ORCH_PORT": ("70000", "less than or equal to 65535"),
    "ORCH_WALL_SECONDS": ("inf", "finite"),
    "ORCH_MERGERS": ("admin,octocat", "each must be `write`, `maintain`, `admin`, or a login as in `@octocat`"),
    "ORCH_BOTS": ("@renovate", "each must be a bot's login as in `renovate[bot]`"),
    "ORCH_OUTSIDERS": ("hide", "'quote' or 'omit'"),
    "ORCH_MAX_DAY_COST": ("inf", "finite"),
    "ORCH_PRIVATE_KEY_FILE": ("/nowhere/key.pem", "set either ORCH_PRIVATE_KEY (the PEM text) or"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_value_is_named_and_not_repeated(tmp_path: Path, name: str) -> None:
    value, said = WRONG[name]
    [problem] = problems(tmp_path, **{name: value})
    assert problem.startswith(f"{name} (from environment): ")
    assert said in problem


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"key": "sk-canary-0123456789"}, "the name of a variable"),
        ({"key": "gsk_canary0123456789"}, "the name of a variable"),
        ({"adapter": "nobody"}, "is none of claude, codex,"),
        ({"base_url": "https://canary@models.example/v1"}, "match"),
        ({"base_url": "https://models.example/v1?key=canary"}, "match"),
    ],
)
def test_what_an_agent_cannot_be_set_up_with_is_refused_and_not_repeated(
    tmp_path: Path, options: dict[str, str], said: str
) -> None:
    [problem] = problems(tmp_path, ORCH_AGENT_OPTIONS=json.dumps({"claude": options}))
    assert problem.startswith("ORCH_AGENT_OPTIONS (from environment): ")
    assert said in problem
    assert "canary" not in problem


def test_no_secret_stands_in_an_error_or_a_repr(tmp_path: Path) -> None:
    said = " ".join(problems(tmp_path, ORCH_WEBHOOK_SECRET="canary-1", ORCH_PRIVATE_KEY="canary-2", ORCH_PORT="x"))
    made = settings(read(tmp_path, ENOUGH | {"ORCH_WEBHOOK_SECRET": "canary-1", "ORCH_PRIVATE_KEY": "canary-2"}))
    assert "canary" not in said + repr(made) + str(made) + made.model_dump_json()
    assert made.secrets() == ("canary-1", "canary-2")


def test_what_a_higher_source_hides_is_remembered(tmp_path: Path) -> None:
    found = read(tmp_path, {"ORCH_PORT": "3"}, "ORCH_PORT=2\nORCH_SLOTS=2\n", "port: 1\nbeat: 1\n")
    assert found.hidden == {"port": [Given(1, "port", "orch.yml, line 1"), Given("2", "ORCH_PORT", ".env")]}


def test_people_and_bots_are_lists(tmp_path: Path) -> None:
    given = ENOUGH | {"ORCH_MERGERS": "maintain, @octocat", "ORCH_BOTS": "renovate[bot],Copilot"}
    policy = settings(read(tmp_path, given)).policy()
    assert policy.mergers == ("maintain", "@octocat")
    assert (policy.bots, policy.budget_approvers) == (("renovate[bot]", "Copilot"), ("write",))


def test_a_command_takes_no_notice_of_what_others_need(tmp_path: Path) -> None:
    found = read(tmp_path, {"ORCH_STATE_DIR": "~/state", "ORCH_PORT": "x"})
    assert check_settings(StateSettings, found) == StateSettings(state_dir=Path("~/state").expanduser())


def test_every_setting_says_what_it_means() -> None:
    assert [name for name, field in KNOWN.items() if not field.description] == []


def test_the_readme_lists_exactly_the_settings() -> None:
    """`orch config reference` prints what belongs between the marks."""
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    [block] = re.findall(r"<!-- settings -->\n(.*)\n<!-- /settings -->", readme, re.DOTALL)
    assert block == reference()


def test_the_local_back_end_needs_nothing_of_aws(tmp_path: Path) -> None:
    assert not settings(read(tmp_path, ENOUGH)).is_on_aws


def test_aws_needs_what_it_consists_of(tmp_path: Path) -> None:
    found = problems(tmp_path, ORCH_BACKEND="aws")
    names = ("ORCH_AWS_EVENTS_QUEUE", "ORCH_AWS_JOBS_QUEUE", "ORCH_AWS_TABLE", "ORCH_AWS_BUCKET")
    assert found == [f"{name}: must be set where ORCH_BACKEND is aws" for name in names]


def test_a_runner_on_aws_needs_nothing_of_the_app(tmp_path: Path) -> None:
    given = {"ORCH_BACKEND": "aws", "ORCH_AGENTS": "script", "ORCH_AWS_BUCKET": "orch"}
    queue = "https://sqs.eu-central-1.amazonaws.com/1234/jobs"
    enough = given | {"ORCH_AWS_JOBS_QUEUE": queue, "ORCH_AWS_RUNS_FUNCTION": "runs"}
    assert isinstance(check_settings(RunnerSettings, read(tmp_path, enough)), RunnerSettings)
    assert check_settings(RunnerSettings, read(tmp_path, given | {"ORCH_AWS_JOBS_QUEUE": "jobs"})) == [
        "ORCH_AWS_JOBS_QUEUE (from environment): must be the queue's address, as in"
        " https://sqs.eu-central-1.amazonaws.com/1234/name",
        "ORCH_AWS_RUNS_FUNCTION: must be set where ORCH_BACKEND is aws",
    ]


def test_a_cluster_for_runners_needs_to_know_what_to_start_and_where(tmp_path: Path) -> None:
    given = {"ORCH_BACKEND": "aws", "ORCH_AWS_TABLE": "t", "ORCH_AWS_BUCKET": "b", "ORCH_AWS_CLUSTER": "c"}
    queues = {f"ORCH_AWS_{name}_QUEUE": "http://127.0.0.1:9/queue" for name in ("EVENTS", "JOBS")}
    names = ("TASK_DEFINITION", "SUBNETS", "SECURITY_GROUPS")
    found = problems(tmp_path, **given, **queues)
    assert found == [f"ORCH_AWS_{name}: must be set where ORCH_AWS_CLUSTER is" for name in names]


def test_the_policy_says_what_the_operator_set(tmp_path: Path) -> None:
    given = ENOUGH | {"ORCH_TRIGGER_LABEL": "orch", "ORCH_MAX_ATTEMPTS": "2", "ORCH_PORT": "3"}
    policy = settings(read(tmp_path, given)).policy()
    assert policy.stated == {"agents", "trigger", "max_attempts"}
    assert not policy.in_file


def test_the_policy_says_what_stands_in_the_operators_file(tmp_path: Path) -> None:
    yaml = "max_cost: 2.5\nwall_seconds: 60\nmax_attempts: 2\nslots: 1\ntrigger_label: ai\n"
    policy = settings(read(tmp_path, ENOUGH | {"ORCH_MAX_ATTEMPTS": "1"}, "ORCH_WALL_SECONDS=9\n", yaml)).policy()
    assert policy.in_file == {"max_cost", "trigger"}
    assert policy.stated == {"agents", "max_attempts", "wall_seconds", *policy.in_file}
    assert (policy.limits.cost, policy.limits.wall_seconds) == (Decimal("2.5"), 9)


def test_defaults_are_those_of_the_policy(tmp_path: Path) -> None:
    policy = settings(read(tmp_path, ENOUGH)).policy()
    assert policy == Policy(agents=("script",), stated=frozenset({"agents"}))


def test_a_providers_key_may_stand_in_the_dot_env_beside_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("SOME_PROVIDERS_KEY=from-file\nOTHER_KEY=hidden\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OTHER_KEY", "from-environment")
    names = ("SOME_PROVIDERS_KEY", "OTHER_KEY", "NO_KEY")
    assert [provider_key(name) for name in names] == ["from-file", "from-environment", None]

"""Typed settings: the only place that reads the environment. Every problem is reported at once, secrets masked."""

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from app.backend import BackendSettings, listed
from app.domain.config_keys import KEYS, PERSON, Autonomy, MergeMethod, Outsiders, Profile
from app.domain.errors import UserError
from app.domain.markers import Keyring
from app.domain.policy import Policy, RunLimits
from app.domain.router import NO_ROUTER, RouterPolicy, misfits, read_router
from app.notify_rules import HOLDS_SECRETS, Rules
from app.sources import COMMAND_LINE, DEFAULT_FILE, PREFIX, Given, Sources, gather, read_dot_env

KNOWN_AGENTS = ("claude", "codex", "opencode", "gemini", "qwen", "kimi", "aider", "mini", "command", "script")
SETUP_HINT = " (`orch setup` makes an App on GitHub, and sets what it needs)"
Place = Annotated[Path, AfterValidator(lambda path: path.expanduser())]


def _matches(pattern: str, rule: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"each must be {rule}")
        return text

    return AfterValidator(check)


Person = Annotated[str, _matches(PERSON, "`write`, `maintain`, `admin`, or a login as in `@octocat`")]
Bot = Annotated[str, _matches(r"[A-Za-z0-9][A-Za-z0-9_-]*(\[bot\])?", "a bot's login as in `renovate[bot]`")]


def _routed(value: object) -> RouterPolicy:
    """Take the mode alone as well as a mapping, which is JSON in the environment."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        return read_router(json.loads(value))
    return read_router(value)


class StateSettings(BackendSettings):
    """What every command needs that looks at Orch's state."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    _in_file: frozenset[str] = PrivateAttr(default=frozenset())

    state_dir: Place = Field(default=Path("orch-state"), description="folder of queues, store, artifacts, repositories")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="`debug`, `info`, `warning` or `error`: what is logged at least"
    )
    log_json: bool = Field(default=False, description="log one JSON object per line instead of text for people")

    def secrets(self) -> tuple[str, ...]:
        """Return what must never be logged."""
        return ()

    @property
    def queue_file(self) -> Path:
        return self.state_dir / "queue.db"

    @property
    def store_file(self) -> Path:
        return self.state_dir / "store.db"


class AgentOptions(BaseModel):
    """How one agent is set up; each that is not given is the adapter's own.

    `adapter` is one of the known agents, the agent's own name by default. `key` is the name of the environment
    variable that holds the provider's key, `base_url` the provider's address. `argv` is for `command`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    adapter: str | None = None
    program: str | None = None
    model: str | None = None
    base_url: str | None = Field(default=None, pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")
    key: str | None = None
    wire: Literal["anthropic", "openai-chat"] | None = None
    argv: tuple[str, ...] = ()

    @field_validator("adapter")
    @classmethod
    def _know(cls, adapter: str | None) -> str | None:
        if adapter is not None and adapter not in KNOWN_AGENTS:
            raise ValueError(f"`adapter` is none of {', '.join(KNOWN_AGENTS)}")
        return adapter

    @field_validator("key")
    @classmethod
    def _name(cls, key: str | None) -> str | None:
        """Take a name only: what looks like the key itself would be repeated wherever it is said to be missing."""
        if key is not None and not re.fullmatch("[A-Z][A-Z0-9_]*", key):
            raise ValueError(
                "`key` is the name of a variable, in capitals as in OPENAI_API_KEY, and not the key itself"
            )
        return key


class RunnerSettings(StateSettings):
    """What a runner needs that has nothing of the App."""

    ON_AWS: ClassVar[frozenset[str]] = frozenset({"aws_jobs_queue", "aws_bucket", "aws_runs_function"})

    agent_options: dict[str, AgentOptions] = Field(
        default={},
        description="per agent `adapter`, `program`, `model`, `base_url`, `key` (the variable that holds the"
        " provider's key), `wire`, `argv`; JSON in the environment",
    )
    agents: list[str] = Field(
        min_length=1,
        description=f"agents that may run, comma-separated, the first being the default: {', '.join(KNOWN_AGENTS)}, or"
        " one that `ORCH_AGENT_OPTIONS` sets up",
    )
    sandbox: Literal["bubblewrap", "uid", "none"] | None = Field(
        default=None,
        description="what isolates agents from the machine: `bubblewrap`, `uid` or `none`; not set: the first of those"
        " that is possible, and `none` is no choice that Orch makes by itself",
    )
    network: Literal["full", "hosts", "none"] = Field(
        default="full",
        description="what agents reach: `full`, the `hosts` of `ORCH_HOSTS`, or `none` but their model",
    )
    hosts: list[str] = Field(
        default=[],
        description="hosts that agents reach with `ORCH_NETWORK=hosts`, as in `docs.example.org,*.example.net`",
    )
    slots: int = Field(default=2, ge=1, description="runs at the same time in one runner")
    job_lease: float = Field(
        default=30, gt=0, description="seconds after which a lost runner's job is given to another"
    )
    beat: float = Field(default=2.5, gt=0, description="seconds between two signs of life of a run")
    drain_seconds: float = Field(
        default=20,
        ge=0,
        description="seconds that work under way may take after SIGTERM; what takes longer is given back to its queue,"
        " with what its agent did pushed in at most 30 s more",
    )
    idle_seconds: float = Field(
        default=600,
        ge=0,
        description="seconds without a job after which a runner on AWS ends; the next job starts another",
    )
    max_failures: int = Field(default=5, ge=1, description="failures after which an event or job is dead-lettered")
    retry_base: float = Field(default=5, gt=0, description="seconds until the first repetition; doubled each time")

    @field_validator("agent_options", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        return json.loads(value) if isinstance(value, str) else value

    @field_validator("agents", "hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return listed(value)

    @field_validator("agents")
    @classmethod
    def _know(cls, agents: list[str], info: ValidationInfo) -> list[str]:
        options: dict[str, AgentOptions] = info.data.get("agent_options", {})
        adapters = {name: (options[name].adapter if name in options else None) or name for name in agents}
        unknown = sorted({adapter for adapter in adapters.values() if adapter not in KNOWN_AGENTS})
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is unknown; known: {', '.join(KNOWN_AGENTS)}")
        return agents

    def private_files(self) -> Sequence[Path]:
        """Return the files with secrets that agents must not read."""
        return [Path(".env"), DEFAULT_FILE]

    def options_of(self, agent: str) -> AgentOptions:
        """Return how that agent is set up."""
        return self.agent_options.get(agent, AgentOptions())

    @field_validator("beat")
    @classmethod
    def _beat_in_time(cls, beat: float, info: ValidationInfo) -> float:
        if 2 * beat > info.data.get("job_lease", 2 * beat):
            raise ValueError("must be at most half of ORCH_JOB_LEASE, or runs are lost after a single late beat")
        return beat


class AgentsSettings(RunnerSettings):
    """What `orch agents` needs: which agents are used, if any is."""

    ON_AWS: ClassVar[frozenset[str]] = frozenset()
    agents: list[str] = Field(default=[])


class ServeSettings(RunnerSettings):
    """What the whole of Orch in one process needs, and its web and worker half."""

    ON_AWS: ClassVar[frozenset[str]] = frozenset({"aws_events_queue", "aws_jobs_queue", "aws_table", "aws_bucket"})

    github_api_url: str = Field(
        default="https://api.github.com", pattern="^https?://.", description="where GitHub's REST API is"
    )
    github_web_url: str = Field(
        default="https://github.com", pattern="^https?://.", description="where GitHub's pages and repositories are"
    )
    app_id: int = Field(gt=0, description="the App's id, a number on its settings page")
    private_key: SecretStr | None = Field(
        default=None, description="the App's private key as text (PEM); this or `ORCH_PRIVATE_KEY_FILE` is required"
    )
    private_key_file: Place | None = Field(
        default=None, validate_default=True, description="the App's private key as a file (PEM)"
    )
    webhook_secret: SecretStr = Field(
        min_length=1, description="the webhook secret of the App's settings; what is not signed with it is refused"
    )
    host: str = Field(default="127.0.0.1", description="address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, description="port to listen on; webhooks come to `/webhook`")
    metrics_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="port at which Prometheus fetches `/metrics`; not set: nowhere; see [Watching it](#watching-it)",
    )
    metrics_host: str = Field(
        default="127.0.0.1", description="address to listen on for that; whoever reaches it may read"
    )
    workers: int = Field(default=4, ge=1, description="events handled at the same time, each of another group")
    event_lease: float = Field(
        default=60, gt=0, description="seconds after which an event is handled again whose worker was lost"
    )
    trigger_label: str = Field(default="orch", min_length=1, description="the label that starts a task")
    branch_prefix: str = Field(default="orch", min_length=1, description="first part of the names of tasks' branches")
    max_attempts: int = Field(default=3, ge=1, description="attempts of a task before a person must act")
    max_parallel: int = Field(default=4, ge=1, description="runs at the same time in all")
    max_per_installation: int | None = Field(
        default=None, ge=1, description="runs at the same time of one installation"
    )
    max_per_repository: int | None = Field(default=None, ge=1, description="runs at the same time in one repository")
    max_per_agent: int | None = Field(default=None, ge=1, description="runs at the same time of one agent")
    run_lease: float = Field(default=30, gt=0, description="seconds without a sign of life until a run counts as lost")
    wall_seconds: float = Field(default=3600, gt=0, description="seconds that an agent may work")
    silence_seconds: float = Field(default=900, gt=0, description="seconds that an agent may say nothing")
    max_tool_calls: int = Field(default=1000, ge=1, description="tool calls of one run")
    max_turns: int = Field(default=500, ge=1, description="answers of the model in one run")
    max_tokens: int = Field(default=50_000_000, ge=1, description="tokens of one run, in and out")
    max_cost: Decimal = Field(default=Decimal(20), gt=0, description="US dollars of one run, where the cost is known")
    stall_calls: int = Field(
        default=40, ge=2, description="tool calls without a changed file or anything new, after which a run has stalled"
    )
    profile: Profile = Field(
        default="headless-permissive", description="rules on agents' tool calls; see `orch policy show`"
    )
    max_rounds: int = Field(default=5, ge=0, description="rounds of rework of a pull request before a person must act")
    max_task_cost: Decimal = Field(
        default=Decimal(100), gt=0, description="US dollars of one task within `ORCH_TASK_WINDOW_DAYS`"
    )
    task_window_days: float = Field(default=30, gt=0, description="days that a task's cost is summed up over")
    max_day_cost: Decimal = Field(default=Decimal(200), gt=0, description="US dollars of one repository in a day (UTC)")
    max_month_cost: Decimal = Field(
        default=Decimal(2000), gt=0, description="US dollars of one installation in a month (UTC)"
    )
    autonomy: Autonomy = Field(
        default="checkpoint",
        description="what waits for a person: `manual` (plans and each sub-issue), `checkpoint` (plans) or `full`"
        " (nothing: sub-issues are made at once, and their pull requests merged as soon as GitHub lets them be)",
    )
    integration: bool = Field(
        default=True, description="have an agent check the whole of a planned issue when all its sub-issues are closed"
    )
    outsiders: Outsiders = Field(
        default="quote",
        description="comments by people without write access: `quote` shows them to agents as no instructions, `omit`"
        " leaves them out",
    )
    merge_method: MergeMethod = Field(default="squash", description="`squash`, `merge` or `rebase`: how Orch merges")
    budget_approvers: list[Person] = Field(
        default=["write"],
        description="who may approve spending beyond a limit: `write`, `maintain`, `admin`, or logins as in `@octocat`;"
        " nobody can without write access",
    )
    mergers: list[Person] = Field(default=["write"], description="who may have Orch merge, in the same words")
    bots: list[Bot] = Field(default=[], description="bots that may start and steer work, as in `renovate[bot]`")
    router: Annotated[InstanceOf[RouterPolicy], BeforeValidator(_routed)] = Field(
        default=NO_ROUTER,
        description="how an agent is chosen where nobody names one: `fixed` (the first), `round_robin`, or in the file"
        " a mapping with `mode`, `rules`, `model_map`, `roles`, `about`, `llm`, in the environment as JSON; see"
        " [Routing](#routing)",
    )
    provider_pause: float = Field(
        default=3600,
        gt=0,
        description="seconds that an agent is left alone whose provider takes no more calls, and says not until when",
    )
    keep_failed: float = Field(default=3600, ge=0, description="seconds that a failed attempt's worktree is kept")
    onboarding: bool = Field(
        default=True, description="open one pull request with a commented `.orch.yml` where Orch is newly installed"
    )
    settle: float = Field(default=2, ge=0, description="seconds that changes are gathered for before they are shown")
    claim_after: float = Field(
        default=60, gt=0, description="seconds to wait for a late delivery before saying that a label was missed"
    )
    list_lag: float = Field(default=5, ge=0, description="seconds that GitHub's lists may be behind its writes")
    write_gap: float = Field(
        default=1,
        ge=0,
        description="least seconds between two writes to GitHub in one installation, as GitHub advises; 0 for the hub",
    )
    redeliver_every: float = Field(default=300, gt=0, description="seconds between two sweeps for what no webhook told")
    notify: Rules = Field(
        default=(),
        json_schema_extra=HOLDS_SECRETS,
        description="whom to tell outside GitHub: rules `{to: URL, on: [needs_person, done, failed, budget]}`, in the"
        " environment as JSON; see [Notifications](#notifications)",
    )

    @field_validator("budget_approvers", "mergers", "bots", mode="before")
    @classmethod
    def _split_people(cls, value: object) -> object:
        return listed(value)

    @field_validator("router")
    @classmethod
    def _fits(cls, router: RouterPolicy, info: ValidationInfo) -> RouterPolicy:
        agents = info.data.get("agents")
        if agents and (problems := list(misfits(router, agents))):
            raise ValueError("; ".join(problems))
        return router

    @field_validator("private_key_file")
    @classmethod
    def _one_key(cls, path: Path | None, info: ValidationInfo) -> Path | None:
        if (path is None) == (info.data.get("private_key") is None):
            raise ValueError("set either ORCH_PRIVATE_KEY (the PEM text) or ORCH_PRIVATE_KEY_FILE (its path)")
        if path is not None and not path.is_file():
            raise ValueError(f"there is no file {path}")
        return path

    @field_validator("run_lease")
    @classmethod
    def _outlives_beats(cls, run_lease: float, info: ValidationInfo) -> float:
        if run_lease < 2 * info.data.get("beat", 0):
            raise ValueError("must be at least twice ORCH_BEAT, or runs are lost after a single late beat")
        return run_lease

    def key(self) -> str:
        """Return the App's private key (PEM); raises UserError if its file cannot be read."""
        if self.private_key is not None:
            return self.private_key.get_secret_value()
        assert self.private_key_file is not None
        try:
            return self.private_key_file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"ORCH_PRIVATE_KEY_FILE cannot be read: {type(error).__name__}") from None

    def private_files(self) -> Sequence[Path]:
        """Return those of a runner, and that of the App's key."""
        return [*super().private_files(), *([self.private_key_file] if self.private_key_file else [])]

    def secrets(self) -> tuple[str, ...]:
        """Return webhook secret, private key, and what of the addresses of notifications is secret."""
        told = (secret for rule in self.notify for secret in rule.secrets())
        return (self.webhook_secret.get_secret_value(), self.key(), *told)

    def keyring(self) -> Keyring:
        """Return the keys that sign markers, derived from the App's key so that there is none to keep besides."""
        return Keyring((sha256(b"orch marker key\n" + self.key().strip().encode()).digest(),))

    def policy(self) -> Policy:
        """Return what decisions go by."""
        same: dict[str, Any] = {
            name: getattr(self, name) for name in Policy.model_fields.keys() & self.__class__.model_fields
        }
        return Policy(
            **same,
            trigger=self.trigger_label,
            limits=RunLimits(
                wall_seconds=self.wall_seconds,
                silence_seconds=self.silence_seconds,
                tool_calls=self.max_tool_calls,
                turns=self.max_turns,
                tokens=self.max_tokens,
                cost=self.max_cost,
                stall_calls=self.stall_calls,
            ),
            isolated=self.sandbox != "none",
            stated=_keys(self.model_fields_set),
            in_file=_keys(self._in_file),
        )


def _keys(names: Iterable[str]) -> frozenset[str]:
    """Return the names that a policy or a repository's file has for these settings, as far as it has any."""
    return frozenset("trigger" if name == "trigger_label" else name for name in names) & {*Policy.model_fields, *KEYS}


class SetupSettings(StateSettings):
    """What `orch setup` needs: there is no App yet."""

    github_api_url: str = ServeSettings.model_fields["github_api_url"].default
    github_web_url: str = ServeSettings.model_fields["github_web_url"].default
    port: int = ServeSettings.model_fields["port"].default


S = TypeVar("S", bound=StateSettings)


def find_sources(config: Path | None = None, options: Mapping[str, str] | None = None) -> Sources:
    """Read what is given for any setting, from the environment and the working directory.

    `options` are settings that the command line names, which count before all else.
    """
    sources = gather(ServeSettings.model_fields, os.environ, Path(), config)
    given = {name: Given(value, f"--{name.replace('_', '-')}", COMMAND_LINE) for name, value in (options or {}).items()}
    sources.lay(given)
    return sources


def read_settings(kind: type[S], config: Path | None = None) -> S:
    """Read the settings of that kind; raises UserError naming every problem. `config` is a YAML file."""
    return demand(kind, find_sources(config))


def demand(kind: type[S], sources: Sources) -> S:
    """Return the settings of that kind; raises UserError naming every problem."""
    checked = check_settings(kind, sources)
    if isinstance(checked, list):
        hint = "" if kind is not ServeSettings or "app_id" in sources.given or sources.some_unread else SETUP_HINT
        raise UserError("settings: " + "; ".join(checked) + hint)
    return checked


def check_settings(kind: type[S], sources: Sources) -> S | list[str]:
    """Return the settings, or every problem with what was given; what was not read is not called missing."""
    if sources.some_unread:
        return sources.problems
    values = {name: given.value for name, given in sources.given.items() if name in kind.model_fields}
    try:
        made = kind.model_validate(values)
    except ValidationError as error:
        items = error.errors(include_input=False, include_url=False)
        return [*sources.problems, *(_problem(item, sources) for item in items)]
    made._in_file = frozenset(name for name in values if sources.given[name].is_in_file)
    return sources.problems or made


def _problem(item: Any, sources: Sources) -> str:
    name = str(item["loc"][0])
    given, label = sources.given.get(name), PREFIX + name.upper()
    text = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "missing":
        return f"{label} is not set: {ServeSettings.model_fields[name].description}"
    return f"{given.label} (from {given.origin}): {text}" if given else f"{label}: {text}"


def otlp_signals() -> frozenset[str]:
    """Return which of `traces` and `metrics` the standard variables of OpenTelemetry send somewhere."""
    if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return frozenset()
    return frozenset(signal for signal in ("traces", "metrics") if _is_sent(signal.upper()))


def _is_sent(signal: str) -> bool:
    to = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    return bool(to) and os.environ.get(f"OTEL_{signal}_EXPORTER", "otlp").strip() == "otlp"


def provider_key(name: str) -> str | None:
    """Return the provider's key that the environment, or else `.env`, holds under that name."""
    return os.environ.get(name) or read_dot_env(Path(".env")).get(name) or None


def has_display() -> bool:
    """Say whether a browser could show something to whoever started this."""
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def user_environment() -> dict[str, str]:
    """Return the environment without git's own variables, which would name another repository than the one meant."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def user_state_dir() -> Path:
    """Return where programs keep state of this user: `$XDG_STATE_HOME` or `~/.local/state`."""
    given = os.environ.get("XDG_STATE_HOME", "")
    return Path(given) if given.startswith("/") else Path.home() / ".local" / "state"

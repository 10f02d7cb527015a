"""Typed settings: the only place that reads the environment. Every problem is reported at once, secrets masked."""

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from app.domain.errors import UserError
from app.domain.markers import Keyring
from app.domain.policy import Policy

KNOWN_AGENTS = ("script",)
Agents = Annotated[list[str], NoDecode]


class RunnerSettings(BaseSettings):
    """What a runner on this machine needs. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="ORCH_", env_file=".env", extra="ignore")

    state_dir: Path = Path("orch-state")
    agents: Agents = Field(
        default=[], validate_default=True, description="agents that may run here, the first being the default"
    )
    slots: int = Field(default=2, ge=1, description="runs at the same time in one runner")
    job_lease: float = Field(default=30, gt=0)
    beat: float = Field(default=2.5, gt=0)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_json: bool = False

    @field_validator("agents", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Take `script,other` as well as a JSON list."""
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            return json.loads(value)
        return [name.strip() for name in value.split(",") if name.strip()]

    @field_validator("agents")
    @classmethod
    def _know(cls, agents: list[str]) -> list[str]:
        if not agents:
            raise ValueError("name at least one agent, for example ORCH_AGENTS=script")
        unknown = sorted(set(agents) - set(KNOWN_AGENTS))
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is unknown; known: {', '.join(KNOWN_AGENTS)}")
        return agents

    @field_validator("beat")
    @classmethod
    def _beat_in_time(cls, beat: float, info: ValidationInfo) -> float:
        if 2 * beat > info.data.get("job_lease", 2 * beat):
            raise ValueError("must be at most half of ORCH_JOB_LEASE, or runs are lost after a single late beat")
        return beat

    @property
    def queue_file(self) -> Path:
        return self.state_dir / "queue.db"

    @property
    def store_file(self) -> Path:
        return self.state_dir / "store.db"


class ServeSettings(RunnerSettings):
    """What the whole of Orch in one process needs, and its web and worker half."""

    github_api_url: str = Field(default="https://api.github.com", pattern="^https?://.")
    github_web_url: str = Field(default="https://github.com", pattern="^https?://.")
    app_id: int
    private_key: SecretStr | None = None
    private_key_file: Path | None = Field(default=None, validate_default=True)
    webhook_secret: SecretStr = Field(min_length=1)
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    workers: int = Field(default=4, ge=1, description="events handled at the same time, each of another group")
    event_lease: float = Field(default=60, gt=0)
    max_failures: int = Field(default=5, ge=1)
    trigger_label: str = "orch"
    branch_prefix: str = "orch"
    max_attempts: int = Field(default=3, ge=1)
    max_parallel: int = Field(default=4, ge=1)
    run_lease: float = Field(default=30, gt=0)
    wall_seconds: float = Field(default=3600, gt=0)
    silence_seconds: float = Field(default=900, gt=0)
    settle: float = Field(default=2, ge=0)
    claim_after: float = Field(default=60, gt=0)
    list_lag: float = Field(default=5, ge=0)
    retry_base: float = Field(default=5, gt=0)
    write_gap: float = Field(default=1, ge=0, description="least time between two writes to GitHub per installation")
    redeliver_every: float = Field(default=300, gt=0)

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

    def keyring(self) -> Keyring:
        """Return the keys that sign markers, derived from the App's key so that there is none to keep besides."""
        return Keyring((sha256(b"orch marker key\n" + self.key().strip().encode()).digest(),))

    def policy(self) -> Policy:
        """Return what decisions go by."""
        return Policy(
            trigger=self.trigger_label,
            branch_prefix=self.branch_prefix,
            agents=tuple(self.agents),
            max_attempts=self.max_attempts,
            max_parallel=self.max_parallel,
            wall_seconds=self.wall_seconds,
            silence_seconds=self.silence_seconds,
            settle=self.settle,
            claim_after=self.claim_after,
            list_lag=self.list_lag,
            retry_base=self.retry_base,
            run_lease=self.run_lease,
        )


S = TypeVar("S", bound=BaseSettings)


def read_settings(kind: type[S]) -> S:
    """Read settings from environment and `.env`; raises UserError naming every problem."""
    try:
        return kind()
    except ValidationError as error:
        lines = [_problem(item) for item in error.errors(include_input=False, include_url=False)]
        raise UserError("settings: " + "; ".join(lines)) from None
    except (SettingsError, UnicodeDecodeError) as error:
        raise UserError(f"settings: {type(error).__name__} in the environment or .env") from None


def _problem(item: object) -> str:
    assert isinstance(item, dict)
    name = "ORCH_" + "_".join(str(part) for part in item["loc"]).upper() if item["loc"] else ""
    text = str(item["msg"]).removeprefix("Value error, ")
    return f"{name}: {text}" if name else text


def user_environment() -> dict[str, str]:
    """Return the environment without git's own variables, which would name another repository than the one meant."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def user_state_dir() -> Path:
    """Return where programs keep state of this user: `$XDG_STATE_HOME` or `~/.local/state`."""
    given = os.environ.get("XDG_STATE_HOME", "")
    return Path(given) if given.startswith("/") else Path.home() / ".local" / "state"

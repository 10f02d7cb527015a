"""Typed settings: the only place that reads the environment. Every problem is reported at once, secrets masked."""

from hashlib import sha256
from pathlib import Path
from typing import Self, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.domain.errors import UserError
from app.domain.markers import Keyring
from app.domain.policy import Policy

KNOWN_AGENTS = ("script",)


class RunnerSettings(BaseSettings):
    """What a runner on this machine needs. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="ORCH_", env_file=".env", extra="ignore")

    state_dir: Path = Path("orch-state")
    agents: list[str] = Field(default=[], description="agents that may run here; the first is the default")
    slots: int = Field(default=2, ge=1, description="runs at the same time in one runner")
    job_lease: float = Field(default=30, gt=0)
    beat: float = Field(default=2.5, gt=0)
    log_level: str = "info"
    log_json: bool = False

    @property
    def queue_file(self) -> Path:
        return self.state_dir / "queue.db"

    @property
    def store_file(self) -> Path:
        return self.state_dir / "store.db"


class ServeSettings(RunnerSettings):
    """What the whole of Orch in one process needs, and its web and worker half."""

    github_api_url: str = "https://api.github.com"
    github_web_url: str = "https://github.com"
    app_id: int
    private_key: SecretStr | None = None
    private_key_file: Path | None = None
    webhook_secret: SecretStr = Field(min_length=1)
    host: str = "127.0.0.1"
    port: int = 8080
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
    list_lag: float = Field(default=5, ge=0)
    retry_base: float = Field(default=5, gt=0)
    write_gap: float = Field(default=1, ge=0, description="least time between two writes to GitHub per installation")
    redeliver_every: float = Field(default=300, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.private_key is None) == (self.private_key_file is None):
            raise ValueError("set either ORCH_PRIVATE_KEY (the PEM text) or ORCH_PRIVATE_KEY_FILE (its path)")
        if self.private_key_file and not self.private_key_file.is_file():
            raise ValueError(f"ORCH_PRIVATE_KEY_FILE: there is no file {self.private_key_file}")
        if not self.agents:
            raise ValueError("ORCH_AGENTS: name at least one agent, for example ORCH_AGENTS='[\"script\"]'")
        unknown = sorted(set(self.agents) - set(KNOWN_AGENTS))
        if unknown:
            raise ValueError(f"ORCH_AGENTS: {', '.join(unknown)} is unknown; known: {', '.join(KNOWN_AGENTS)}")
        return self

    def key(self) -> str:
        """Return the App's private key (PEM)."""
        if self.private_key is not None:
            return self.private_key.get_secret_value()
        assert self.private_key_file is not None
        return self.private_key_file.read_text()

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


def _problem(item: object) -> str:
    assert isinstance(item, dict)
    name = "ORCH_" + "_".join(str(part) for part in item["loc"]).upper() if item["loc"] else ""
    text = str(item["msg"]).removeprefix("Value error, ")
    return f"{name}: {text}" if name else text

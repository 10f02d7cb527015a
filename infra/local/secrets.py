"""Keep an App's secrets in files that nobody else may read: keys in the state directory, settings in `.env`."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dotenv.parser import parse_stream

from app.domain.errors import UserError
from app.domain.manifest import NewApp

SETTINGS = ("ORCH_APP_ID", "ORCH_PRIVATE_KEY_FILE", "ORCH_WEBHOOK_SECRET")
OUTDONE = ("ORCH_PRIVATE_KEY",)
"""Settings that would contradict those."""


@dataclass(frozen=True, slots=True)
class FileSecretStore:
    """Writes to `<state_dir>/app` and to a `.env`; what that says of an App already stays unless `replace`."""

    state_dir: Path
    env_file: Path
    replace: bool = False

    async def keep(self, app: NewApp) -> Sequence[str]:
        return await asyncio.to_thread(self._keep, app)

    def _keep(self, app: NewApp) -> list[str]:
        env = self._env_with(app)
        key, client_secret = self.key_file, self.key_file.with_name("client-secret")
        try:
            key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path, text in ((key, app.private_key), (client_secret, f"{app.client_secret}\n"), (self.env_file, env)):
                write_private(path.resolve(), text)
        except OSError as error:
            raise UserError(f"{error.filename or self.state_dir} cannot be written: {error.strerror}") from error
        return [
            f"{key}: the private key",
            f"{client_secret}: the client secret, which Orch does not need yet",
            f"{self.env_file.resolve()}: {', '.join(SETTINGS)}",
        ]

    @property
    def key_file(self) -> Path:
        return self.state_dir.resolve() / "app" / "private-key.pem"

    def _env_with(self, app: NewApp) -> str:
        values = (str(app.app_id), _quoted(str(self.key_file)), _quoted(app.webhook_secret))
        lines = [f"{name}={value}\n" for name, value in zip(SETTINGS, values, strict=True)]
        before = self._env_without()
        return "".join([before, "\n" if before and not before.endswith("\n") else "", *lines])

    def _env_without(self) -> str:
        """Return what `.env` says of other things. Raises UserError if it says anything of an App, and may not."""
        if not self.env_file.exists():
            return ""
        try:
            with self.env_file.open(encoding="utf-8") as stream:
                bindings = list(parse_stream(stream))
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{self.env_file} cannot be read: {error}") from error
        about = {binding.key for binding in bindings if binding.key in (*SETTINGS, *OUTDONE)}
        if about and not self.replace:
            raise UserError(
                f"{self.env_file} sets {', '.join(sorted(map(str, about)))} already; `--replace` replaces that"
            )
        return "".join(binding.original.string for binding in bindings if binding.key not in about)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, durably and as a whole: a crash leaves the old one or the new one."""
    scratch = path.with_name(f".{path.name}.new")
    with suppress(FileNotFoundError):
        scratch.unlink()
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:  # noqa: PTH123 - of a descriptor
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    scratch.replace(path)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _quoted(value: str) -> str:
    """Write a value so that `.env` gives it back: in single quotes nothing but these two is special."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"

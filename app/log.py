"""Structured logs, without secrets. Ids are bound once, where the work begins, and stand on every line after."""

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, TextIO

from app.redaction import Redaction
from app.terminal import printable


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Let a module not be found that was not imported before."""
    modules: dict[str, Any] = sys.modules
    hidden = modules.setdefault(module, None) is None
    try:
        yield
    finally:
        if hidden:
            del modules[module]


with _without("rich"):  # structlog takes it where it is there, for tracebacks unlike ours: 3 MB, and 0.1 s of a start
    import structlog
    from structlog.typing import EventDict, Processor, WrappedLogger

MANY_LINES = frozenset({"exception", "stack"})


def configure(
    level: str = "info", *, as_json: bool = False, secrets: Iterable[str] = (), stream: TextIO | None = None
) -> None:
    """Write logs to standard error or `stream`, for people or as JSON; those of libraries too, from `warning` on.

    `secrets` are hidden wherever they stand, besides all that looks like one.
    """
    shared = [*_PROCESSORS, _redact_by(Redaction(secrets)), *([] if as_json else [_make_printable])]
    renderer = _renderer(as_json=as_json)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=lambda *_: _Lossy(stream or sys.stderr),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder(), structlog.stdlib.add_logger_name],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shared, renderer],
        use_get_message=True,
        pass_foreign_args=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(formatter)
    log.cache_clear()
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel("DEBUG" if level == "debug" else "WARNING")
    logging.captureWarnings(True)


class _Lossy(structlog.PrintLogger):
    """Lose what cannot be written: a log on a full disk must not stop what is logged."""

    def msg(self, message: str) -> None:
        with suppress(OSError):
            super().msg(message)

    log = debug = info = warning = error = critical = msg


@cache
def log() -> structlog.typing.FilteringBoundLogger:
    """Return the logger, as it is configured by now."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger().bind()
    return logger


bound = structlog.contextvars.bound_contextvars


_PROCESSORS: tuple[Processor, ...] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
)


def _redact_by(redaction: Redaction) -> Processor:
    def redact(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {name: redaction.named(name, value) for name, value in event.items()}

    return redact


def _make_printable(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Keep what others wrote from forging lines and commanding a terminal."""
    return {
        name: printable(value) if isinstance(value, str) and name not in MANY_LINES else value
        for name, value in event.items()
    }


def _renderer(*, as_json: bool) -> Processor:
    if as_json:
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)

"""Structured logs. Ids are bound once, where the work begins, and stand on every line after."""

import logging
import sys

import structlog


def configure(level: str = "info", *, as_json: bool = False) -> None:
    """Write logs to standard error, for people or as JSON."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def log() -> structlog.typing.FilteringBoundLogger:
    """Return the logger."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


bound = structlog.contextvars.bound_contextvars

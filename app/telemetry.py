"""What Orch measures and traces. Until an entry point says where to, nothing is: a call then costs next to nothing."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

FLUSH_SECONDS = 2.0
Word = str | int | float | bool


class Shape(StrEnum):
    """What a number is: one that only grows, one as it is now, or one of many whose distribution is of interest."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """A number that is measured; what its labels say is never free text, so that there are few of it."""

    name: str
    shape: Shape
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def shown(self) -> str:
        """Return the name by which Prometheus has it."""
        return f"{self.name}_total" if self.shape is Shape.COUNTER else self.name

    def record(self, value: float | None = 1, **labels: str) -> None:
        """Add to a counter, set a gauge (None: it is not known now), or observe one value of many."""
        for sink in _targets.sinks:
            sink.record(self, value, labels)


class Sink(Protocol):
    """Takes what is measured; called from the event loop, it must not wait."""

    def record(self, metric: Metric, value: float | None, labels: Mapping[str, str]) -> None: ...

    def flush(self, seconds: float) -> None:
        """Send on what was taken, for at most so long."""
        ...


class Span(Protocol):
    """A part of the work that is traced; `names` are for the log, whose lines it is found by."""

    @property
    def names(self) -> Mapping[str, str]: ...

    def note(self, **words: Word) -> None: ...


class Tracer(Protocol):
    """Takes what is traced."""

    def span(self, name: str, trace: str | None, words: Mapping[str, Word]) -> AbstractContextManager[Span]: ...

    def carried(self) -> str | None: ...

    def flush(self, seconds: float) -> None: ...


class _Untraced:
    """Stand for a span where nothing is traced."""

    names: Mapping[str, str] = {}

    def note(self, **words: Word) -> None:
        return


@dataclass(slots=True)
class _Targets:
    sinks: tuple[Sink, ...] = ()
    tracer: Tracer | None = None


_targets = _Targets()
_untraced: AbstractContextManager[Span] = nullcontext(_Untraced())
_unsaid: AbstractContextManager[None] = nullcontext()
_about: ContextVar[str | None] = ContextVar("about", default=None)


def configure(*sinks: Sink, tracer: Tracer | None = None) -> None:
    """Say where all goes that is measured and traced from now on; with nothing, nowhere."""
    _targets.sinks, _targets.tracer = sinks, tracer


def is_measured() -> bool:
    """Say whether it is worth finding out what to record."""
    return bool(_targets.sinks)


def is_traced() -> bool:
    """Say whether messages are to carry the trace that they belong to."""
    return _targets.tracer is not None


def span(name: str, *, trace: str | None = None, **words: Word) -> AbstractContextManager[Span]:
    """Trace what is done in the context as a part of what goes on, or of `trace`, which a message carried.

    `words` are ids and words of Orch, never what people wrote.
    """
    tracer = _targets.tracer
    return _untraced if tracer is None else tracer.span(name, trace, words)


def about(group: str | None) -> AbstractContextManager[None]:
    """Say whose task is at work in the context: what is sent to another one begins a trace of its own there.

    Without that a task that waited for a slot would be in the trace of the one that freed it, and so on for ever.
    """
    return _unsaid if _targets.tracer is None else _at_work_on(group)


@contextmanager
def _at_work_on(group: str | None) -> Iterator[None]:
    token = _about.set(group)
    try:
        yield
    finally:
        _about.reset(token)


def carried(group: str | None = None) -> str | None:
    """Return the `traceparent` (W3C Trace Context) that a message to that group carries; None if it carries none."""
    tracer, mine = _targets.tracer, _about.get()
    if tracer is None or (mine and group and mine != group and _is_task(group)):
        return None
    return tracer.carried()


def _is_task(group: str) -> bool:
    return group.startswith("repository:") and group.rpartition("/")[2].isdecimal()


def flush(seconds: float = FLUSH_SECONDS) -> None:
    """Send on what was measured and traced before this process is put to sleep; returns after twice `seconds` at most.

    It waits for the network: call it from a thread where others would wait with it.
    """
    if _targets.tracer is not None:
        _targets.tracer.flush(seconds)
    for sink in _targets.sinks:
        sink.flush(seconds)

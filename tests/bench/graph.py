"""What an event costs in a graph of 100 sub-issues: the decision alone, and all that handling it takes."""

import gc
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import median, quantiles

from app.domain.comment import LIMIT
from app.domain.strategies.telling import told
from tests.bench.figures import Bench, Figure, at_most
from tests.bench.graph_cases import Case, cases_of
from tests.bench.graph_story import CHILDREN, Handled, Story, play

TIMES = 2000
MOST_MS = 2
MOST_READS = 1


async def measure(bench: Bench) -> Sequence[Figure]:
    """Play the story anew in each run; SQLite and GitHub are in memory, so that what is shown is Orch's own."""
    stories = [await play() for _ in range(bench.runs)]
    return [*_decided(stories), *_handled(stories), *_sizes(stories)]


def _decided(stories: Sequence[Story]) -> Iterator[Figure]:
    middle, slow = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for story in stories:
        for case in cases_of(story):
            took = _time(case)
            middle[case.name].append(median(took))
            slow[case.name].append(quantiles(took, n=100)[-1])
    for name in middle:
        yield Figure(f"decide: {name}", middle[name], "ms", at_most(MOST_MS))
        yield Figure(f"decide: {name}, p99", slow[name], "ms", at_most(MOST_MS))


def _time(case: Case) -> list[float]:
    """Decide again and again, and on what others are told of it; return milliseconds of CPU, whatever else runs."""
    took = []
    gc.collect()
    for turn in range(TIMES):
        begin = time.thread_time()
        decision = case.decide(turn)
        told(case.snapshot.record, decision.record)
        took.append((time.thread_time() - begin) * 1000)
        assert decision.record is not None
    return took


def _handled(stories: Sequence[Story]) -> Iterator[Figure]:
    for name in stories[0].handled:
        each = [story.handled[name] for story in stories]
        yield Figure(f"handle: {name}", [_middle(one, "ms") for one in each], "ms")
        yield Figure(f"handle: {name}, read of the store", [_middle(one, "gets") for one in each], "reads")
        yield Figure(f"handle: {name}, written to it", [_middle(one, "commits") for one in each], "commits")
        most = [max(handled.reads for handled in one) for one in each]
        yield Figure(f"handle: {name}, most asked of GitHub", most, "requests", at_most(MOST_READS))


def _middle(handled: Sequence[Handled], name: str) -> float:
    return float(median(getattr(one, name) for one in handled))


def _sizes(stories: Sequence[Story]) -> Iterator[Figure]:
    records = [len(story.parent.model_dump_json()) for story in stories]
    yield Figure(f"record of a parent of {CHILDREN}", records, "bytes")
    yield Figure(
        f"living comment of a parent of {CHILDREN}", [one.comment for one in stories], "characters", at_most(LIMIT)
    )

"""What property tests draw from. Examples are the same at each run, and none are stored."""

import os
from datetime import UTC
from decimal import Decimal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from app.domain.outcomes import Outcome, Usage
from app.domain.record import RunSummary, TaskRecord
from app.domain.task import Status
from tests.unit import build

EXAMPLES = int(os.environ.get("EXAMPLES", "40"))
"""How many examples a property is tried with; what takes long is tried with a fifth of them."""
examine = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow],  # a machine at work is no fault of the test
)
examine_few = settings(examine, max_examples=max(EXAMPLES // 5, 10))

_PIECES = (
    *("-->", "<!--", "--", "<", ">", "\r\n", "\n", "\r", "\u2028", "\x00", "\x85", "é", "😀", "`", "|", " ", "\\"),
    *("@writer", "@", "fixes", "Closes:", "resolved", "#12", "owner/project#1", "https://github.com/", "GH-1", "_"),
    *("<details>", "</details>", "&#64;", "&commat;", "&#35;1", "*", "[", "(", "~~~", "```", "\u2060", "orch:record"),
)

texts = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(_PIECES), max_size=12).map("".join))
moments = st.datetimes(timezones=st.just(UTC))
unknown_or_count = st.none() | st.integers(min_value=0, max_value=10**9)
unknown_or_cost = st.none() | st.decimals(min_value=0, max_value=1000, places=4, allow_nan=False).map(Decimal)
usages = st.builds(Usage, tokens_in=unknown_or_count, tokens_out=unknown_or_count, cost=unknown_or_cost)
runs = st.builds(
    RunSummary,
    run_id=texts,
    attempt=st.integers(min_value=1, max_value=9),
    outcome=st.sampled_from(Outcome),
    reason=texts,
    head_sha=st.none() | st.just(build.SHA),
    usage=usages,
    started_at=moments,
    ended_at=moments,
)


@st.composite
def records(draw: st.DrawFn) -> TaskRecord:
    """Draw a record in any status, with any text where people, agents or GitHub put text."""
    return build.record(
        draw(st.sampled_from(Status)),
        title=draw(texts),
        why=draw(texts),
        notice=draw(texts),
        requested_by=draw(texts),
        runs=tuple(draw(st.lists(runs, max_size=3))),
        shown=tuple(draw(st.lists(st.sampled_from(Status), unique=True))),
        created_at=draw(moments),
    )

"""Every number that Orch measures of itself. README shows this list, and a test compares the two."""

from app.telemetry import Metric, Shape

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Seconds that a request may take."""
SOON = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
"""Seconds that an event may take."""
LONG = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)
"""Seconds that a task waits, or a run takes."""

WEBHOOK_SECONDS = Metric(
    "orch_webhook_seconds",
    Shape.HISTOGRAM,
    "seconds until a delivery was answered, from when all of it was there; by HTTP status",
    ("status",),
    QUICK,
)
EVENT_SECONDS = Metric(
    "orch_event_seconds",
    Shape.HISTOGRAM,
    "seconds that handling an event took, with all that was done on GitHub; by `handled`, `released` (it waits, and is"
    " gone on with), `failed`, `dead_lettered`, `lost` (its lease ended)",
    ("result",),
    SOON,
)
DECISIONS = Metric("orch_decisions", Shape.COUNTER, "decisions, by the kind of event", ("event",))
LABEL_TO_START = Metric(
    "orch_label_to_start_seconds",
    Shape.HISTOGRAM,
    "seconds from when a new task was taken up to the begin of its first run, with all waiting for slots, locks and"
    " other issues",
    buckets=LONG,
)
RUNS = Metric("orch_runs", Shape.COUNTER, "runs that ended", ("outcome", "agent"))
RUN_SECONDS = Metric("orch_run_seconds", Shape.HISTOGRAM, "seconds that a run took", ("agent",), LONG)
TOKENS = Metric(
    "orch_tokens",
    Shape.COUNTER,
    "tokens of runs that ended, as far as known: `in` (with those from a cache), `out`, `cached`",
    ("agent", "kind"),
)
COST = Metric("orch_cost_dollars", Shape.COUNTER, "US dollars of runs that ended, where the cost is known", ("agent",))
UNPRICED = Metric("orch_runs_of_unknown_cost", Shape.COUNTER, "runs that ended and whose cost is not known", ("agent",))
QUEUE = Metric(
    "orch_queue_messages",
    Shape.GAUGE,
    "what lies on the queues `events` and `jobs`: `waiting`, `in_flight`, `later` (its time has not come)",
    ("queue", "state"),
)
OLDEST = Metric(
    "orch_queue_oldest_seconds",
    Shape.GAUGE,
    "age of what has waited longest, 0 if nothing waits; missing where the queue cannot tell (SQS: its metric"
    " ApproximateAgeOfOldestMessage can)",
    ("queue",),
)
DEAD = Metric("orch_dead_letters", Shape.GAUGE, "what was set aside, see `orch queue dlq`", ("queue",))
QUOTA = Metric(
    "orch_github_quota_left",
    Shape.GAUGE,
    "requests that GitHub still allows in this hour, in the installation that has least left; by its own name of the"
    " limit",
    ("resource",),
)

METRICS = (
    WEBHOOK_SECONDS,
    EVENT_SECONDS,
    DECISIONS,
    LABEL_TO_START,
    RUNS,
    RUN_SECONDS,
    TOKENS,
    COST,
    UNPRICED,
    QUEUE,
    OLDEST,
    DEAD,
    QUOTA,
)


def readme_table() -> str:
    """Return all of it as README shows it."""
    rows = [f"| `{one.shown}` | {one.shape} | {_words(one.labels)} | {one.meaning} |" for one in METRICS]
    return "\n".join(["| name | kind | labels | meaning |", "| --- | --- | --- | --- |", *rows])


def _words(labels: tuple[str, ...]) -> str:
    return ", ".join(f"`{label}`" for label in labels)

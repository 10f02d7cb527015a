"""The living comment: what a person reads on the issue."""

from app.domain.approvals import describe_question
from app.domain.buttons import render_buttons
from app.domain.markers import Keyring, render_marker
from app.domain.outcomes import Usage
from app.domain.record import RunSummary, TaskRecord
from app.domain.task import Status
from app.domain.text import one_line

LIMIT = 65_536
LONGEST = 1000
MODELLESS = "script"
RUNS_SHOWN = 20
INSTRUCTIONS_SHOWN = 5
EDITED = (
    "The issue's text was edited after the label was put on. Orch follows the text as it was then; to have the new "
    "text followed, a person with write access says `/retry`, or takes the label off and puts it on again."
)

ACTS_NEXT = {
    Status.NEW: "Orch",
    Status.ROUTED: "Orch: the run starts as soon as a runner is free",
    Status.IN_PROGRESS: "Orch: an agent is at work",
    Status.IN_REVIEW: "a reviewer",
    Status.NEEDS_REVIEW: "a person with write access",
    Status.BLOCKED: "other tasks",
    Status.PAUSED: "a person with write access",
    Status.DONE: "nobody",
    Status.CANCELLED: "nobody",
}


def render_comment(record: TaskRecord, keyring: Keyring) -> str:
    """Render the living comment with its marker, within GitHub's 65,536 characters.

    Where that is too much, old runs are folded away in the marker first, and then the oldest of what was heard.
    """
    cut = {name: getattr(record, name)[:LONGEST] for name in ("title", "why", "notice")}
    shown = record.change(**cut)
    visible = _visible(shown)
    while True:
        body = f"{visible}\n\n{render_marker(shown, keyring)}\n"
        smaller = shown.fold(len(shown.runs) // 8 + 1) if shown.runs else shown.forget()
        if len(body) <= LIMIT or smaller == shown:
            return body
        shown = smaller


def describe_agent(record: TaskRecord) -> str:
    """Name the agent and its model, as far as that is known; `script` has none."""
    told = (run.model for run in reversed(record.runs) if run.agent == record.agent and run.model)
    model = record.model or next(told, None)
    if model:
        return f"`{record.agent}` (model {one_line(model)})"
    return f"`{record.agent}` (no model)" if record.agent == MODELLESS else f"`{record.agent}`"


def _visible(record: TaskRecord) -> str:
    rows = [
        ("Status", f"`{record.status.value}`"),
        ("Agent", describe_agent(record)),
        *_way(record),
        ("Attempt", _attempt(record)),
        ("Requested by", f"`{one_line(record.requested_by)}`"),
        ("Pull request", f"#{record.pull}" if record.pull else "none yet"),
        ("Cost so far", _cost(record)),
        *_wishes(record),
        ("Who acts next", ACTS_NEXT[record.status]),
    ]
    parts = [f"**Orch: {record.status.value.replace('_', ' ')}.** {record.why}"]
    if record.asked:
        parts.append(describe_question(record.asked))
    if record.spent_share:
        parts.append(f"The run has spent {record.spent_share} % of what it may; at 100 % it ends with its work kept.")
    if record.notice:
        parts.append(record.notice)
    if record.edited:
        parts.append(EDITED)
    parts.extend(record.remarks)
    parts.append("\n".join(["| | |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]))
    if buttons := render_buttons(record):
        parts.append(buttons)
    if record.runs or record.folded.runs:
        parts.append(_runs(record.runs, record.folded.runs))
    return "\n\n".join(parts)


def _way(record: TaskRecord) -> list[tuple[str, str]]:
    """Tell how the agent was chosen, and how the task is done."""
    rows = [("Chosen", record.chosen), ("Complexity", f"`{record.complexity}`" if record.complexity else "")]
    rows += [("Role", f"`{record.role}`" if record.role else "")]
    rows += [("Priority", f"`{record.priority}`" if record.priority != "normal" else "")]
    return [row for row in rows if row[1]]


def _attempt(record: TaskRecord) -> str:
    """Number the attempt at what is being done, and the round of rework that it belongs to."""
    place = " on the pull request" if record.pull else ""
    return f"{record.tries}, in round {record.rounds}{place}" if record.rounds else f"{record.tries}"


def _wishes(record: TaskRecord) -> list[tuple[str, str]]:
    """Tell what people said to the agent and whether it was told, and that a merge is wished for."""
    said = [
        f"`{one_line(one.author)}` {one.at.strftime('%H:%M')}: {'delivered' if one.run_id else 'not delivered yet'}"
        for one in record.instructions[-INSTRUCTIONS_SHOWN:]
    ]
    merge = record.merge
    return [
        *([("Said to the agent (UTC)", "; ".join(said))] if said else []),
        *([("Merge", f"wished for by `{merge.by}`. {one_line(merge.waits, 400)}")] if merge else []),
    ]


def _cost(record: TaskRecord) -> str:
    if not record.runs and not record.folded.runs:
        return "nothing spent"
    return "unknown" if record.cost is None else f"${record.cost:.2f}"


def _runs(runs: tuple[RunSummary, ...], folded: int) -> str:
    lines = [_run_line(run) for run in runs[-RUNS_SHOWN:]]
    hidden = folded + len(runs) - len(lines)
    more = [f"{hidden} earlier runs are not shown."] if hidden else []
    head = f"<details><summary>Runs: {folded + len(runs)}</summary>\n"
    return "\n".join([head, *more, *lines, "\n</details>"])


def _run_line(run: RunSummary) -> str:
    seconds = (run.ended_at - run.started_at).total_seconds()
    ended = f"`{run.outcome.value}` after {seconds:.0f} s, {_tokens(run.usage)}"
    return f"* `{one_line(run.run_id)}` attempt {run.attempt}: {ended}. {one_line(run.reason)}"


def _tokens(usage: Usage) -> str:
    if usage.tokens_in is None or usage.tokens_out is None:
        return "tokens unknown"
    return f"{usage.tokens_in + usage.tokens_out} tokens"

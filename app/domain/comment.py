"""The living comment: what a person reads on the issue."""

from collections.abc import Iterator
from decimal import Decimal

from app.domain.approvals import describe_question
from app.domain.blocked import acts_next, name_blockers
from app.domain.buttons import render_buttons
from app.domain.graph import describe_issue, open_blockers
from app.domain.graph_comment import render_graph
from app.domain.markers import Keyring, render_marker
from app.domain.outcomes import Usage
from app.domain.plan_comment import render_plan, show_paths
from app.domain.record import RunSummary, TaskRecord
from app.domain.shrinking import lighten, shrink
from app.domain.tables import dollars
from app.domain.text import one_line

LIMIT = 65_536
NOTHING = Decimal(0)
LONGEST = 1000
MODELLESS = "script"
RUNS_SHOWN = 20
INSTRUCTIONS_SHOWN = 5
EDITED = (
    "The issue's text was edited after the label was put on. Orch follows the text as it was then; to have the new "
    "text followed, a person with write access says `/retry`, or takes the label off and puts it on again."
)


def render_comment(record: TaskRecord, keyring: Keyring) -> str:
    """Render the living comment with its marker, within GitHub's 65,536 characters.

    Where that is too much, the marker first does without what is told again, then sub-issues are counted instead of
    listed, then the marker does without old runs, and what it can besides.
    """
    cut = {name: getattr(record, name)[:LONGEST] for name in ("title", "why", "notice")}
    body = ""
    for visible, kept in _versions(record.change(**cut)):
        body = f"{visible}\n\n{render_marker(kept, keyring)}\n"
        if len(body) <= LIMIT:
            return body
    return body


def _versions(record: TaskRecord) -> Iterator[tuple[str, TaskRecord]]:
    """List what people may see with what the marker may hold, each smaller than the one before."""
    visible = _visible(record)
    yield visible, record
    light = lighten(record)
    yield visible, light
    visible = _visible(record, brief=True)
    yield visible, light
    while (smaller := shrink(light)) != light:
        yield visible, smaller
        light = smaller


def describe_agent(record: TaskRecord) -> str:
    """Name the agent and its model, as far as that is known; `script` has none."""
    told = (run.model for run in reversed(record.runs) if run.agent == record.agent and run.model)
    model = record.model or next(told, None)
    if model:
        return f"`{record.agent}` (model {one_line(model)})"
    return f"`{record.agent}` (no model)" if record.agent == MODELLESS else f"`{record.agent}`"


def _visible(record: TaskRecord, *, brief: bool = False) -> str:
    rows = [
        ("Status", f"`{record.status.value}`"),
        ("Agent", describe_agent(record)),
        *_way(record),
        ("Attempt", _attempt(record)),
        ("Requested by", f"`{one_line(record.requested_by)}`"),
        *_relations(record),
        *_pull(record),
        ("Cost so far", _cost(record)),
        *_wishes(record),
        ("Who acts next", acts_next(record)),
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
    parts += [*render_plan(record, brief=brief), *render_graph(record, brief=brief)]
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


def _relations(record: TaskRecord) -> list[tuple[str, str]]:
    """Tell what the task is part of and what it waits for, and on which paths it works."""
    rows: list[tuple[str, str]] = []
    if record.parent is not None:
        rows.append(("Part of", describe_issue(record.parent, record.task)))
    if open_blockers(record.blockers):
        rows.append(("Waits for", name_blockers(record)))
    if record.locks:
        rows.append(("Works on", show_paths(record.locks)))
    if record.strayed:
        rows.append(("Touched besides what was expected", show_paths(record.strayed)))
    if record.lock_holder is not None:
        rows.append(("Held by", f"#{record.lock_holder}, which works on the same paths"))
    if record.plan is not None and record.plan.approved_by:
        rows.append(("Plan", f"approved by {record.plan.approved_by}"))
    return rows


def _pull(record: TaskRecord) -> list[tuple[str, str]]:
    """Name the pull request; the work of a parent is in those of its sub-issues."""
    if record.pull is None and record.graph is not None:
        return []
    return [("Pull request", f"#{record.pull}" if record.pull else "none yet")]


def _cost(record: TaskRecord) -> str:
    has_run = bool(record.runs or record.folded.runs)
    own = record.cost if has_run else NOTHING
    if record.graph is None:
        return dollars(own) if has_run else "nothing spent"
    below = record.graph.cost
    whole = None if own is None or below is None else own + below
    return f"{dollars(whole)} (own runs {dollars(own)}, sub-issues {dollars(below)})"


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

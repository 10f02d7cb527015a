"""What people read of a plan in the living comment: what is proposed, and the boxes that drop parts of it."""

from app.domain.blocked import enumerate_names, waits_for_approval
from app.domain.buttons import render_plan_boxes
from app.domain.mermaid import Box, draw, is_worth_drawing
from app.domain.proposal import Item, Proposal
from app.domain.record import TaskRecord
from app.domain.tables import code, dollars, plain, table
from app.domain.text import quote

MOST_DRAWN = 30
PATHS_SHOWN = 3
_HEADS = ("key", "sub-issue", "depends on", "role", "complexity", "agent", "paths")


def render_plan(record: TaskRecord, *, brief: bool = False) -> list[str]:
    """Render the plan that nobody has agreed to yet; none once its sub-issues are created.

    With `brief` there is nothing but what can be ticked.
    """
    plan = record.plan
    if plan is None or plan.approved_by or record.status.is_final:
        return []
    shown = [] if brief else _describe(plan)
    if waits_for_approval(record):
        return [
            f"**The plan: {_count(plan)}.** {_estimate(plan)}",
            quote(plan.summary),
            *shown,
            render_plan_boxes(plan),
        ]
    inside = "\n\n".join([quote(plan.summary), *shown])
    return [f"<details><summary>The plan that there was before: {_count(plan)}</summary>\n\n{inside}\n\n</details>"]


def _count(plan: Proposal) -> str:
    kept, total = len(plan.kept), len(plan.items)
    dropped = f", {total - kept} dropped" if kept < total else ""
    return f"{kept} sub-issue{'' if kept == 1 else 's'}{dropped}"


def _estimate(plan: Proposal) -> str:
    if plan.estimate is None:
        return "What it will cost is unknown."
    return f"All of it is estimated to cost {dollars(plan.estimate)}."


def _describe(plan: Proposal) -> list[str]:
    kept = {item.key: item for item in plan.kept}
    items = [kept[item.key] for item in plan.items if item.key in kept]
    if not items:
        return []
    boxes = [Box(item.key, item.title, item.depends_on) for item in items]
    drawing = [draw(boxes)] if is_worth_drawing(boxes, MOST_DRAWN) else []
    return [table(_HEADS, map(_row, items)), *drawing]


def _row(item: Item) -> tuple[str, ...]:
    return (
        code(item.key),
        plain(item.title),
        enumerate_names([code(key) for key in item.depends_on]),
        code(item.role) if item.role else "",
        item.complexity.value if item.complexity else "",
        code(item.agent) if item.agent else "",
        show_paths(item.paths),
    )


def show_paths(paths: tuple[str, ...]) -> str:
    """Show the first of many paths."""
    return enumerate_names([code(path) for path in paths], PATHS_SHOWN)

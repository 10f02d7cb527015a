from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.approvals import Answer
from app.domain.comment import LIMIT, RUNS_SHOWN, describe_agent, render_comment
from app.domain.complexity import Complexity
from app.domain.markers import parse_marker, render_marker
from app.domain.outcomes import Usage
from app.domain.record import MOST_HEARD, MOST_KEYS, Folded, MergeWish, TaskRecord
from app.domain.task import Status
from tests.unit import build
from tests.unit.build import KEYRING, TASK
from tests.unit.draw import examine, examine_few, records

HERE = (TASK.repository.id, TASK.number)


def many(count: int, reason: str = "It failed.") -> TaskRecord:
    return build.record(runs=tuple(build.summary(f"run-{index}", reason=reason) for index in range(count)))


def read(body: str) -> TaskRecord:
    found = parse_marker(body, KEYRING, *HERE)
    assert found is not None
    return found


def visible(record: TaskRecord) -> list[str]:
    return render_comment(record, KEYRING).partition("\n\n<!-- orch:record")[0].splitlines()


def test_a_person_reads_everything_that_matters() -> None:
    record = build.record(Status.IN_REVIEW, pull=30, runs=(build.summary(),))
    assert visible(record) == [
        "**Orch: in review.** Because.",
        "",
        "| | |",
        "| --- | --- |",
        "| Status | `in_review` |",
        "| Agent | `script` (no model) |",
        "| Attempt | 1 |",
        "| Requested by | `writer` |",
        "| Pull request | #30 |",
        "| Cost so far | $0.25 |",
        "| Who acts next | a reviewer |",
        "",
        "<details><summary>Runs: 1</summary>",
        "",
        "* `run-1` attempt 1: `delivered` after 90 s, 1200 tokens. It ended.",
        "",
        "</details>",
    ]


def test_a_new_task_has_neither_runs_nor_cost() -> None:
    lines = visible(build.record(Status.ROUTED))
    assert [line for line in lines if "Runs" in line] == []
    assert "| Cost so far | nothing spent |" in lines
    assert "| Pull request | none yet |" in lines


def test_a_notice_stands_below_the_status() -> None:
    assert visible(build.record(notice="Moved by hand."))[:3] == [
        "**Orch: in progress.** Because.",
        "",
        "Moved by hand.",
    ]


@pytest.mark.parametrize("status", Status)
def test_every_status_says_who_acts_next(status: Status) -> None:
    (line,) = [line for line in visible(build.record(status)) if line.startswith("| Who acts next | ")]
    assert line != "| Who acts next |  |"


def test_the_marker_ends_the_comment() -> None:
    record = build.record()
    assert render_comment(record, KEYRING).endswith(f"\n\n{render_marker(record, KEYRING)}\n")


@pytest.mark.parametrize("usage", [Usage(), Usage(tokens_in=1), Usage(tokens_out=1)])
def test_i10_unknown_usage_is_called_unknown(usage: Usage) -> None:
    text = render_comment(build.record(runs=(build.summary(usage=usage),)), KEYRING)
    assert "| Cost so far | unknown |" in text
    assert "tokens unknown" in text


def test_i10_no_tokens_are_zero_tokens() -> None:
    usage = Usage(tokens_in=0, tokens_out=0, cost=Decimal(0))
    text = render_comment(build.record(runs=(build.summary(usage=usage),)), KEYRING)
    assert ("| Cost so far | $0.00 |" in text, "after 90 s, 0 tokens." in text) == (True, True)


def test_only_the_last_runs_are_listed() -> None:
    lines = visible(many(RUNS_SHOWN + 3))
    assert "<details><summary>Runs: 23</summary>" in lines
    assert "3 earlier runs are not shown." in lines
    assert [line.split("`")[1] for line in lines if line.startswith("* ")] == [f"run-{index}" for index in range(3, 23)]


@examine
@given(records())
def test_i9_a_comment_gives_back_the_record(record: TaskRecord) -> None:
    assert read(render_comment(record, KEYRING)) == record


@pytest.mark.parametrize(("count", "reason"), [(2000, "It failed."), (300, "<" * 200), (400, "\x00-->" * 50)])
def test_a_comment_is_never_too_long_and_loses_old_runs_first(count: int, reason: str) -> None:
    record = many(count, reason)
    body = render_comment(record, KEYRING)
    kept = read(body).runs
    assert (len(body) <= LIMIT, len(kept) > 0) == (True, True)
    assert kept == record.runs[-len(kept) :]


def test_i9_runs_that_are_folded_away_keep_their_number_and_cost() -> None:
    record = many(1000)
    rebuilt = read(render_comment(record, KEYRING))
    assert rebuilt.folded.runs + len(rebuilt.runs) == 1000
    assert rebuilt.cost == record.cost == Decimal(250)


def test_i10_a_folded_unknown_cost_stays_unknown() -> None:
    runs = (build.summary(usage=Usage()), build.summary())
    folded = build.record(runs=runs).fold(1)
    assert folded == build.record(runs=runs[1:], folded=Folded(runs=1, cost=None))
    assert folded.cost is None


def test_a_comment_whose_runs_are_all_folded_still_says_how_many() -> None:
    lines = visible(many(3).fold(3))
    assert "<details><summary>Runs: 3</summary>" in lines
    assert "3 earlier runs are not shown." in lines
    assert "| Cost so far | $0.75 |" in lines


@examine_few
@given(st.sampled_from(["x", "<", "\x00", "-->", "😀", "\r\n", "@writer "]), st.integers(0, 4))
def test_a_comment_with_any_text_is_never_too_long(sign: str, count: int) -> None:
    huge = sign * 70_000
    runs = many(count, huge).runs
    body = render_comment(build.record(title=huge, why=huge, notice=huge, runs=runs), KEYRING)
    assert len(body) <= LIMIT
    assert read(body).title == huge[:1000]


def test_a_name_does_not_break_the_table() -> None:
    lines = visible(build.record(requested_by="a|b`\nc"))
    assert "| Requested by | `a b c` |" in lines


def test_i7_that_a_text_is_not_followed_is_said_whatever_the_status() -> None:
    for status in Status:
        lines = visible(build.record(status, edited=True))
        assert lines[2].startswith(
            "The issue's text was edited after the label was put on. Orch follows the text as it"
        )
        assert lines[2] not in visible(build.record(status))


@pytest.mark.parametrize(
    ("changes", "described"),
    [
        ({}, "`script` (no model)"),
        ({"agent": "mini"}, "`mini`"),
        ({"agent": "mini", "model": "large"}, "`mini` (model large)"),
        ({"agent": "mini", "runs": (build.summary(agent="mini", model="told"),)}, "`mini` (model told)"),
        ({"agent": "mini", "runs": (build.summary(agent="claude", model="told"),)}, "`mini`"),
    ],
)
def test_i10_a_model_is_named_where_it_is_known_and_denied_only_where_there_is_none(
    changes: dict[str, Any], described: str
) -> None:
    assert describe_agent(build.record(**changes)) == described


def test_people_see_what_was_said_to_the_agent_and_what_a_merge_waits_for() -> None:
    said = (build.instruction("c-1", run_id="r"), build.instruction("c-2", author="a|b"))
    lines = visible(build.record(instructions=said, merge=MergeWish(by="writer", waits="It waits|\nlong.")))
    assert "| Said to the agent (UTC) | `writer` 12:00: delivered; `a b` 12:00: not delivered yet |" in lines
    assert "| Merge | wished for by `writer`. It waits long. |" in lines


def test_people_see_that_a_run_has_spent_most_of_what_it_may() -> None:
    said = "The run has spent 80 % of what it may; at 100 % it ends with its work kept."
    assert said in visible(build.record(spent_share=80))
    assert not any("has spent" in line for line in visible(build.record()))


def test_a_comment_is_never_too_long_whatever_is_remembered_and_nothing_is_followed_again_for_that() -> None:
    record = build.record(
        Status.NEEDS_REVIEW,
        title="<" * 300,
        why="<" * 1000,
        notice="<" * 1000,
        remarks=("r" * 1000,) * 5,
        asked=build.QUESTION.model_copy(update={"text": "<" * 1000}),
        answers=tuple(Answer(key=f"{n:032}", text="<" * 200, allowed=True, reason="<" * 200) for n in range(10)),
        instructions=tuple(
            build.instruction(f"comment-{10**10 + n}-{n:08}", author="a" * 39, run_id="r" * 16) for n in range(40)
        ),
        reviews=tuple(range(10**10, 10**10 + MOST_HEARD)),
        merge=MergeWish(by="writer", waits="w" * 400),
        put_back=(build.NOW,) * 3,
    )
    for number in range(MOST_HEARD):
        record = record.hear(10**10 + number, [f"mistake:{key:016}" for key in range(MOST_KEYS)])
    body = render_comment(record, KEYRING)
    rebuilt = read(body)
    assert len(body) <= LIMIT
    assert all(rebuilt.is_over(number) for number in range(10**10, 10**10 + MOST_HEARD))
    assert (len(rebuilt.heard) > 0, rebuilt.answers) == (True, record.answers)


def test_what_cannot_be_made_to_fit_is_as_short_as_can_be() -> None:
    endless = build.record(dependents=(TASK,) * 1000, runs=(build.summary(reason="r" * 99),) * 3, why="w" * 500)
    kept = read(render_comment(endless, KEYRING))
    assert (kept.dependents, kept.runs, kept.folded.runs, kept.why) == (endless.dependents, (), 3, "w" * 20)


def test_what_waits_to_be_told_is_never_forgotten() -> None:
    told = tuple(build.instruction(f"c-{number}", run_id="r") for number in range(3))
    record = build.record(instructions=(*told, build.instruction("c-9"))).hear(1, ("k",)).hear(2, ("k",))
    once = record.forget()
    assert (once.instructions, once.heard_up_to) == ((told[2], build.instruction("c-9")), 1)
    assert (
        once.forget() == once.forget().forget() == build.record(instructions=(build.instruction("c-9"),), heard_up_to=2)
    )


def test_people_see_how_the_agent_was_chosen_and_how_the_task_is_done() -> None:
    record = build.record(chosen="in turn", complexity=Complexity.SIMPLE, role="tester", priority="high")
    rows = ["| Chosen | in turn |", "| Complexity | `simple` |", "| Role | `tester` |", "| Priority | `high` |"]
    assert set(rows) <= set(visible(record))
    assert not any(line.startswith(("| Chosen", "| Priority")) for line in visible(build.record()))

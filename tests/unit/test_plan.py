"""Plans and verdicts as agents answer them: what is taken, and what is said of what cannot be."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.complexity import Complexity
from app.domain.plan import (
    MOST_CHILDREN,
    MOST_PROBLEMS,
    BadPlan,
    Criterion,
    Plan,
    PlannedChild,
    Verdict,
    find_ring,
    issue_body,
    issue_title,
    plan_schema,
    read_plan,
    read_verdict,
    verdict_schema,
)

LONE = "\\ud800"


def child(key: str = "a", **more: Any) -> dict[str, Any]:
    return {"key": key, "title": f"Do {key}", "body": "All of it.", "acceptance": ["It is done."]} | more


def answer(*children: dict[str, Any], **more: Any) -> str:
    return json.dumps({"summary": "In parts.", "children": children or (child(),)} | more)


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(BadPlan) as caught:
        read_plan(text)
    return caught.value.problems


# What is taken


def test_a_plan_is_read_with_all_that_it_says() -> None:
    given = child("b", paths=["./src//a.py", "src/a.py", "docs/"], role="tester", complexity="simple", agent="mini")
    plan = read_plan(answer(child(), given | {"depends_on": ["a", "a"]}))
    first = PlannedChild(key="a", title="Do a", body="All of it.", acceptance=("It is done.",))
    assert plan.children == (
        first,
        PlannedChild(
            key="b",
            title="Do b",
            body="All of it.",
            acceptance=("It is done.",),
            paths=("src/a.py", "docs"),
            role="tester",
            complexity=Complexity.SIMPLE,
            agent="mini",
            depends_on=("a",),
        ),
    )


@pytest.mark.parametrize(
    "text",
    [
        "Here it is:\n\n```json\n{}\n```\nThat is all.",
        "{}",
        "I read `{x}` and {'y': 1} first. {}",
        '{"a": {"b": 1}} {} {"later": "words"}',
        "{broken} " + answer(summary="An earlier one.") + "\n\n{}",
        '{"broken": 1, {} ',
    ],
)
def test_the_last_plan_of_an_answer_counts_wherever_it_stands(text: str) -> None:
    assert read_plan(text.replace("{}", answer())).summary == "In parts."


def test_line_breaks_within_a_text_are_taken_as_they_are() -> None:
    assert read_plan(answer().replace("All of", "All\nof")).children[0].body == "All\nof it."


# What is not


@pytest.mark.parametrize("text", ["", "I would rather not.", "[1, 2]", "{ }{"])
def test_an_answer_without_an_object_says_so(text: str) -> None:
    says = "there is no JSON object in the answer; end it with one that follows the schema."
    assert problems(text) in ((says,), ("summary: is missing; add it.", "children: is missing; add it."))


def test_an_object_that_breaks_off_is_shown_where() -> None:
    cut = answer(child("a"), child("b"))[:-1].replace(', "children"', ',\n"children"')
    [problem] = problems(f"Look: {cut}")
    assert problem.startswith("the JSON object cannot be read: Expecting ',' delimiter in its line 2, near `")


def test_a_broken_plan_is_not_replaced_by_a_part_of_it_nor_by_an_earlier_one() -> None:
    broken = answer(child("a"), child("b")).replace("[{", "[x {")
    for text in (broken, f"{answer()} and then {broken}"):
        assert problems(text)[0].startswith("the JSON object cannot be read: Expecting value")


@pytest.mark.parametrize("text", ['{"a":' * 100_000, '{"a":[' * 50_000])
def test_no_depth_is_too_deep_to_say_so(text: str) -> None:
    assert problems(text) == ("the JSON object is nested too deeply; follow the schema.",)


def test_any_number_of_digits_is_no_text() -> None:
    assert problems(answer().replace('"In parts."', "9" * 6000)) == ("summary: must be text.",)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"title": None}, "children[0].title: must be text."),
        ({"title": "x" * 257}, "children[0].title: is too long; at most 256 characters fit."),
        ({"title": "one\ntwo"}, "children[0].title: must be one line that says something."),
        ({"title": " "}, "children[0].title: must be one line that says something."),
        ({"body": ""}, "children[0].body: is empty; fill it in."),
        ({"body": " \n"}, "children[0].body: is blank; say what is to be done."),
        ({"acceptance": []}, "children[0].acceptance: is empty; fill it in."),
        ({"acceptance": ["a", "b\nc"]}, "children[0].acceptance[1]: must be one line that says something."),
        ({"acceptance": [" "]}, "children[0].acceptance[0]: must be one line that says something."),
        ({"acceptance": ["a"] * 21}, "children[0].acceptance: is too long; at most 20 entries fit."),
        ({"key": "a b"}, "children[0].key: `a b` must be one short word of letters, digits, `-` and `_`."),
        ({"paths": "src"}, "children[0].paths: must be a list."),
        ({"complexity": "hard"}, "children[0].complexity: must be 'simple', 'medium' or 'complex', or left out."),
        ({"size": 3}, "children[0].size: is no key that the schema has; leave it out."),
        ({"depends_on": ["b"]}, "children[0].depends_on: `b` is the key of no child; name children by their keys."),
        ({"depends_on": ["a"]}, "children.depends_on: a -> a is a ring, so none of them could begin; break it."),
    ],
)
def test_each_problem_says_where_and_what_to_do(wrong: dict[str, Any], says: str) -> None:
    assert problems(answer(child() | wrong)) == (says,)


@pytest.mark.parametrize("path", ["/etc/passwd", "~/x", "src\\a.py", "../x", "src/../../x"])
def test_a_path_leads_not_out_of_the_repository(path: str) -> None:
    [problem] = problems(answer(child(paths=["src", path])))
    assert problem.startswith(f"children[0].paths: `{path}` must be relative to the root of the repository")


@pytest.mark.parametrize("path", [" ", "a\nb"])
def test_a_path_names_something(path: str) -> None:
    assert " is no path: " in problems(answer(child(paths=["src", path])))[0]


def test_all_problems_are_said_at_once() -> None:
    wrong = answer(child("a", depends_on=["b"]), child("b", depends_on=["a"], paths=["/x"]), child("a"))
    assert problems(wrong) == (
        "children[1].paths: `/x` must be relative to the root of the repository, without `..` or a backslash.",
        "children[2].key: `a` is the key of children[0] too; give each its own.",
    )


def test_of_very_many_problems_the_first_are_said() -> None:
    said = problems(answer(*(child(str(index), depends_on=["x", "y"]) for index in range(20))))
    assert (len(said), said[-1]) == (MOST_PROBLEMS + 1, "and 20 more like these.")


def test_there_are_at_most_thirty_children() -> None:
    children = [child(str(index)) for index in range(MOST_CHILDREN + 1)]
    assert problems(answer(*children)) == ("children: is too long; at most 30 entries fit.",)
    assert problems(json.dumps({"summary": "s", "children": []})) == ("children: is empty; fill it in.",)


def test_a_plan_as_a_whole_is_bounded() -> None:
    children = [child(str(index), body="x" * 20_000) for index in range(6)]
    [problem] = problems(answer(*children))
    assert problem.endswith("may have 100,000; say less in the bodies.")


def test_a_half_of_a_character_is_no_text() -> None:
    text = answer().replace("In parts.", LONE)
    assert problems(text) == ("summary: must be text without halves of characters.",)


def test_another_type_of_answer_is_named() -> None:
    assert problems(answer("x")) == ("children[0]: must be an object.",)  # type: ignore[arg-type]


# Rings


@pytest.mark.parametrize(
    ("depends_on", "ring"),
    [
        ({}, None),
        ({"a": ["b"], "b": ["c"]}, None),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": []}, None),
        ({"a": ["a"]}, ("a", "a")),
        ({"a": ["b"], "b": ["a"]}, ("a", "b", "a")),
        ({"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a"]}, ("a", "b", "c", "a")),
    ],
)
def test_a_ring_is_named_in_its_order(depends_on: dict[str, list[str]], ring: tuple[str, ...] | None) -> None:
    assert find_ring(depends_on) == ring


names = st.sampled_from("abcdef")


@given(st.dictionaries(names, st.lists(names, max_size=4)))
def test_what_is_found_is_a_ring_and_without_one_there_is_an_order(depends_on: dict[str, list[str]]) -> None:
    ring = find_ring(depends_on)
    if ring is not None:
        assert ring[0] == ring[-1]
        assert all(after in depends_on[before] for before, after in pairwise(ring))
        return
    done: set[str] = set()
    while ready := [name for name in depends_on if name not in done and done >= set(depends_on[name]) & {*depends_on}]:
        done.update(ready)
    assert done == {*depends_on}


# What becomes of them


def test_an_issue_has_the_criteria_under_its_text_and_mentions_nobody() -> None:
    made = PlannedChild(key="a", title="Fix #1\u202e", body="Ask @owner.\n", acceptance=("It `runs`.", "a | b"))
    assert issue_title(made) == "Fix\u2060 #\u20601"
    assert issue_body(made) == "Ask @\u2060owner.\n\n## Acceptance criteria\n\n- [ ] It runs .\n- [ ] a b\n"


@pytest.mark.parametrize("schema", [plan_schema(), verdict_schema()])
def test_an_agent_is_shown_no_words_about_our_classes(schema: dict[str, Any]) -> None:
    text = json.dumps(schema)
    assert schema["additionalProperties"] is False
    assert [word for word in ("read_plan", "PlannedChild`", "labels", "found to") if word in text] == []


def test_the_schema_names_what_a_plan_has() -> None:
    parts = plan_schema()["$defs"]["PlannedChild"]
    assert set(parts["properties"]) == {*PlannedChild.model_fields}
    assert (parts["required"], parts["properties"]["title"]["maxLength"]) == (
        ["key", "title", "body", "acceptance"],
        256,
    )


# Verdicts


def test_a_verdict_is_met_if_all_of_it_is() -> None:
    said = {"text": "It runs.", "met": True, "why": "`make test` passes."}
    verdict = read_verdict(f"Done.\n```json\n{json.dumps({'summary': 'Fine.', 'criteria': [said]})}\n```")
    assert verdict == Verdict(summary="Fine.", criteria=(Criterion(**said),))
    assert verdict.met
    other = Criterion(text="It stops.", met=False, why="It does not.")
    assert not verdict.model_copy(update={"criteria": (*verdict.criteria, other)}).met


def test_i10_nothing_checked_is_nothing_met() -> None:
    assert not Verdict(summary="Fine.", criteria=()).met
    with pytest.raises(BadPlan, match="criteria: is empty; name each acceptance criterion"):
        read_verdict('{"summary": "Fine.", "criteria": []}')


def test_i8_met_is_a_plain_yes() -> None:
    with pytest.raises(BadPlan, match="must be true or false"):
        read_verdict('{"summary": "Fine.", "criteria": [{"text": "It runs.", "met": "probably", "why": "?"}]}')


def test_a_plan_survives_its_own_json() -> None:
    plan = read_plan(answer(child(complexity="complex")))
    assert Plan.model_validate_json(plan.model_dump_json()) == plan

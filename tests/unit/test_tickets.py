"""Tickets: what is taken, what is refused with which words, and what an issue is made of."""

from typing import Any

import pytest

from app.config_yaml import parse_documents
from app.domain.front_matter import FrontMatter, read_front_matter
from app.domain.ticket_text import find_mark, issue_labels, issue_text, mark_of, marks_of
from app.domain.tickets import BadTickets, Ticket, order_tickets, take_ticket

FILE = "t.yml"


def take(text: str) -> list[Ticket]:
    """Take every document of a text, as a file's."""
    trees = parse_documents(text.encode(), "title: x")
    assert isinstance(trees, list)
    return [take_ticket(FILE, tree) for tree in trees]


def ticket(title: str, **fields: Any) -> Ticket:
    return Ticket(FILE, {"depends_on": 7, "key": 8}, title, **fields)


def problems_of(text: str) -> list[str]:
    with pytest.raises(BadTickets) as refused:
        take(text)
    return list(refused.value.problems)


def test_a_ticket_has_all_its_fields() -> None:
    text = (
        "key: roof\ntitle: Mend the roof \nbody: |\n  It leaks.\nlabels: [orch, orch, bug]\npriority: high\n"
        "locks: [src/roof.py, docs/]\ndepends_on: [3, '#4', '5', walls, 3]\n"
    )
    lines = {"key": 1, "title": 2, "body": 3, "labels": 5, "priority": 6, "locks": 7, "depends_on": 8}
    assert take(text) == [
        Ticket(
            file=FILE,
            lines=lines,
            key="roof",
            title="Mend the roof",
            body="It leaks.\n",
            labels=("orch", "bug"),
            priority="high",
            locks=("src/roof.py", "docs/"),
            depends_on=(3, 4, 5, "walls"),
        )
    ]


def test_a_title_is_enough_and_a_file_may_hold_many() -> None:
    assert [each.title for each in take("title: one\n---\n---\ntitle: two\n")] == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("titel: x\ntitle: y", "t.yml:1: titel: is not a field of a ticket; did you mean `title`?"),
        ("title: y\nwhen: now", "t.yml:2: when: is not a field of a ticket; fields: key, title, body, labels"),
        ("body: x", "t.yml:1: title: is missing: say in one line what is to be done"),
        ("title: 3", "t.yml:1: title: must be text, and is the number 3: put it in quotes"),
        ("title:", "t.yml:1: title: must be text, and is empty: put it in quotes"),
        ("title: yes", "t.yml:1: title: must be text, and is the truth value true: put it in quotes"),
        ("title: [x]", "t.yml:1: title: must be text, and is a list: put it in quotes"),
        ("title: {x: y}", "t.yml:1: title: must be text, and is keys and values: put it in quotes"),
        ("title: ' '", "t.yml:1: title: must be one line of at most 256 characters"),
        ('title: "a\\nb"', "t.yml:1: title: must be one line of at most 256 characters"),
        (f"title: {'x' * 257}", "t.yml:1: title: must be one line of at most 256 characters"),
        (f"title: x\nbody: {'x' * 60_001}", "t.yml:2: body: has 60001 characters, and may have 60000"),
        ("title: x\nkey: '#3'", "t.yml:2: key: must be a word of at most 50 characters that is no issue's number"),
        ("title: x\nkey: ''", "t.yml:2: key: must be a word of at most 50 characters that is no issue's number"),
        (
            "title: x\npriority: hihg",
            "t.yml:2: priority: must be high, normal or low, and is hihg; did you mean `high`?",
        ),
        ("title: x\npriority: 1", "t.yml:2: priority: must be high, normal or low, and is the number 1; choose one"),
        ("title: x\nlabels: orch", "t.yml:2: labels: must be a list, such as [orch, bug]"),
        ("title: x\nlabels: [1]", "t.yml:2: labels: must be text, and is the number 1: put it in quotes"),
        (
            "title: x\nlabels: ['a,b']",
            "t.yml:2: labels: each must be a name of at most 50 characters without a comma",
        ),
        (
            "title: x\nlabels: ['status:done']",
            "t.yml:2: labels: `status:done` is not for you to set here; leave it out",
        ),
        ("title: x\nlocks: [/etc]", "t.yml:2: locks: `/etc` must be relative to the root of the repository, without"),
        ("title: x\nlocks: [a/../../b]", "t.yml:2: locks: `a/../../b` must be relative to the root of the repository"),
        ("title: x\nlocks: ['']", "t.yml:2: locks: `` is no path: write a text as in `src/app`"),
        (
            'title: x\nlocks: [a]\nbody: "---\\nlocks: [b]\\n---"',
            "t.yml:2: locks: are told here, and `body` has front matter of its own: leave one of the two out",
        ),
        (
            'title: x\nbody: "---\\nlocks: b\\n---"',
            "t.yml:2: body: Line 2 of the issue's text: `locks` must be a list, as in",
        ),
        (
            f"title: x\ndepends_on: {list(range(1, 52))}",
            "t.yml:2: depends_on: names 51 issues, and GitHub lets 50 block another one",
        ),
        ("title: x\ndepends_on: 3", "t.yml:2: depends_on: must be a list, such as ['#3', the title of another ticket]"),
        ("title: x\ndepends_on: [-1]", "t.yml:2: depends_on: must be text, and is the number -1: put it in quotes"),
        ("title: x\ndepends_on: [true]", "t.yml:2: depends_on: must be text, and is the truth value true: put it"),
    ],
)
def test_a_bad_field_is_told_with_file_line_and_what_to_do(text: str, problem: str) -> None:
    [told] = problems_of(text)
    assert told.startswith(problem)


def test_every_problem_is_told_at_once_in_the_order_of_lines() -> None:
    told = problems_of("priority: urgent\nlabel: [orch]\nbody: 3\n")
    assert [line.split(" ")[:2] for line in told] == [
        ["t.yml:1:", "title:"],
        ["t.yml:1:", "priority:"],
        ["t.yml:2:", "label:"],
        ["t.yml:3:", "body:"],
    ]


def test_tickets_come_after_what_they_depend_on_and_else_in_their_order() -> None:
    last = ticket("last", depends_on=("first", "mid", 12))
    mid = ticket("middle", key="mid", depends_on=("first",))
    first, other = ticket("first"), ticket("other")
    assert order_tickets([last, mid, first, other]) == [first, mid, last, other]


@pytest.mark.parametrize(
    ("tickets", "problem"),
    [
        ([ticket("a", depends_on=("bee",)), ticket("been")], "t.yml:7: depends_on: there is no ticket `bee` here; did"),
        ([ticket("a", depends_on=("z",))], "t.yml:7: depends_on: there is no ticket `z` here; name a key or title"),
        (
            [ticket("a", depends_on=("b",)), ticket("b"), ticket("b")],
            "t.yml:7: depends_on: 2 tickets are called `b`: give the one you mean a `key` and name that",
        ),
        ([ticket("a", key="k"), ticket("b", key="k")], "t.yml:8: key: `k` is another ticket's key already"),
        (
            [ticket("a", depends_on=("b",)), ticket("b", depends_on=("a",)), ticket("c")],
            "t.yml:7: depends_on: these wait for each other: `a`, `b`; take one name out",
        ),
    ],
)
def test_a_batch_that_cannot_be_ordered_is_refused(tickets: list[Ticket], problem: str) -> None:
    with pytest.raises(BadTickets) as refused:
        order_tickets(tickets)
    assert refused.value.problems[0].startswith(problem)


def test_the_issue_locks_what_the_ticket_locks() -> None:
    full = ticket("x", body="Do it.", priority="low", locks=("a.py", "b/", "it's"), depends_on=(3,), labels=("orch",))
    text = issue_text(full, "0" * 32)
    assert text == (f"<!-- orch:ticket {'0' * 32} -->\n---\nlocks:\n  - a.py\n  - b\n  - 'it''s'\n\n---\n\nDo it.\n")
    assert read_front_matter(text) == FrontMatter(locks=("a.py", "b", "it's"))
    assert issue_labels(full) == ["orch", "priority:low"]


def test_front_matter_of_a_tickets_body_counts() -> None:
    text = issue_text(ticket("x", body="---\nlocks: [a.py]\n---\nDo it."), "0" * 32)
    assert read_front_matter(text) == FrontMatter(locks=("a.py",))


def test_a_plain_ticket_makes_a_plain_issue() -> None:
    plain = ticket("x", body="Do it.\n")
    assert issue_text(plain, "a" * 32) == f"<!-- orch:ticket {'a' * 32} -->\n\nDo it.\n"
    assert issue_labels(plain) == []


def test_an_issue_is_found_again_by_its_mark_in_the_first_line_only() -> None:
    mark = mark_of(ticket("x"))
    assert find_mark(issue_text(ticket("x"), mark)) == mark
    assert [find_mark(body) for body in (None, "", f"quoted: <!-- orch:ticket {mark} -->")] == [None, None, None]


def test_issues_of_earlier_versions_are_found_again() -> None:
    tail = "> Locks: `b/`. These are recorded only: this version of Orch does not act on them."
    assert find_mark(f"<!-- orch:ticket {'0' * 32} -->\n\n{tail}\n\nDo it.\n") == "0" * 32
    assert mark_of(ticket("x", locks=("b/",))) != mark_of(ticket("x", locks=("b",)))


def test_a_mark_tells_tickets_apart_by_content_salt_and_order() -> None:
    one, same, other = ticket("x", body="1"), ticket("x", body="1"), ticket("x", body="2")
    assert mark_of(one) == mark_of(same) != mark_of(other)
    assert mark_of(one) != mark_of(one, "salt")
    marks = marks_of([one, same, other, same])
    assert len(set(marks)) == 4
    assert marks == marks_of([one, same, other, same])

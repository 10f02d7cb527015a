import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.labels import STATUS_LABELS, is_same_label, repository_labels, status_label, statuses_on
from app.domain.task import Status
from tests.unit.draw import examine


def test_every_status_has_a_label_of_its_own() -> None:
    assert [label.name for label in STATUS_LABELS] == [status_label(status) for status in Status]


def test_labels_are_such_as_github_takes() -> None:
    odd = [
        label
        for label in repository_labels("orch")
        if not 1 <= len(label.name) <= 50 or len(label.description) > 100 or len(bytes.fromhex(label.color)) != 3
    ]
    assert odd == []


def test_a_repository_gets_the_trigger_every_status_how_to_do_it_and_the_wish_for_a_merge() -> None:
    assert [label.name for label in repository_labels("go", {"tester": "Write tests."})] == [
        "go",
        "plan",
        *(label.name for label in STATUS_LABELS),
        *("complexity:simple", "complexity:medium", "complexity:complex", "priority:high", "priority:low"),
        "role:tester",
        "automerge",
    ]


@examine
@given(st.sets(st.sampled_from(Status)), st.sets(st.sampled_from(["bug", "status:", "status:odd", "orch"])))
def test_statuses_on_finds_status_labels_and_no_others(statuses: set[Status], others: set[str]) -> None:
    labels = frozenset(status_label(status) for status in statuses) | others
    assert set(statuses_on(labels)) == statuses


def test_a_label_somebody_else_made_in_capitals_is_the_same_label() -> None:
    assert statuses_on(frozenset({"Status:Done"})) == (Status.DONE,)


@pytest.mark.parametrize(("other", "same"), [("orch", True), ("Orch", True), ("orc", False), ("orch ", False)])
def test_label_names_are_compared_as_github_does(other: str, same: bool) -> None:
    assert is_same_label("orch", other) is same

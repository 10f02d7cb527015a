from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.record import TaskRecord
from app.domain.task import TRANSITIONS, IllegalTransition, Status, Trigger, can, follow
from tests.unit import build
from tests.unit.draw import examine

TRIGGERS = st.lists(st.sampled_from(Trigger), max_size=30)
MENTIONED = {status for status, _ in TRANSITIONS} | set(TRANSITIONS.values())


def walk(record: TaskRecord, triggers: list[Trigger]) -> list[TaskRecord]:
    """Pull each trigger in turn; one that is refused changes nothing."""
    path = [record]
    for trigger in triggers:
        if can(path[-1].status, trigger):
            path.append(path[-1].advance(trigger, trigger.value))
    return path


@examine
@given(TRIGGERS)
def test_i4_a_status_moves_only_along_transitions(triggers: list[Trigger]) -> None:
    path = walk(build.record(Status.NEW), triggers)
    edges = {(before.status, Trigger(after.why), after.status) for before, after in pairwise(path)}
    assert edges <= {(status, trigger, target) for (status, trigger), target in TRANSITIONS.items()}


@pytest.mark.parametrize(("status", "trigger"), list(product(Status, Trigger)))
def test_i4_advance_raises_exactly_where_no_transition_is(status: Status, trigger: Trigger) -> None:
    if can(status, trigger):
        assert follow(status, trigger) == TRANSITIONS[status, trigger]
        return
    with pytest.raises(IllegalTransition, match=f"^a task in status {status} cannot {trigger}$") as caught:
        build.record(status).advance(trigger, "no")
    assert (caught.value.status, caught.value.trigger) == (status, trigger)


@pytest.mark.parametrize("status", [status for status in Status if status.is_final])
def test_only_a_person_leads_out_of_a_final_status(status: Status) -> None:
    assert [trigger for trigger in Trigger if can(status, trigger)] == [Trigger.ROUTE, Trigger.BLOCK, Trigger.REOPEN]


def test_only_done_and_cancelled_are_final() -> None:
    assert {status for status in Status if status.is_final} == {Status.DONE, Status.CANCELLED}


def test_every_status_of_transitions_can_be_reached_from_new() -> None:
    reached, size = {Status.NEW}, 0
    while len(reached) > size:
        size = len(reached)
        reached |= {target for (status, _), target in TRANSITIONS.items() if status in reached}
    assert reached == MENTIONED


def test_a_status_that_is_not_final_has_a_way_on() -> None:
    stuck = {status for status in MENTIONED if not any(can(status, trigger) for trigger in Trigger)}
    assert stuck == set()


def test_transitions_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TRANSITIONS[Status.DONE, Trigger.START] = Status.NEW  # type: ignore[index]  # that it is refused is the point

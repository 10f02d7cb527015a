from app.domain.blocked import describe_blockers, describe_children
from app.domain.graph import Blocker, Graph, Node, NodeState
from app.domain.names import Repository
from app.domain.record import TaskRecord
from app.domain.task import Status
from tests.unit import build

THERE = build.task(7, Repository(id=9, installation_id=5, owner="o", name="n"))


def waiting(*blockers: Blocker) -> TaskRecord:
    return build.record(Status.BLOCKED, blockers=blockers)


def test_a_blocked_task_names_what_it_waits_for() -> None:
    done = Blocker(task=build.task(2), state=NodeState.COMPLETED)
    assert describe_blockers(waiting(Blocker(task=build.task(3)), done)) == "It waits until #3 is closed as completed."
    several = waiting(*(Blocker(task=build.task(number)) for number in range(3, 9)), Blocker(task=THERE))
    assert describe_blockers(several) == "It waits until #3, #4, #5, #6, #7 and 2 more are closed as completed."


def test_a_blocker_that_does_not_go_on_by_itself_says_why() -> None:
    stuck = Blocker(task=THERE, stuck="it is paused: Somebody stopped it")
    dropped = Blocker(task=build.task(3), state=NodeState.DROPPED)
    assert describe_blockers(waiting(stuck, dropped)) == (
        "It waits until o/n#7, #3 are closed as completed. o/n#7 does not go on by itself: it is paused: Somebody "
        "stopped it. #3 was closed, but not as completed: a person reopens it, or takes it off the issues that block "
        "this one."
    )


def test_a_parent_says_what_its_sub_issues_wait_for() -> None:
    ring = (
        Node(number=13, title="A", waits_for=("#14",), status=Status.PAUSED),
        Node(number=14, title="B", waits_for=("#13", "#99"), status=Status.BLOCKED),
    )
    assert describe_children(build.record(Status.BLOCKED), Graph(nodes=ring)) == (
        "0 of 2 sub-issues are closed. These wait for each other: #13 → #14 → #13. A person takes one of the links "
        "out. A person must act on #13."
    )

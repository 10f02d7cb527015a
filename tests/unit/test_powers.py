"""Who may do what: roles, people by name, and bots that the operator names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.facts import Actor, Permission, Standing
from app.domain.powers import BOTS_REFUSED, Power, is_named, refusal
from tests.unit import build
from tests.unit.build import POLICY, ROBOT, STRANGER, WRITER
from tests.unit.draw import examine

WRITE = build.standing(Permission.WRITE)
MAINTAIN = build.standing(Permission.WRITE, "maintain")
ADMIN = build.standing(Permission.ADMIN)
READ = build.standing(Permission.READ)
NO_WRITE = "only people with write access to this repository start or steer work"
NAMED = POLICY.model_copy(update={"bots": ("ROBOT[bot]",)})


@pytest.mark.parametrize(
    ("power", "standing", "why"),
    [
        (Power.READ, None, "only people with access to this repository are answered"),
        (Power.READ, READ, None),
        (Power.READ, build.standing(Permission.READ, "triage"), None),
        (Power.WRITE, None, NO_WRITE),
        (Power.WRITE, READ, NO_WRITE),
        (Power.WRITE, build.standing(Permission.READ, "triage"), NO_WRITE),
        (Power.WRITE, WRITE, None),
        (Power.WRITE, build.standing(Permission.WRITE, "release manager"), None),
        (Power.BUDGET, READ, NO_WRITE),
        (Power.BUDGET, WRITE, None),
        (Power.MERGE, READ, NO_WRITE),
        (Power.MERGE, WRITE, None),
    ],
)
def test_i7_what_somebody_may_do_goes_by_his_standing(power: Power, standing: Standing | None, why: str | None) -> None:
    assert refusal(power, WRITER, standing, POLICY) == why


@pytest.mark.parametrize(
    ("allowed", "standing", "may"),
    [
        (("maintain",), WRITE, False),
        (("maintain",), MAINTAIN, True),
        (("maintain",), ADMIN, True),
        (("admin",), MAINTAIN, False),
        (("admin",), ADMIN, True),
        (("@Writer",), WRITE, True),
        (("@somebody",), ADMIN, False),
        (("@somebody", "admin"), ADMIN, True),
        (("@writer&maintain",), WRITE, False),
        (("@writer&maintain",), MAINTAIN, True),
        (("@somebody&write",), ADMIN, False),
        (("@writer",), READ, False),
        (("write",), build.standing(Permission.WRITE, "release manager"), True),
        (("maintain",), build.standing(Permission.WRITE, "release manager"), False),
        ((), ADMIN, False),
    ],
)
def test_i7_money_and_merges_are_for_those_whom_the_operator_names(
    allowed: tuple[str, ...], standing: Standing, may: bool
) -> None:
    policy = POLICY.model_copy(update={"budget_approvers": allowed, "mergers": allowed})
    for power in (Power.BUDGET, Power.MERGE):
        assert (refusal(power, WRITER, standing, policy) is None) is may


def test_people_are_told_who_may() -> None:
    policy = POLICY.model_copy(update={"budget_approvers": ("@boss", "admin"), "mergers": ()})
    budget, merge = (refusal(power, WRITER, WRITE, policy) for power in (Power.BUDGET, Power.MERGE))
    assert budget == "only `boss` and people with the role `admin` approve budgets here"
    assert merge == "only nobody have pull requests merged here"


@pytest.mark.parametrize("power", Power)
def test_i7_bots_may_nothing_unless_they_are_named(power: Power) -> None:
    assert refusal(power, ROBOT, ADMIN, POLICY) == BOTS_REFUSED
    assert refusal(power, ROBOT, ADMIN, NAMED) is None
    assert is_named(ROBOT, NAMED)


def test_i7_a_named_bot_may_no_more_than_its_standing() -> None:
    assert refusal(Power.WRITE, ROBOT, READ, NAMED) == NO_WRITE
    assert refusal(Power.WRITE, ROBOT, None, NAMED) == NO_WRITE


ROLES = st.sampled_from(["write", "maintain", "admin", "@writer", "@writer&admin", "@other"])


@examine
@given(st.sets(ROLES), st.sampled_from(Permission), st.sampled_from([WRITER, STRANGER, ROBOT]), st.sampled_from(Power))
def test_i7_without_write_access_nobody_starts_work_spends_or_merges(
    allowed: set[str], permission: Permission, actor: Actor, power: Power
) -> None:
    policy = NAMED.model_copy(update={"budget_approvers": tuple(allowed), "mergers": tuple(allowed)})
    may = refusal(power, actor, build.standing(permission), policy) is None
    assert not may or power is Power.READ or permission.can_write

"""The kill harness: whatever moment Orch is killed at, with or without the hub, the end is the same."""

import os
import random
from functools import partial

import pytest

from tests.e2e.harness import Harness, Tally, run_all
from tests.e2e.world import PATIENCE

RANDOM_MOMENTS = int(os.environ.get("KILL_MOMENTS", "20"))
EVERY = int(os.environ.get("KILL_EVERY", "2"))
TOGETHER_EVERY = int(os.environ.get("KILL_TOGETHER_EVERY", "10"))
"""`make kill` has 50 moments, and every 1 and 5: each kill costs a machine more than a second of its time."""

pytestmark = [pytest.mark.kill, pytest.mark.timeout(1500)]


async def test_killed_at_every_boundary(harness: Harness, capsys: pytest.CaptureFixture[str]) -> None:
    points = (await harness.enumerate())[::EVERY]
    tally = Tally()
    failed = await run_all({point: partial(harness.kill_at, point, tally) for point in points})
    with capsys.disabled():
        print(f"\n{len(points)} boundaries enumerated: {tally}")
    assert failed == []
    assert tally.survived >= len(points) * 0.95


async def test_killed_with_the_hub(harness: Harness, capsys: pytest.CaptureFixture[str]) -> None:
    points = (await harness.enumerate())[::TOGETHER_EVERY]
    tally = Tally()
    failed = await run_all({point: partial(harness.kill_at, point, tally, with_hub=True) for point in points})
    with capsys.disabled():
        print(f"\n{len(points)} boundaries, Orch and hub killed together: {tally}")
    assert failed == []


async def test_killed_at_random_moments(harness: Harness, capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("KILL_SEED", "1"))
    moments = [random.Random(seed + index).uniform(0.05, 1.2) for index in range(RANDOM_MOMENTS)]
    tally = Tally()
    failed = await run_all(
        {
            f"{moment:.4f} s": partial(harness.kill_after, moment, tally, with_hub=index % TOGETHER_EVERY == 0)
            for index, moment in enumerate(moments)
        }
    )
    with capsys.disabled():
        print(f"\n{len(moments)} random moments: {tally}")
    assert failed == []


@pytest.mark.parametrize(
    ("mutation", "point", "seen", "patience"),
    [
        ("comment", "run_started: after github.create_comment 1", "too many values to unpack", PATIENCE),
        ("branch", "run_finished: after github.create_branch 1", "not seen within", 10),
    ],
)
async def test_the_harness_fails_when_an_effect_is_not_idempotent(
    harness: Harness, mutation: str, point: str, seen: str, patience: float
) -> None:
    with pytest.raises((AssertionError, ValueError), match=seen):
        await harness.kill_at(point, Tally(), mutation=mutation, patience=patience)

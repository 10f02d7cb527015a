"""The outbox: what lies in it is done once, and nothing that lies in it is lost."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.domain.effects import CloseIssue, Decision, DeleteRef, Effect
from app.ports import Conflict
from app.records import Loaded, Records
from tests.integration.core_stage import NOW, TASK, Stage, open_stage, task_record


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as opened:
        yield opened


def deciding(*effects: Effect) -> Decision:
    return Decision("because", effects=effects)


async def test_i2_a_worker_that_was_overtaken_takes_no_later_effect_out(stage: Stage) -> None:
    """It performed an effect while its lease ended; another worker drained, decided the next event, and goes on."""
    records = Records(stage.store)
    await records.commit(TASK.group, "first", deciding(DeleteRef(ref="refs/orch/runs/a")), 0, NOW)
    [slow] = await records.outbox(TASK.group)
    await records.settle(TASK.group, slow, Loaded(None, 0), None)
    await records.commit(TASK.group, "second", deciding(CloseIssue()), 0, NOW)

    with pytest.raises(Conflict):
        await records.settle(TASK.group, slow, Loaded(None, 0), None)
    assert [pending.effect for pending in await records.outbox(TASK.group)] == [CloseIssue()]


async def test_effects_stay_in_order(stage: Stage) -> None:
    records = Records(stage.store)
    effects = [DeleteRef(ref=f"refs/orch/runs/{number}") for number in range(30)]
    await records.commit(TASK.group, "one", deciding(*effects), 0, NOW)
    assert [pending.effect for pending in await records.outbox(TASK.group)] == effects


async def test_what_stands_in_for_a_refused_effect_is_another_entry(stage: Stage) -> None:
    records, record = Records(stage.store), task_record()
    await records.commit(TASK.group, "one", Decision("because", record, (CloseIssue(), CloseIssue())), 0, NOW)
    refused = await records.outbox(TASK.group)
    after = record.change(notice="refused")
    loaded = await records.replace(TASK.group, refused, Loaded(record, 1), after, [DeleteRef(ref="refs/orch/x")])
    [instead] = await records.outbox(TASK.group)
    assert loaded == Loaded(after, 2)
    assert instead.key not in {pending.key for pending in refused}
    assert instead.effect == DeleteRef(ref="refs/orch/x")


async def test_the_outbox_that_a_commit_returns_is_that_of_the_store(stage: Stage) -> None:
    records = Records(stage.store)
    told = await records.commit(TASK.group, "one", deciding(CloseIssue(), DeleteRef(ref="refs/orch/x")), 0, NOW)
    assert told == await records.outbox(TASK.group)
    stored = await records.stored(TASK.group, "one")
    assert (stored.document, stored.is_handled, stored.outbox) == (None, True, told)
    await records.drop(TASK.group, told)
    assert await records.outbox(TASK.group) == []

"""The board in a real store: a head, and a document per repository."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.boards import AT_ONCE, HEAD, LINES, PARTITION
from app.domain.admission import Board
from app.domain.effects import Decision
from app.domain.names import ADMISSION
from app.ports import Conflict
from app.records import Loaded, Records
from tests.integration.core_stage import NOW, Stage, open_stage
from tests.unit.boards import board_of, job_of, waits


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path) as opened:
        yield opened


async def keep(records: Records, board: Board, version: int, name: str = "one") -> None:
    await records.commit(ADMISSION, f"{name}-{version}", Decision("because", board), version, NOW)


async def versions(stage: Stage) -> dict[str, int]:
    return {one.key: one.version for one in await stage.store.query(PARTITION, LINES)}


async def test_only_the_lines_that_changed_are_written_and_all_is_read_again(stage: Stage) -> None:
    records, first = Records(stage.store), board_of(job_of(1), job_of(2), job_of(3), holding=[job_of(4)])
    await keep(records, first, 0)
    second = first.want(waits(job_of(1, 13)), None, 0).free(job_of(3).id, 0)
    await keep(records, second, 1)
    assert await versions(stage) == {f"{LINES}1": 2, f"{LINES}2": 1}
    assert await records.load(ADMISSION) == await Records(stage.store).load(ADMISSION) == Loaded(second, 2)


async def test_what_another_process_wrote_is_seen_and_not_overwritten(stage: Stage) -> None:
    ours, theirs = Records(stage.store), Records(stage.store)
    await keep(ours, board_of(job_of(1)), 0)
    await theirs.load(ADMISSION)
    await keep(theirs, board_of(job_of(2)), 1, "theirs")
    with pytest.raises(Conflict):
        await keep(ours, board_of(job_of(3)), 1, "late")
    assert (await ours.load(ADMISSION)).board == board_of(job_of(2))
    with pytest.raises(Conflict):
        await keep(ours, board_of(job_of(3)), 1, "later")


async def test_a_board_in_one_document_is_read_and_split_at_the_next_write(stage: Stage) -> None:
    jobs = [job_of(number) for number in range(1, 3 * AT_ONCE)]
    old = {
        "holding": {jobs[0].id: jobs[0].model_dump(mode="json")},
        "waiting": {job.id: {"job": job.model_dump(mode="json"), "since": 5.0, "most": 2} for job in jobs[1:]},
    }
    await stage.store.commit(PARTITION, {HEAD: old, f"{LINES}999": {**LEFT_OVER}})
    records, expected = Records(stage.store), board_of(*(waits(job, 5) for job in jobs[1:]), holding=jobs[:1], most=2)
    assert await records.load(ADMISSION) == Loaded(expected, 1)
    await keep(records, expected.free(jobs[1].id, 0), 1)
    read = (await Records(stage.store).load(ADMISSION)).board
    assert read is not None
    assert (read.lines, read.holding) == (expected.free(jobs[1].id, 0).lines, expected.holding)


LEFT_OVER = {
    "repository": 0,
    "places": [{"id": 999, "installation_id": 5, "owner": "acme", "name": "gone", "default_branch": "main"}],
    "most": None,
    "look_at": None,
    "waiting": [],
    "locks": [[7, ["src"], 1.0]],
}
"""What a write left that was broken off before the head was written."""

"""The bench measures what it says: its load is real deliveries, and its verdicts follow from the values."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.bench.figures import Figure, Skipped, Target, at_least, at_most
from tests.bench.processes import listening, output_of, python, running
from tests.bench.webhook import BARE_PEER, ORCH_PEER, Peer, probot_peer
from tests.e2e.processes import free_port

SECONDS = 0.3


@pytest.mark.parametrize(
    ("peer", "rows"),
    [(ORCH_PEER, ("queue.db", "messages")), (BARE_PEER, ("bare.db", "deliveries"))],
    ids=["orch", "bare"],
)
async def test_what_is_counted_as_taken_lies_on_disk(peer: Peer, rows: tuple[str, str], tmp_path: Path) -> None:
    port = free_port()
    async with running(peer.argv(tmp_path, port), tmp_path / "log", env=peer.env(tmp_path, port)) as process:
        await listening(port, process)
        load = [*python("tests.bench.load"), str(port), "/webhook", "4", str(SECONDS)]
        found = json.loads(await output_of(load))
        assert process.cpu_seconds() > 0
    assert found["rate"] > 0
    assert 0 < found["p50"] <= found["p99"]
    assert (found["answered"], found["refused"]) == (_count(tmp_path / rows[0], rows[1]), 0)


def _count(file: Path, table: str) -> int:
    with closing(sqlite3.connect(file)) as database:
        (count,) = database.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - a name of our own
        return int(count)


async def test_a_peer_that_refuses_is_no_measure(tmp_path: Path) -> None:
    port = free_port()
    env = {**ORCH_PEER.env(tmp_path, port), "ORCH_WEBHOOK_SECRET": "another secret"}
    async with running(ORCH_PEER.argv(tmp_path, port), tmp_path / "log", env=env) as process:
        await listening(port, process)
        with pytest.raises(RuntimeError, match="ended with 1"):
            await output_of([*python("tests.bench.load"), str(port), "/webhook", "1", str(SECONDS)])


def test_probot_is_skipped_where_it_is_not(tmp_path: Path) -> None:
    reason = "npm did not install Probot" if shutil.which("node") else "node is not installed"
    with pytest.raises(Skipped, match=reason):
        probot_peer(tmp_path)


@pytest.mark.parametrize(
    ("target", "values", "verdict"),
    [
        (at_most(2), [1, 9, 2], "ok"),
        (at_most(2), [3, 1, 9], "MISSED"),
        (at_least(2), [1, 9, 2], "ok"),
        (at_least(2), [1, 9, 1], "MISSED"),
        (None, [1], ""),
    ],
)
def test_the_median_decides(target: Target | None, values: list[float], verdict: str) -> None:
    assert Figure("a figure", values, "ms", target).verdict == verdict


def test_a_figure_is_shown_with_its_spread() -> None:
    cells = Figure("a figure", [1234.5, 0.1234, 99.94], "ms", at_most(1000)).cells()
    assert cells == ("a figure", "99.9", "0.123 .. 1,234", "ms", "3", "<= 1,000", "ok")

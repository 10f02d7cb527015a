"""Reading `.orch.yml` for a decision: out of the store, and from GitHub where the store knows nothing."""

import pytest

from app.domain.absent import Absent
from app.domain.config import Problem, RepoFile, resolve
from app.domain.config_check import FoundFile, Tree, follow
from app.domain.config_keys import RepoConfig
from app.domain.errors import Permanent, Unauthorized
from app.domain.events import ConfigWanted, Event, TaskChecked
from app.domain.facts import BranchRules
from app.domain.snapshot import Need
from app.ports import Document
from app.records import Loaded
from tests.unit import build
from tests.unit.build import POLICY, TASK
from tests.unit.test_snapshot_loader import Desk

CHECK = TaskChecked(task=TASK)


def keep(desk: Desk, file: RepoFile) -> None:
    key = "record/config"
    desk.store.documents["repository:1", key] = Document(key, 3, file.model_dump(mode="json"))


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("event", [CHECK, build.closed("orch/12-x")])
async def test_configuration_that_the_store_has_costs_no_question(desk: Desk, event: Event) -> None:
    keep(desk, RepoFile(config=RepoConfig(trigger="ai")))
    snapshot, _ = await desk.load(event, Need.CONFIG)
    assert snapshot.policy == POLICY.model_copy(update={"trigger": "ai"})
    assert (snapshot.config, desk.github.asked) == (resolve(POLICY, RepoFile(config=RepoConfig(trigger="ai"))), [])


async def test_i9_configuration_that_the_store_lost_is_read(desk: Desk) -> None:
    desk.github.held_file = b"max_attempts: 1"
    snapshot, _ = await desk.load(CHECK, Need.CONFIG)
    assert (snapshot.policy.max_attempts, desk.github.asked) == (1, [".orch.yml"])


@pytest.mark.parametrize("held", [None, RepoFile(text="before")])
async def test_the_file_is_read_beside_what_is_known_of_it(desk: Desk, held: RepoFile | None) -> None:
    if held:
        keep(desk, held)
    desk.github.held_file = b"trigger: ai"
    snapshot, loaded = await desk.load(ConfigWanted(repository=build.repository()), Need.FILE)
    assert (snapshot.file, loaded) == (held, Loaded(held, 3 if held else 0))
    tree = Tree({"trigger": "ai"}, {"trigger": 1})
    assert snapshot.found == FoundFile("trigger: ai", tree, absent=Absent(), signed=False)


async def test_a_file_that_github_does_not_show_is_a_problem_of_the_file(desk: Desk) -> None:
    desk.github.held_file = Permanent("grant the App contents=read")
    desk.github.held_rules = Permanent("upgrade to see rules")
    snapshot, _ = await desk.load(ConfigWanted(repository=build.repository()), Need.FILE)
    assert snapshot.found == FoundFile("", Problem(text="cannot be read: grant the App contents=read"))


async def test_what_is_absent_in_runs_and_whether_commits_are_signed_is_read_with_the_file(desk: Desk) -> None:
    desk.github.held_beside = {
        ".gitattributes": b"*.png filter=lfs\n\xff",
        ".gitmodules": b'[submodule "x"]\n\tpath = libs/x\n',
    }
    desk.github.held_rules = BranchRules(signatures=True)
    snapshot, _ = await desk.load(ConfigWanted(repository=build.repository()), Need.FILE)
    absent = Absent(lfs=("*.png",), submodules=("libs/x",))
    assert snapshot.found == FoundFile(None, Tree({}, {}), absent=absent, signed=True)
    assert desk.github.asked == [".orch.yml", ".gitattributes", ".gitmodules", "rules of main"]


def test_what_github_does_not_say_stays_as_it_was_known() -> None:
    known = RepoFile(absent=Absent(lfs=("*.png",)), signed=True)
    for tree in (Tree({}, {}), Tree({"x": 1}, {}), Problem(text="cannot be read")):
        after = follow(known, FoundFile("", tree), [])
        assert (after.absent, after.signed) == (known.absent, True)
        after = follow(known, FoundFile("", tree, absent=Absent(), signed=False), [])
        assert (after.absent, after.signed) == (Absent(), False)


def test_what_is_absent_is_remarked_on() -> None:
    assert resolve(POLICY, RepoFile(absent=Absent(submodules=("libs/x",)))).remarks == (
        "`libs/x` is a submodule; its files are not there in the run.",
    )


async def test_rules_are_not_asked_for_without_a_key(desk: Desk) -> None:
    desk.github.held_rules = Unauthorized("401")
    with pytest.raises(Unauthorized):
        await desk.load(ConfigWanted(repository=build.repository()), Need.FILE)


async def test_a_key_that_github_does_not_take_says_nothing_of_the_file(desk: Desk) -> None:
    desk.github.held_file = Unauthorized("401")
    with pytest.raises(Unauthorized):
        await desk.load(ConfigWanted(repository=build.repository()), Need.FILE)

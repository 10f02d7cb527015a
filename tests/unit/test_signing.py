"""Moving a task's branch where only signed commits are taken, over a GitHub of a few branches."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from app.domain.config import RepoFile
from app.domain.effects import AnswerThreads, MoveBranch, ThreadAnswer
from app.domain.errors import Permanent, Retryable, Unauthorized
from app.domain.facts import BranchRules, CommitData
from app.domain.names import Repository
from app.ports import Document, EventQueue, GitHub, Store
from app.pull_effects import PullEffects
from app.records import Records
from app.signing import Signing
from tests.unit import build
from tests.unit.build import IDENTITY, OTHER_SHA, POLICY, SHA
from tests.unit.ports import FakeStore, StillClock

BRANCH = build.record().branch
START, SIGNED = "5" * 40, "6" * 40
UNSIGNED = CommitData(sha=SHA, tree="7" * 40, parents=(START,), message="Do it")
REFUSED = "Commits must have verified signatures."
MOVE = MoveBranch(branch=BRANCH, sha=SHA, previous=None)


@dataclass
class Branches:
    """Branches, some of which take only signed commits; what is made anew has the SHA of 6s."""

    strict: tuple[str, ...] = ()
    heads: dict[str, str] = field(default_factory=dict)
    commits: dict[str, CommitData] = field(default_factory=lambda: {SHA: UNSIGNED})
    failing: Mapping[str, Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def _note(self, name: str) -> None:
        self.asked.append(name)
        if name in self.failing:
            raise self.failing[name]

    async def rules(self, repository: Repository, branch: str) -> BranchRules:
        self._note("rules")
        return BranchRules(signatures=branch in self.strict)

    async def commit(self, repository: Repository, sha: str) -> CommitData:
        self._note("commit")
        return self.commits[sha]

    async def branch_head(self, repository: Repository, branch: str) -> str | None:
        return self.heads.get(branch)

    async def sign_commit(self, repository: Repository, commit: CommitData) -> str:
        self._note("sign")
        self.commits[SIGNED] = commit.model_copy(update={"sha": SIGNED})
        return SIGNED

    async def create_branch(self, repository: Repository, branch: str, sha: str) -> bool:
        if branch in self.heads:
            return False
        await self.move_branch(repository, branch, sha)
        return True

    async def move_branch(self, repository: Repository, branch: str, sha: str) -> None:
        self._note("move")
        if branch in self.strict and sha != SIGNED:
            raise Permanent(REFUSED)
        if branch in self.heads and self.heads[branch] not in (sha, *self.commits[sha].parents):
            raise Permanent("Update is not a fast forward")
        self.heads[branch] = sha

    async def answer_threads(self, repository: Repository, answers: Sequence[ThreadAnswer]) -> None:
        for one in answers:
            self._note(one.body.split("\n", maxsplit=1)[0])


def effects(github: Branches, known: RepoFile | None = None) -> PullEffects:
    store = FakeStore()
    if known is not None:
        document = Document("record/config", 1, known.model_dump(mode="json"))
        store.documents["repository:1", document.key] = document
    port, clock = cast(GitHub, github), StillClock()
    signing = Signing(port, Records(cast(Store, store)), clock)
    return PullEffects(port, cast(EventQueue, None), clock, IDENTITY, POLICY, signing)


async def move(pulls: PullEffects, effect: MoveBranch = MOVE) -> int | str | None:
    return await pulls.perform(effect, build.record(), looks=False)


async def test_where_nobody_asks_for_signatures_nothing_more_is_asked() -> None:
    github = Branches()
    assert await move(effects(github, RepoFile())) == SHA
    assert (github.asked, github.heads) == (["move"], {BRANCH: SHA})


@pytest.mark.parametrize("previous", [None, START])
async def test_where_the_base_branch_asks_for_signatures_the_branch_gets_a_signed_commit(previous: str | None) -> None:
    github = Branches(heads={BRANCH: START} if previous else {})
    github.commits[START] = UNSIGNED.model_copy(update={"sha": START, "tree": "8" * 40, "parents": ()})
    effect = MOVE.model_copy(update={"previous": previous})
    assert await move(effects(github, RepoFile(signed=True)), effect) == SIGNED
    assert github.heads == {BRANCH: SIGNED}


async def test_i2_a_signed_commit_that_a_crash_left_on_the_branch_is_not_made_again() -> None:
    github = Branches()
    for _ in range(2):
        assert await move(effects(github, RepoFile(signed=True))) == SIGNED
    assert github.asked.count("sign") == 1


async def test_what_the_tasks_branch_asks_for_is_learnt_from_a_refusal_and_remembered() -> None:
    github = Branches(strict=(BRANCH,))
    pulls = effects(github, RepoFile())
    assert await move(pulls) == SIGNED
    assert github.asked == ["move", "rules", "commit", "sign", "move"]
    github.asked.clear()
    assert await move(pulls) == SIGNED
    assert github.asked == ["commit", "commit"]


async def test_i2_what_a_crash_left_is_found_by_who_knows_of_no_rule() -> None:
    github = Branches(strict=(BRANCH,))
    for _ in range(2):
        assert await move(effects(github, RepoFile())) == SIGNED
    assert github.asked.count("sign") == 1


async def test_a_repository_of_which_nothing_is_known_is_asked() -> None:
    github = Branches(strict=("main",))
    assert await move(effects(github)) == SIGNED
    assert github.asked[0] == "rules"
    plain = Branches()
    assert await move(effects(plain)) == SHA
    silent = Branches(failing={"rules": Permanent("upgrade to see rules")})
    assert await move(effects(silent)) == SHA


async def test_a_refusal_that_is_not_about_signatures_stays_one() -> None:
    github = Branches(heads={BRANCH: OTHER_SHA})
    with pytest.raises(Permanent, match="exists with commits that Orch did not make"):
        await move(effects(github, RepoFile()))
    with pytest.raises(Permanent, match="is not where the run began"):
        await move(effects(github, RepoFile()), MOVE.model_copy(update={"previous": OTHER_SHA}))


@pytest.mark.parametrize(("name", "known"), [("sign", True), ("move", False)])
@pytest.mark.parametrize("error", [Unauthorized("401"), Retryable("502")])
async def test_what_may_pass_is_no_refusal(name: str, known: bool, error: Exception) -> None:
    github = Branches(failing={name: error})
    with pytest.raises(type(error)) as raised:
        await move(effects(github, RepoFile(signed=known)))
    assert raised.value is error


async def test_a_commit_that_github_does_not_sign_is_refused_with_what_to_do() -> None:
    github = Branches(failing={"sign": Permanent("403 not accessible; grant the App contents=write")})
    with pytest.raises(Permanent, match=r"only signed commits are taken here.*say `/retry` \(403 not accessible"):
        await move(effects(github, RepoFile(signed=True)))
    assert github.heads == {}


@pytest.mark.parametrize(
    ("commit", "head", "said"),
    [(SHA, SIGNED, "Done in 6666666: so."), (SHA, SHA, "Done in 1111111: so."), (None, SIGNED, "Done in 1111111: so.")],
)
async def test_replies_name_the_commit_that_is_on_the_branch(commit: str | None, head: str, said: str) -> None:
    github = Branches()
    answer = ThreadAnswer(thread="T", body="Done in 1111111: so.", resolve=False)
    reply = AnswerThreads(pull=3, key="k", answers=(answer,), commit=commit)
    await effects(github, RepoFile()).perform(reply, build.record(head_sha=head), looks=False)
    assert github.asked == [said]

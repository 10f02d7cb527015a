"""`.orch.yml`: what is taken, what is refused and with which word, and how it is laid over what the operator set."""

from collections.abc import Sequence
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.config import FILE, KEYS, Origin, Problem, RepoConfig, RepoFile, Setting, resolve
from app.domain.config_check import FoundFile, Tree, check, follow
from app.domain.policy import Policy
from tests.unit.draw import examine, texts

AGENTS = ("script", "claude")
POLICY = Policy(agents=AGENTS, max_attempts=3, max_parallel=4, stated=frozenset({"agents", "max_attempts"}))
GOOD = {"trigger": "ai", "agent": "claude", "branch_prefix": "ai/work", "max_attempts": 2, "max_parallel": 1}


def tree(**values: object) -> Tree:
    return Tree(values, {key: number for number, key in enumerate(values, 1)})


def found(**values: object) -> FoundFile:
    return FoundFile("text", tree(**values))


def known(**values: object) -> RepoFile:
    return follow(RepoFile(), found(**values), AGENTS)


def said(**values: object) -> list[str]:
    return [str(problem) for problem in check(tree(**values), AGENTS)]


def test_a_good_file_is_taken_whole() -> None:
    assert known(**GOOD) == RepoFile(
        config=RepoConfig(trigger="ai", agent="claude", branch_prefix="ai/work", max_attempts=2, max_parallel=1),
        lines={"trigger": 1, "agent": 2, "branch_prefix": 3, "max_attempts": 4, "max_parallel": 5},
        text="text",
        digest=sha256(b"text").hexdigest(),
        prefixes=("ai/work",),
    )


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("max_attemps", 2, "`max_attemps` is not a key of this file; did you mean `max_attempts`?"),
        ("Max-Attempts", 2, "`Max-Attempts` is not a key of this file; did you mean `max_attempts`?"),
        ("colour", 2, f"`colour` is not a key of this file; known are {', '.join(f'`{known}`' for known in KEYS)}"),
        ("gates", [], "`gates` is kept for a later version of Orch and does nothing yet: take it out"),
        ("agent", "claud", "agent `claud` is not one that the operator allows; did you mean `claude`?"),
        ("agent", "x", "agent `x` is not one that the operator allows; allowed: `script`, `claude`"),
        ("trigger", None, "`trigger` has no value: give it one or take the line out"),
        ("max_attempts", 0, "`max_attempts` must be a whole number of at least 1; it is `0`"),
        ("max_parallel", "two", "`max_parallel` must be a whole number of at least 1; it is `two`"),
        ("max_parallel", 1.5, "`max_parallel` must be a whole number of at least 1; it is `1.5`"),
        ("agent", {"name": "x"}, "`agent` must be the name of an agent; it is keys and values"),
        ("agent", ["x"], "`agent` must be the name of an agent; it is a list"),
        ("agent", "", "`agent` must be the name of an agent; it is empty"),
    ],
)
def test_a_mistake_is_answered_with_its_line_and_what_to_do(key: str, value: object, text: str) -> None:
    assert check(tree(**{key: value}), AGENTS) == (Problem(line=1, key=key, text=text),)
    assert said(**{key: value}) == [f"line 1: {text}"]


def test_a_bare_yes_is_said_to_be_no_text() -> None:
    [text] = said(trigger=True)
    assert text.endswith("it is the truth value true; put a word in quotes to have it taken as text")


@pytest.mark.parametrize("trigger", ["a,b", " ai", "ai ", "x" * 51, "status:done", "Agent:claude", "plan", "a\nb"])
def test_a_trigger_must_be_a_label_that_is_free(trigger: str) -> None:
    assert said(trigger=trigger)[0].startswith("line 1: `trigger` must be the name of one label")


@pytest.mark.parametrize("prefix", ["a b", "a//b", "/a", "a/", "a..b", "-a", "refs", "Refs/x", "x" * 61, ""])
def test_a_prefix_must_be_that_of_a_branch(prefix: str) -> None:
    assert said(branch_prefix=prefix)[0].startswith("line 1: `branch_prefix` must be the first part of a branch name")


@pytest.mark.parametrize("values", [{}, GOOD, {"trigger": "plan it"}, {"branch_prefix": "my-refs/x_1"}])
def test_what_is_right_is_not_complained_of(values: dict[str, object]) -> None:
    assert said(**values) == []


def test_all_mistakes_are_said_at_once_in_the_order_of_lines() -> None:
    assert [text.split(" ")[1] for text in said(agent=None, colour=1, max_parallel=0)] == ["1:", "2:", "3:"]


def test_the_last_good_file_stays_in_force() -> None:
    good = known(**GOOD)
    problem = Problem(line=1, key="colour", text="`colour` is not a key")
    bad = follow(good, found(colour="red"), AGENTS)
    assert bad == good.model_copy(update={"problems": bad.problems})
    assert follow(bad, FoundFile("", problem), AGENTS) == good.model_copy(update={"problems": (problem,)})
    assert follow(bad, found(**GOOD), AGENTS) == good


def test_a_file_that_was_removed_asks_for_nothing() -> None:
    gone = follow(known(**GOOD), FoundFile(None, Tree({}, {})), AGENTS)
    assert gone == RepoFile(prefixes=("ai/work",))


def test_branches_are_known_by_every_prefix_there_was() -> None:
    file = known(branch_prefix="one")
    for prefix in ("two", "one"):
        file = follow(file, found(branch_prefix=prefix), AGENTS)
    assert resolve(POLICY, file).prefixes == ("orch", "one", "two")


def test_each_value_says_where_it_comes_from() -> None:
    settings = resolve(POLICY, known(trigger="ai", max_attempts=2)).settings
    assert settings == {
        "trigger": Setting("ai", Origin.REPOSITORY),
        "agent": Setting("script", Origin.OPERATOR),
        "branch_prefix": Setting("orch", Origin.DEFAULT),
        "max_attempts": Setting(2, Origin.REPOSITORY),
        "max_parallel": Setting(4, Origin.DEFAULT),
    }


def test_what_the_repository_asks_for_is_what_decisions_go_by() -> None:
    resolved = resolve(POLICY, known(**GOOD))
    changed = {"trigger": "ai", "agents": ("claude", "script"), "branch_prefix": "ai/work"}
    limits = {"max_attempts": 2, "max_parallel": 1}
    assert resolved.policy == POLICY.model_copy(update=changed | limits)
    assert (resolved.parallel, resolved.remarks) == (1, ())


def test_without_a_file_the_operators_policy_is_in_force() -> None:
    resolved = resolve(POLICY, RepoFile())
    assert (resolved.policy, resolved.parallel, resolved.remarks) == (POLICY, None, ())
    assert resolve(Policy(), RepoFile()).policy == Policy()


def test_i11_a_limit_above_the_operators_is_clamped_and_said() -> None:
    resolved = resolve(POLICY, known(max_attempts=9, max_parallel=5))
    assert (resolved.policy, resolved.parallel) == (POLICY, 4)
    assert resolved.settings["max_attempts"].origin is Origin.OPERATOR
    assert resolved.remarks == (
        f"`{FILE}` line 1: `max_attempts` is 9, more than the operator allows; 3 is used.",
        f"`{FILE}` line 2: `max_parallel` is 5, more than the operator allows; 4 is used.",
    )


def test_i11_an_agent_that_the_operator_took_away_is_not_used() -> None:
    resolved = resolve(Policy(agents=("script",)), known(agent="claude"))
    assert resolved.policy.agents == ("script",)
    assert resolved.remarks == (
        f"`{FILE}` line 1: agent `claude` is not one that the operator allows (`script`); `script` is used.",
    )


def test_a_value_that_is_a_problem_of_the_newest_file_is_said_once() -> None:
    file = follow(known(agent="claude"), found(agent="claude"), ("script",))
    [remark] = resolve(Policy(agents=("script",)), file).remarks
    assert remark.startswith(f"`{FILE}` line 1: agent `claude` is not one that the operator allows; allowed: `script`.")
    assert remark.endswith("Until that is mended, what it said before stays in force.")


def test_of_many_problems_a_few_are_said() -> None:
    file = known(**{f"k{number}": 1 for number in range(5)})
    [remark] = resolve(POLICY, file).remarks
    head, *lines, rest, empty, until = remark.splitlines()
    assert (head, rest, empty) == ("`.orch.yml`:", "* and 2 more", "")
    assert [line[: len("* line 1: `k0`")] for line in lines] == [f"* line {1 + n}: `k{n}`" for n in range(3)]
    assert until == "Until that is mended, what the operator set stays in force."


def test_a_problem_without_a_line_reads_well() -> None:
    file = RepoFile(problems=(Problem(text="is larger than 64 KiB"),))
    [remark] = resolve(POLICY, file).remarks
    assert remark.startswith(f"`{FILE}` is larger than 64 KiB. Until that is mended, ")


numbers = st.integers(1, 9)
configs = st.fixed_dictionaries(
    {},
    optional={
        "trigger": st.sampled_from(["ai", "Orch"]),
        "agent": st.sampled_from(["script", "claude", "codex"]),
        "branch_prefix": st.sampled_from(["ai", "x/y"]),
        "max_attempts": numbers,
        "max_parallel": numbers,
    },
)
policies = st.builds(
    Policy,
    agents=st.lists(st.sampled_from(["script", "claude"]), unique=True).map(tuple),
    max_attempts=numbers,
    max_parallel=numbers,
)


@examine
@given(policies, configs)
def test_i11_a_repository_can_only_tighten(policy: Policy, values: dict[str, object]) -> None:
    resolved = resolve(policy, RepoFile(config=RepoConfig.model_validate(values)))
    after = resolved.policy
    assert after.max_attempts <= policy.max_attempts
    assert after.max_parallel <= policy.max_parallel
    assert sorted(after.agents) == sorted(policy.agents)
    assert resolved.parallel is None or resolved.parallel <= policy.max_parallel
    own = {"trigger", "branch_prefix", "agents", "max_attempts", "max_parallel"}
    assert after.model_dump(exclude=own) == policy.model_dump(exclude=own)


@examine
@given(st.dictionaries(st.sampled_from([*KEYS, "gates"]) | texts, texts | st.integers() | st.none() | st.booleans()))
def test_what_is_taken_has_no_problem_and_what_has_one_is_not_taken(values: dict[str, object]) -> None:
    before = known(**GOOD)
    after = follow(before, FoundFile("t", Tree(values, {})), AGENTS)
    assert bool(after.problems) == bool(check(Tree(values, {}), AGENTS))
    assert after.problems == () or after.config == before.config


@examine
@given(st.lists(st.sampled_from([f"p{number}" for number in range(40)]), max_size=60))
def test_i12_what_is_remembered_is_bounded(prefixes: Sequence[str]) -> None:
    file = RepoFile()
    for prefix in prefixes:
        file = follow(file, found(branch_prefix=prefix), AGENTS)
    assert len(file.prefixes) <= 20
    assert file.prefixes[-1:] == tuple(prefixes[-1:]) or prefixes[-1] in file.prefixes

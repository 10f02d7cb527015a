"""`.orch.yml`: what is taken, what is refused and with which word, and how it is laid over what the operator set."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.config import FILE, ORDERS, Origin, Problem, RepoFile, Setting, resolve
from app.domain.config import PEOPLE as PEOPLE_KEYS
from app.domain.config_check import FoundFile, Tree, check, follow
from app.domain.config_keys import KEYS, WORDS, RepoConfig
from app.domain.people import are_same, narrow
from app.domain.policy import Policy, RunLimits
from tests.unit.draw import examine, texts

AGENTS = ("script", "claude")
PEOPLE = 'must be a list of `write`, `maintain`, `admin` or logins in quotes, as in `[maintain, "@octocat"]`'
POLICY = Policy(agents=AGENTS, max_attempts=3, max_parallel=4, stated=frozenset({"agents", "max_attempts"}))
GOOD = {"trigger": "ai", "agent": "claude", "branch_prefix": "ai/work", "max_attempts": 2, "max_parallel": 1}
MODELS = ("claude-opus-4[1m]", "anthropic/x@1", "gpt-5:latest", "us.meta.llama+v1:0")


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
        ("max_rounds", -1, "`max_rounds` must be a whole number of at least 0; it is `-1`"),
        ("max_cost", 0, "`max_cost` must be a number of US dollars above 0; it is `0`"),
        ("max_cost", float("inf"), "`max_cost` must be a number of US dollars above 0; it is `inf`"),
        ("max_day_cost", "$5", "`max_day_cost` must be a number of US dollars above 0; it is `$5`"),
        ("wall_seconds", float("nan"), "`wall_seconds` must be a number of seconds above 0; it is `nan`"),
        (
            "max_task_cost",
            "2.5",
            "`max_task_cost` must be a number of US dollars above 0; it is `2.5` in quotes, which make it text: "
            "take them off",
        ),
        (
            "profile",
            "headless-save",
            "`profile` must be one of `trusted`, `headless-permissive`, `headless-safe`, `plan-readonly`; it is "
            "`headless-save`, did you mean `headless-safe`?",
        ),
        ("outsiders", "hide", "`outsiders` must be one of `quote`, `omit`; it is `hide`"),
        ("mergers", [], f"`mergers` {PEOPLE}; it is an empty list"),
        ("mergers", "admin", f"`mergers` {PEOPLE}; it is `admin`"),
        ("mergers", ["admin", "maintian"], f"`mergers` {PEOPLE}; one is `maintian`, did you mean `maintain`?"),
        ("mergers", [["x"], 1], f"`mergers` {PEOPLE}; one is a list"),
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


@pytest.mark.parametrize("model", ["-x", "", "a b", "a\n", "x" * 101, "$(id)"])
def test_a_model_must_be_a_name_and_no_option(model: str) -> None:
    assert said(model=model)[0].startswith("line 1: `model` must be the name of a model: ")


RIGHT = (
    *({}, GOOD, {"trigger": "plan it"}, {"branch_prefix": "my-refs/x_1"}),
    *({"model": model} for model in MODELS),
    *({"max_cost": amount} for amount in (5, 0.5, 1e3)),
    {"max_rounds": 0, "wall_seconds": 90, "outsiders": "omit", "merge_method": "rebase", "profile": "plan-readonly"},
    {"mergers": ["admin", "@octocat"], "budget_approvers": ["@some_one-1"], "max_task_cost": 1, "max_day_cost": 2.5},
)


@pytest.mark.parametrize("values", RIGHT)
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
    policy = POLICY.model_copy(update={"in_file": frozenset({"agents"})})
    settings = resolve(policy, known(trigger="ai")).settings
    assert tuple(settings) == KEYS
    assert {key: settings[key] for key in ("trigger", "agent", "max_attempts", "max_cost", "mergers")} == {
        "trigger": Setting("ai", Origin.REPOSITORY),
        "agent": Setting("script", Origin.FILE),
        "max_attempts": Setting(3, Origin.ENVIRONMENT),
        "max_cost": Setting(Decimal(20), Origin.DEFAULT),
        "mergers": Setting(("write",), Origin.DEFAULT),
    }


def test_what_the_repository_asks_for_is_what_decisions_go_by() -> None:
    resolved = resolve(POLICY, known(**GOOD))
    changed = {"trigger": "ai", "agents": ("claude", "script"), "branch_prefix": "ai/work"}
    limits = {"max_attempts": 2, "max_parallel": 1}
    assert resolved.policy == POLICY.model_copy(update=changed | limits)
    assert (resolved.parallel, resolved.remarks) == (1, ())


def test_every_key_reaches_the_policy() -> None:
    asked: dict[str, object] = {"model": "m", "profile": "headless-safe", "max_rounds": 1, "wall_seconds": 60}
    costs: dict[str, object] = {"max_cost": 0.1, "max_task_cost": 2, "max_day_cost": 3}
    people: dict[str, object] = {"mergers": ["admin"], "budget_approvers": ["@octocat"], "outsiders": "omit"}
    file = known(**asked, **costs, **people, merge_method="rebase")
    limits = RunLimits(wall_seconds=60, cost=Decimal("0.1"))
    caps = {"max_task_cost": Decimal(2), "max_day_cost": Decimal(3)}
    who = {"mergers": ("admin",), "budget_approvers": ("@octocat",), "outsiders": "omit", "merge_method": "rebase"}
    wanted = {"model": "m", "profile": "headless-safe", "max_rounds": 1, "limits": limits, **caps, **who}
    assert resolve(POLICY, file).policy == POLICY.model_copy(update=wanted)
    assert resolve(POLICY, file).remarks == ()


def test_a_file_that_was_stored_is_the_same_when_it_is_read() -> None:
    file = known(max_cost=0.1, mergers=["admin"], wall_seconds=60)
    assert RepoFile.model_validate(file.model_dump(mode="json")) == file


def test_without_a_file_the_operators_policy_is_in_force() -> None:
    resolved = resolve(POLICY, RepoFile())
    assert (resolved.policy, resolved.parallel, resolved.remarks) == (POLICY, None, ())
    assert resolve(Policy(), RepoFile()).policy == Policy()


def test_i11_a_limit_above_the_operators_is_clamped_and_said() -> None:
    resolved = resolve(POLICY, known(max_attempts=9, max_parallel=5))
    assert (resolved.policy, resolved.parallel) == (POLICY, 4)
    assert resolved.settings["max_attempts"].origin is Origin.ENVIRONMENT
    assert resolved.remarks == (
        f"`{FILE}` line 1: `max_attempts` is 9, more than the operator allows; 3 is used.",
        f"`{FILE}` line 2: `max_parallel` is 5, more than the operator allows; 4 is used.",
    )


@pytest.mark.parametrize(
    ("key", "operators", "asked", "remark"),
    [
        ("profile", "headless-safe", "trusted", "`trusted`, looser than the operator allows; `headless-safe` is used."),
        ("outsiders", "omit", "quote", "`quote`, looser than the operator allows; `omit` is used."),
        ("max_task_cost", Decimal(5), 6, "6, more than the operator allows; 5 is used."),
        ("max_rounds", 0, 1, "1, more than the operator allows; 0 is used."),
    ],
)
def test_i11_what_is_looser_is_not_used(key: str, operators: object, asked: object, remark: str) -> None:
    policy = POLICY.model_copy(update={key: operators})
    resolved = resolve(policy, known(**{key: asked}))
    assert resolved.policy == policy
    assert resolved.remarks == (f"`{FILE}` line 1: `{key}` is {remark}",)


def test_i11_limits_of_runs_are_the_operators_at_most() -> None:
    resolved = resolve(POLICY, known(max_cost=21, wall_seconds=3601))
    assert (resolved.policy, len(resolved.remarks)) == (POLICY, 2)


def test_i11_an_operator_without_a_limit_takes_any() -> None:
    policy = Policy(limits=RunLimits(cost=None))
    assert resolve(policy, known(max_cost=99)).policy.limits.cost == 99


@pytest.mark.parametrize(
    ("asked", "setting", "names"),
    [
        (["write"], Setting(("maintain", "@octocat"), Origin.DEFAULT), "people with the role `maintain` and `octocat`"),
        (
            ["admin", "@x"],
            Setting(("admin", "@x&maintain"), Origin.REPOSITORY),
            "people with the role `admin` and `x` ",
        ),
        (
            ["@x", "@y"],
            Setting(("@x&maintain", "@y&maintain"), Origin.REPOSITORY),
            "`x` (with the role `maintain`) and",
        ),
    ],
)
def test_i11_of_people_those_count_whom_both_allow(asked: list[str], setting: Setting, names: str) -> None:
    policy = POLICY.model_copy(update={"mergers": ("maintain", "@octocat")})
    resolved = resolve(policy, known(mergers=asked, budget_approvers=["write"]))
    note = f"`{FILE}` line 1: `mergers` names people whom the operator does not allow; those who count: {names}"
    assert resolved.policy.mergers == setting.value
    assert replace(resolved.settings["mergers"], note="") == setting
    assert resolved.remarks == (resolved.settings["mergers"].note,)
    assert resolved.remarks[0].startswith(note)


def test_i11_nobody_counts_if_the_operator_allows_none_of_them() -> None:
    resolved = resolve(POLICY.model_copy(update={"mergers": ("@octocat",)}), known(mergers=["@x"]))
    assert resolved.policy.mergers == ()
    assert resolved.remarks[0].endswith("those who count: nobody.")


def test_i11_a_model_for_an_agent_that_is_not_allowed_is_left_out() -> None:
    resolved = resolve(Policy(agents=("script",)), known(agent="claude", model="m"))
    assert (resolved.policy.model, len(resolved.remarks)) == (None, 2)
    assert resolved.settings["model"].note == (
        f"`{FILE}` line 2: `model` is for the agent `claude`, which does not work here; it is left out."
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
dollars = numbers.map(Decimal)
people = st.lists(st.sampled_from(["write", "maintain", "admin", "@one", "@two"]), min_size=1, unique=True).map(tuple)
ORDERED = {key: st.sampled_from(WORDS[key]) for key in ORDERS}
LIMITED = {
    **dict.fromkeys(("max_attempts", "max_rounds", "max_parallel"), numbers),
    **dict.fromkeys(("max_task_cost", "max_day_cost"), dollars),
}
configs = st.fixed_dictionaries(
    {},
    optional={
        "trigger": st.sampled_from(["ai", "Orch"]),
        "agent": st.sampled_from(["script", "claude", "codex"]),
        "model": st.sampled_from(["m", "n"]),
        "branch_prefix": st.sampled_from(["ai", "x/y"]),
        "merge_method": st.sampled_from(WORDS["merge_method"]),
        **LIMITED,
        **ORDERED,
        **dict.fromkeys(("max_cost", "wall_seconds"), numbers),
        **dict.fromkeys(PEOPLE_KEYS, people),
    },
)
policies = st.builds(
    Policy,
    agents=st.lists(st.sampled_from(["script", "claude"]), unique=True).map(tuple),
    limits=st.builds(RunLimits, cost=dollars | st.none(), wall_seconds=numbers.map(float)),
    **LIMITED,
    **ORDERED,
    **dict.fromkeys(PEOPLE_KEYS, people),
)


@examine
@given(policies, configs)
def test_i11_a_repository_can_only_tighten(policy: Policy, values: dict[str, object]) -> None:
    resolved = resolve(policy, RepoFile(config=RepoConfig.model_validate(values)))
    after = resolved.policy
    assert all(getattr(after, key) <= getattr(policy, key) for key in LIMITED)
    assert after.limits.wall_seconds <= policy.limits.wall_seconds
    assert policy.limits.cost is None or (after.limits.cost or 0) <= policy.limits.cost
    assert all(WORDS[key].index(getattr(after, key)) >= WORDS[key].index(getattr(policy, key)) for key in ORDERED)
    assert all(are_same(narrow(getattr(policy, key), getattr(after, key)), getattr(after, key)) for key in PEOPLE_KEYS)
    assert sorted(after.agents) == sorted(policy.agents)
    assert resolved.parallel is None or resolved.parallel <= policy.max_parallel
    own = {*RepoConfig.model_fields, "agents", "limits"}
    assert after.model_dump(exclude=own) == policy.model_dump(exclude=own)
    runs = {"cost", "wall_seconds"}
    assert after.limits.model_dump(exclude=runs) == policy.limits.model_dump(exclude=runs)


@examine
@given(policies, configs)
def test_whatever_does_not_count_is_remarked_on(policy: Policy, values: dict[str, object]) -> None:
    resolved = resolve(policy, RepoFile(config=RepoConfig.model_validate(values)))
    for key, asked in values.items():
        setting = resolved.settings[key]
        assert bool(setting.note) == (setting.value != asked), setting
        assert (setting.note in resolved.remarks) == bool(setting.note)


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

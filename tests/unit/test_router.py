"""The operator's router: what its rules match, and what is said of settings that cannot be right."""

import pytest

from app.domain.complexity import Complexity
from app.domain.router import (
    LONGEST_MATCHED,
    Classifier,
    Mode,
    RouterPolicy,
    Rule,
    describe_router,
    matches,
    misfits,
    read_router,
)

AGENTS = ("script", "claude")
ASKED = "is asked about each new task; without an answer the agents work in turn"
LLM = Classifier(wire="openai-chat", model="m", key="KEY")


def wrong(given: object) -> str:
    """Return what is said of settings."""
    with pytest.raises(ValueError, match=r"\w") as caught:
        read_router(given)
    return str(caught.value)


@pytest.mark.parametrize(
    ("rule", "applies"),
    [
        (Rule(title="^Fix", agent="a"), True),
        (Rule(title="fix", agent="a"), False),
        (Rule(title="(?i)fix the", label="^bug$", agent="a"), True),
        (Rule(title="Fix", label="^docs$", agent="a"), False),
        (Rule(path=r"\.md$", agent="a"), True),
        (Rule(path=r"\.rs$", agent="a"), False),
        (Rule(agent="a"), True),
    ],
)
def test_a_rule_applies_if_all_that_it_asks_for_is_found(rule: Rule, applies: bool) -> None:
    assert rule.applies("Fix the parser", ["bug"], ["src/a.py", "README.md"]) is applies


def test_an_expression_that_hangs_elsewhere_is_done_at_once() -> None:
    assert not matches("^(a+)+$", ["a" * 250 + "!"])


def test_what_is_too_long_is_matched_as_far_as_it_is_looked_at() -> None:
    assert not matches("end$", ["x" * LONGEST_MATCHED + "end"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("best", "mode: Input should be 'fixed', 'round_robin', 'rules' or 'llm'"),
        ({"rules": [{"title": "(", "agent": "a"}]}, "rule 1, title: is no regular expression that can be used here: "),
        ({"rules": [{"agent": "a"}, {"path": r"(.)\1", "role": "r"}]}, "rule 2, path: is no regular expression that"),
        ({"rules": [{"title": "x"}]}, "rule 1: chooses nothing: give it `agent`, `model`, `complexity` or `role`"),
        ({"rules": {"a": {}}}, "rules: Input should be"),
        ([1], "Input should be a valid dictionary"),
        (
            {"llm": {"wire": "x", "model": "m", "key": "sk-1"}},
            "llm, wire: Input should be 'anthropic' or 'openai-chat'",
        ),
    ],
)
def test_what_cannot_be_right_is_named_with_its_place(given: object, said: str) -> None:
    assert wrong(given).startswith(said)


def test_settings_can_be_a_mode_a_mapping_or_nothing() -> None:
    made = RouterPolicy(mode=Mode.ROUND_ROBIN)
    assert [read_router(given) for given in ("round_robin", {"mode": "round_robin"}, made, None)] == [
        *[made] * 3,
        RouterPolicy(),
    ]


@pytest.mark.parametrize(
    ("router", "said"),
    [
        (RouterPolicy(rules=(Rule(agent="codex"),)), ["rule 1, agent: `codex` is none of the agents that may run"]),
        (RouterPolicy(rules=(Rule(role="r"),)), ["rule 1, role: `r` is none of `roles` (there are none)"]),
        (RouterPolicy(rules=(Rule(role="r", agent="claude"),), roles={"r": "Be."}), []),
        (RouterPolicy(model_map={"claude/simple": "a", "claude": "b", "complex": "c"}), []),
        (RouterPolicy(model_map={"claude/hard": "a"}), ["model_map, claude/hard: must be `AGENT/COMPLEXITY`, `AGENT`"]),
        (RouterPolicy(about={"claude": "Good.", "x": "Bad."}), ["about, x: is none of the agents that may run"]),
        (RouterPolicy(mode=Mode.RULES), ["mode `rules` needs `rules`"]),
        (RouterPolicy(mode=Mode.LLM), ["mode `llm` needs `llm` with `wire`, `model` and `key`"]),
        (RouterPolicy(mode=Mode.LLM, llm=LLM), []),
    ],
)
def test_what_names_nobody_is_told(router: RouterPolicy, said: list[str]) -> None:
    found = list(misfits(router, AGENTS))
    assert len(found) == len(said)
    assert all(one.startswith(expected) for one, expected in zip(found, said, strict=True))


def test_a_model_is_looked_up_by_what_says_most() -> None:
    router = RouterPolicy(model_map={"a/simple": "1", "a": "2", "simple": "3"})
    asked = [("a", Complexity.SIMPLE), ("a", None), ("b", Complexity.SIMPLE), ("b", None)]
    assert [router.model_of(*one) for one in asked] == ["1", "2", "3", None]


@pytest.mark.parametrize(
    ("router", "said"),
    [
        (RouterPolicy(), "the first agent works"),
        (RouterPolicy(mode=Mode.ROUND_ROBIN), "the agents work in turn"),
        (
            RouterPolicy(mode=Mode.RULES, rules=(Rule(agent="a"),), model_map={"a": "m"}, roles={"r": "Be."}),
            "the first of 1 rules that matches chooses, else the first agent works; 1 models by agent or complexity;"
            " roles: r",
        ),
        (
            RouterPolicy(mode=Mode.LLM, llm=LLM),
            f"m {ASKED}",
        ),
        (
            RouterPolicy(mode=Mode.LLM),
            f"no model {ASKED}",
        ),
    ],
)
def test_operators_are_told_what_a_router_does(router: RouterPolicy, said: str) -> None:
    assert describe_router(router) == f"where no command, label or .orch.yml names an agent, {said}"
    assert str(router) == router.mode.value

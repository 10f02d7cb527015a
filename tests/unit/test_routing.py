"""Which agent works on a task: commands over labels over the repository over the operator's router."""

from datetime import timedelta
from typing import Any

import pytest

from app.domain.admission import Board
from app.domain.advice import Advice
from app.domain.choice import Choice
from app.domain.complexity import Complexity
from app.domain.config import RepoFile, Resolved, resolve
from app.domain.config_keys import RepoConfig
from app.domain.policy import Policy
from app.domain.pool import Pool, pool_of
from app.domain.router import Mode, RouterPolicy, Rule
from app.domain.routing import Facts, Route, describe_time, describe_wait, model_for, needs_advice, route
from tests.unit.build import NOW

AGENTS = ("script", "claude", "codex")
LATER = NOW + timedelta(hours=1)
DEFAULT = "as the operator's default"
TURN = RouterPolicy(mode=Mode.ROUND_ROBIN)
NO_POOL = Pool()
LLM = RouterPolicy(mode=Mode.LLM)


def layers(router: RouterPolicy | None = None, **asked: object) -> Resolved:
    policy = Policy(agents=AGENTS, router=router or RouterPolicy(roles={"tester": "Write tests."}))
    return resolve(policy, RepoFile(config=RepoConfig.model_validate(asked)))


def chosen(
    resolved: Resolved, *labels: str, pool: Pool | None = None, advice: Advice | None = None, **facts: Any
) -> Route:
    """Route a task with these labels."""
    known = Facts(**{"title": "Fix the parser", "labels": frozenset(labels), **facts})
    return route(resolved, known, NOW, pool or Pool(), advice)


def test_where_nobody_says_anything_the_first_agent_works() -> None:
    assert chosen(layers()) == Route(agent="script", why=DEFAULT)


def test_labels_say_complexity_role_and_priority_whatever_their_case() -> None:
    made = chosen(layers(), "Complexity:Simple", "role: tester", "priority:HIGH", "agent:codex")
    assert made == Route(
        agent="codex",
        complexity=Complexity.SIMPLE,
        role="tester",
        priority="high",
        why="by the label `agent:codex`",
        named=True,
    )


@pytest.mark.parametrize(
    ("labels", "remark"),
    [
        (["complexity:simpel"], "The label `complexity:simpel` does not count: did you mean `complexity:simple`?"),
        (["priority:x"], "The label `priority:x` does not count: there are `priority:high`, `priority:normal`,"),
        (["priority:low", "priority:high"], "The labels `priority:high` and `priority:low` contradict each other"),
    ],
)
def test_a_label_that_does_not_count_is_remarked_on(labels: list[str], remark: str) -> None:
    made = chosen(layers(), *labels)
    assert (made.complexity, made.priority) == (None, "normal")
    assert made.remarks[0].startswith(remark)


def test_a_role_where_none_is_set_up_is_remarked_on() -> None:
    [remark] = chosen(layers(RouterPolicy()), "role:tester").remarks
    assert remark == "The label `role:tester` does not count: the operator has set up no roles."


def test_agents_take_turns_by_how_often_they_were_asked() -> None:
    pool = Pool(asked={"script": 3, "claude": 2, "codex": 3})
    assert chosen(layers(TURN), pool=pool) == Route(agent="claude", why="in turn")
    assert chosen(layers(TURN)).agent == "script"
    assert chosen(layers(TURN), pool=Pool(asked={"script": 3, "claude": 3})).agent == "script"


@pytest.mark.parametrize(
    ("resolved", "labels", "choice", "expected"),
    [
        (layers(TURN, agent="codex"), [], Choice(), ("codex", "by the repository's `.orch.yml`", False)),
        (layers(TURN, agent="codex"), ["agent:claude"], Choice(), ("claude", "by the label `agent:claude`", True)),
        (layers(TURN), ["agent:claude"], Choice(agent="codex"), ("codex", "by a command", True)),
    ],
)
def test_repository_label_and_command_are_over_the_router(
    resolved: Resolved, labels: list[str], choice: Choice, expected: tuple[str, str, bool]
) -> None:
    made = chosen(resolved, *labels, choice=choice, pool=Pool(asked={"script": 1, "codex": 9, "claude": 9}))
    assert (made.agent, made.why, made.named) == expected


RULES = RouterPolicy(
    mode=Mode.RULES,
    rules=(
        Rule(label="^docs$", agent="claude", model="small", role="writer"),
        Rule(path="^db/", agent="codex", complexity=Complexity.COMPLEX),
        Rule(title="typo", complexity=Complexity.SIMPLE, model="tiny"),
    ),
    roles={"writer": "Write."},
    model_map={"codex/complex": "large"},
)


@pytest.mark.parametrize(
    ("labels", "facts", "expected"),
    [
        (["docs"], {}, Route(agent="claude", model="small", role="writer", why="by the operator's rule 1")),
        (
            [],
            {"paths": ("db/schema.sql",)},
            Route(agent="codex", model="large", complexity=Complexity.COMPLEX, why="by the operator's rule 2"),
        ),
        ([], {"title": "A typo"}, Route(agent="script", model="tiny", complexity=Complexity.SIMPLE, why=DEFAULT)),
        ([], {}, Route(agent="script", why=DEFAULT)),
    ],
)
def test_the_first_rule_that_matches_counts(labels: list[str], facts: dict[str, Any], expected: Route) -> None:
    assert chosen(layers(RULES), *labels, **facts) == expected


def test_a_rules_model_is_not_used_with_another_agent() -> None:
    made = chosen(layers(RULES), "docs", "agent:codex", "complexity:complex")
    assert (made.agent, made.model, made.role) == ("codex", "large", "writer")


def test_what_a_plan_says_is_over_the_router_and_under_labels() -> None:
    planned: dict[str, Any] = {"complexity": Complexity.MEDIUM, "role": "planner"}
    made = chosen(layers(RULES), "docs", **planned)
    assert (made.complexity, made.role) == (Complexity.MEDIUM, "planner")
    assert chosen(layers(RULES), "docs", "complexity:simple", **planned).complexity is Complexity.SIMPLE


@pytest.mark.parametrize(
    ("advice", "expected"),
    [
        (
            Advice(agent="codex", complexity=Complexity.COMPLEX, role="r"),
            Route(
                agent="codex",
                complexity=Complexity.COMPLEX,
                role="r",
                why="by the model that the operator has asked",
            ),
        ),
        (Advice(complexity=Complexity.SIMPLE), Route(agent="script", complexity=Complexity.SIMPLE, why="in turn")),
        (Advice(failed="no answer"), Route(agent="script", why="in turn (no answer)")),
        (None, Route(agent="script", why="in turn (a model is asked about new tasks only)")),
    ],
)
def test_advice_counts_and_without_it_agents_take_turns(advice: Advice | None, expected: Route) -> None:
    assert chosen(layers(LLM), advice=advice, pool=Pool(asked={"script": 1})) == expected


@pytest.mark.parametrize(
    ("resolved", "labels", "asks"),
    [
        (layers(), [], False),
        (layers(LLM), [], True),
        (layers(LLM), ["complexity:simple"], True),
        (layers(LLM), ["agent:codex"], True),
        (layers(LLM), ["agent:codex", "complexity:simple"], False),
        (layers(LLM, agent="codex"), ["complexity:simple"], False),
    ],
)
def test_a_model_is_asked_only_where_something_is_open(resolved: Resolved, labels: list[str], asks: bool) -> None:
    assert needs_advice(resolved, Facts(title="T", labels=frozenset(labels))) is asks


def test_a_parked_agent_is_passed_over() -> None:
    made = chosen(layers(), pool=Pool(parked={"script": LATER}))
    assert made == Route(agent="claude", why="because `script` is parked until 13:00 UTC")
    assert chosen(layers(), pool=Pool(parked={"script": NOW})).agent == "script"


def test_where_all_are_parked_the_first_that_is_back_is_chosen() -> None:
    pool = Pool(parked={"script": LATER, "claude": NOW + timedelta(minutes=5), "codex": LATER})
    assert chosen(layers(), pool=pool).agent == "claude"


def test_an_agent_that_a_person_named_is_not_passed_over() -> None:
    made = chosen(layers(), "agent:script", pool=Pool(parked={"script": LATER}))
    assert (made.agent, made.named) == ("script", True)


def test_people_are_told_what_a_task_waits_for() -> None:
    pool = Pool(parked={"script": LATER})
    assert describe_wait("claude", pool, NOW) is None
    assert describe_wait("script", pool, NOW) == (
        "its provider takes no more calls until 13:00 UTC, so the task waits until then"
    )
    assert describe_time(NOW + timedelta(days=1), NOW) == "2025-03-02 12:00 UTC"


def test_who_takes_a_place_has_its_own_model() -> None:
    resolved = layers(RouterPolicy(model_map={"claude": "mapped"}), model="m")
    assert [model_for(resolved, agent, None) for agent in AGENTS] == ["m", "mapped", None]


def test_a_pool_is_read_off_the_board() -> None:
    board = Board(parked={"script": NOW.timestamp()}, asked={"claude": 2})
    assert pool_of(board) == Pool(parked={"script": NOW}, asked={"claude": 2})


def test_a_longer_pause_counts() -> None:
    pool = Pool(parked={"script": LATER})
    assert pool.park("script", NOW) == pool
    assert pool.park("claude", NOW).parked == {"script": LATER, "claude": NOW}

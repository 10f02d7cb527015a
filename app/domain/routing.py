"""Which agent works on a task, and with which model.

A command counts most, then a label, then the repository's file; where none of them names an agent, the operator's
router chooses one. An agent whose provider takes no more calls is passed over, unless a person named it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import TypeVar

from app.domain.advice import Advice
from app.domain.base import Value
from app.domain.choice import Choice
from app.domain.complexity import Complexity
from app.domain.config import Origin, Resolved, Setting
from app.domain.jobs import PRIORITIES, Priority
from app.domain.labels import COMPLEXITY_PREFIX, PRIORITY_PREFIX, ROLE_PREFIX
from app.domain.layers import describe_chooser, for_task, with_agent
from app.domain.pool import Pool
from app.domain.router import Mode, RouterPolicy, Rule
from app.domain.text import one_line

NAMED = (Origin.LABELS, Origin.COMMAND)
NOT_KNOWN = Pool()
NOBODY = Choice()
IN_TURN = "in turn"
T = TypeVar("T")


class Route(Value):
    """Who works on a task and how; `why` ends the sentence "Agent X was chosen ...".

    `named` says that a label or a command names the agent, so that no other one takes its place.
    """

    agent: str
    model: str | None = None
    complexity: Complexity | None = None
    role: str | None = None
    priority: Priority = "normal"
    why: str
    named: bool = False
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a task is routed by; `complexity` and `role` are those that a plan gave it, `priority` its text's."""

    title: str
    labels: frozenset[str] = frozenset()
    paths: tuple[str, ...] = ()
    choice: Choice = NOBODY
    complexity: Complexity | None = None
    role: str | None = None
    priority: Priority | None = None


@dataclass(frozen=True, slots=True)
class _Suggestion:
    """What the router says, and how that is told."""

    why: str = ""
    agent: str | None = None
    model: str | None = None
    complexity: Complexity | None = None
    role: str | None = None


@dataclass(frozen=True, slots=True)
class _Words:
    """What the labels say besides the agent, and remarks on those that do not count."""

    complexity: Complexity | None
    role: str | None
    priority: Priority | None
    remarks: tuple[str, ...]


def route(
    resolved: Resolved, facts: Facts, now: datetime, pool: Pool = NOT_KNOWN, advice: Advice | None = None
) -> Route:
    """Choose agent, model, complexity, role and priority; never an agent that the operator does not allow."""
    router, words = resolved.policy.router, _read(facts.labels, resolved.policy.router)
    agents = resolved.policy.agents
    free = pool.free(agents, now) or (pool.first_back(agents),)
    said = _suggest(router, facts, free, pool, advice)
    laid = for_task(resolved, facts.labels, facts.choice, said.agent)
    first, passed = str(laid.settings["agent"].value), ""
    named = laid.settings["agent"].origin in NAMED
    if not named and first not in free:
        laid = with_agent(laid, Setting(free[0], Origin.ROUTER))
        passed = f"because `{first}` is parked until {describe_time(pool.parked[first], now)}"
    complexity = words.complexity or facts.complexity or said.complexity
    agent, origin = str(laid.settings["agent"].value), laid.settings["agent"].origin
    return Route(
        agent=agent,
        model=_model(laid, said, router.model_of(agent, complexity)),
        complexity=complexity,
        role=words.role or facts.role or said.role,
        priority=words.priority or facts.priority or "normal",
        why=passed or (said.why if origin is Origin.ROUTER else describe_chooser(laid)),
        named=named,
        remarks=(*laid.remarks, *words.remarks),
    )


def needs_advice(resolved: Resolved, facts: Facts) -> bool:
    """Say whether a model is to be asked: the router's mode is `llm`, and agent or complexity is left open."""
    if resolved.policy.router.mode is not Mode.LLM:
        return False
    words, laid = _read(facts.labels, resolved.policy.router), for_task(resolved, facts.labels, facts.choice)
    is_open = laid.settings["agent"].origin not in (*NAMED, Origin.REPOSITORY)
    return is_open or not (words.complexity or facts.complexity)


def model_for(resolved: Resolved, agent: str, complexity: Complexity | None) -> str | None:
    """Return the model with which an agent takes the place of another one."""
    own = resolved.policy.model if agent == resolved.policy.agents[0] else None
    return own or resolved.policy.router.model_of(agent, complexity)


def describe_wait(agent: str, pool: Pool, now: datetime) -> str | None:
    """Say until when an agent is parked, None if it is not."""
    if pool.is_free(agent, now):
        return None
    until = describe_time(pool.parked[agent], now)
    return f"its provider takes no more calls until {until}, so the task waits until then"


def _model(laid: Resolved, said: _Suggestion, mapped: str | None) -> str | None:
    """Return a command's or the repository's model, else that of the rule, else the operator's map's."""
    agent = laid.settings["agent"].value
    of_rule = said.model if said.agent in (None, agent) else None
    return laid.policy.model or of_rule or mapped


def _suggest(router: RouterPolicy, facts: Facts, free: Sequence[str], pool: Pool, advice: Advice | None) -> _Suggestion:
    match router.mode:
        case Mode.FIXED:
            return _Suggestion()
        case Mode.ROUND_ROBIN:
            return _Suggestion(IN_TURN, pool.next_in_turn(free))
        case Mode.RULES:
            return _by_rules(router.rules, facts)
        case _:
            return _by_advice(advice, free, pool)


def _by_rules(rules: Sequence[Rule], facts: Facts) -> _Suggestion:
    labels = sorted(facts.labels)
    for number, rule in enumerate(rules, 1):
        if rule.applies(facts.title, labels, facts.paths):
            why = f"by the operator's rule {number}"
            return _Suggestion(why, rule.agent, rule.model, rule.complexity, rule.role)
    return _Suggestion()


def _by_advice(advice: Advice | None, free: Sequence[str], pool: Pool) -> _Suggestion:
    """Follow a model as far as it says something; an agent that it leaves open is the next in turn."""
    if advice is None or advice.failed:
        failed = advice.failed if advice and advice.failed else "a model is asked about new tasks only"
        return _Suggestion(f"{IN_TURN} ({one_line(failed, 200)})", pool.next_in_turn(free))
    why = "by the model that the operator has asked" if advice.agent else IN_TURN
    agent = advice.agent or pool.next_in_turn(free)
    return _Suggestion(why, agent, None, advice.complexity, advice.role)


def _read(labels: frozenset[str], router: RouterPolicy) -> _Words:
    """Read what labels say of complexity, role and priority; names count whatever their case."""
    remarks = list[str]()
    complexity = _pick(labels, COMPLEXITY_PREFIX, {one.value: one for one in Complexity}, remarks)
    role = _pick(labels, ROLE_PREFIX, {name: name for name in router.roles}, remarks)
    priority = _pick(labels, PRIORITY_PREFIX, {one: one for one in PRIORITIES}, remarks)
    return _Words(complexity, role, priority, tuple(remarks))


def _pick(labels: frozenset[str], prefix: str, known: Mapping[str, T], remarks: list[str]) -> T | None:
    """Return what the one label with the prefix names; several, and unknown ones, do not count."""
    given = sorted(label for label in labels if label.lower().startswith(prefix))
    shown = " and ".join(f"`{one_line(label, 50)}`" for label in given)
    if len(given) > 1:
        remarks.append(f"The labels {shown} contradict each other and do not count: leave one of them on.")
    elif given and (name := given[0][len(prefix) :].strip().lower()) in known:
        return known[name]
    elif given:
        remarks.append(f"The label {shown} does not count: {_instead(name, prefix, tuple(known))}")
    return None


def _instead(name: str, prefix: str, known: Sequence[str]) -> str:
    if not known:
        return "the operator has set up no roles."
    close = get_close_matches(name, known, 1)
    return (
        f"did you mean `{prefix}{close[0]}`?"
        if close
        else f"there are {', '.join(f'`{prefix}{one}`' for one in known)}."
    )


def describe_time(until: datetime, now: datetime) -> str:
    """Write a time of today by its hour, and any other with its date."""
    return f"{until:%H:%M} UTC" if until.date() == now.date() else f"{until:%Y-%m-%d %H:%M} UTC"

"""The upper layers: what a label on the issue, and above it a command, chooses for one task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from app.domain.choice import Choice
from app.domain.config import FILE, Origin, Resolved, Setting, apply_settings
from app.domain.text import one_line

AGENT_PREFIX = "agent:"
BY_COMMAND = "by a command"


@dataclass(frozen=True, slots=True)
class _Layer:
    """The agent that a layer chooses, if it chooses one, or why what it says does not count."""

    agent: str | None = None
    refused: str | None = None


def for_task(resolved: Resolved, labels: frozenset[str], chosen: Choice, routed: str | None = None) -> Resolved:
    """Lay the issue's `agent:NAME` label, and over it what commands chose, on the repository's layers.

    Where the repository names no agent, that which the router chose lies under these.

    Only agents that the operator allows count; remarks say what does not. A model that was chosen for one agent is not
    used with another.
    """
    agents = resolved.policy.agents
    command = _commanded(chosen.agent, agents)
    label = _labelled(labels, agents) if command.agent is None else _Layer()
    settings = dict(resolved.settings)
    if routed is not None and settings["agent"].origin is not Origin.REPOSITORY:
        settings |= _with_agent(settings, Setting(routed, Origin.ROUTER))
    for layer, origin in ((label, Origin.LABELS), (command, Origin.COMMAND)):
        if layer.agent is not None:
            settings |= _with_agent(settings, Setting(layer.agent, origin))
    if chosen.model is not None and command.refused is None:
        settings["model"] = Setting(chosen.model, Origin.COMMAND)
    refused = (f"{layer.refused} `{settings['agent'].value}` is used." for layer in (label, command) if layer.refused)
    return replace(
        resolved,
        policy=apply_settings(resolved.policy, settings),
        settings=settings,
        remarks=(*resolved.remarks, *refused),
    )


def with_agent(resolved: Resolved, agent: Setting) -> Resolved:
    """Return the same with another agent."""
    settings = {**resolved.settings, **_with_agent(resolved.settings, agent)}
    return replace(resolved, policy=apply_settings(resolved.policy, settings), settings=settings)


def describe_chooser(resolved: Resolved | None) -> str:
    """Say for people by what the agent was chosen."""
    agent = resolved.settings["agent"] if resolved else Setting("", Origin.DEFAULT)
    match agent.origin:
        case Origin.COMMAND:
            return BY_COMMAND
        case Origin.LABELS:
            return f"by the label `{AGENT_PREFIX}{agent.value}`"
        case Origin.REPOSITORY:
            return f"by the repository's `{FILE}`"
    return "as the operator's default"


def _commanded(name: str | None, agents: Sequence[str]) -> _Layer:
    if name is None or name in agents:
        return _Layer(agent=name)
    return _Layer(refused=f"A command chose the agent `{one_line(name, 50)}`, which {_unknown(name, agents)}")


def _labelled(labels: frozenset[str], agents: Sequence[str]) -> _Layer:
    """Read the label; names count as GitHub compares labels, whatever their case."""
    named = sorted(label for label in labels if label.lower().startswith(AGENT_PREFIX))
    if not named:
        return _Layer()
    if len(named) > 1:
        shown = " and ".join(f"`{one_line(label, 50)}`" for label in named)
        return _Layer(refused=f"The labels {shown} contradict each other and do not count: leave one of them on.")
    name = named[0][len(AGENT_PREFIX) :].strip().lower()
    known = {agent.lower(): agent for agent in agents}
    if name in known:
        return _Layer(agent=known[name])
    unknown = _unknown(name, agents, AGENT_PREFIX)
    return _Layer(refused=f"The label `{one_line(named[0], 50)}` names an agent that {unknown}")


def _unknown(name: str, agents: Sequence[str], prefix: str = "") -> str:
    close = get_close_matches(name, agents, 1)
    allowed = ", ".join(f"`{prefix}{agent}`" for agent in agents)
    return f"the operator does not allow; {f'did you mean `{prefix}{close[0]}`?' if close else f'allowed: {allowed}.'}"


def _with_agent(settings: Mapping[str, Setting], agent: Setting) -> dict[str, Setting]:
    """Choose an agent; the model that was chosen for another one is left behind, and that is noted."""
    before, model = settings["agent"], settings["model"]
    if model.value is None or agent.value == before.value:
        return {"agent": agent}
    note = f"The model `{model.value}` was chosen for the agent `{before.value}`, and `{agent.value}` works."
    return {"agent": agent, "model": Setting(None, agent.origin, note)}

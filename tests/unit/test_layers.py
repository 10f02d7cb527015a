"""Labels and commands over the repository's layers: which agent and which model work on a task."""

import pytest

from app.domain.choice import Choice
from app.domain.config import Origin, RepoFile, Resolved, Setting, resolve
from app.domain.config_keys import RepoConfig
from app.domain.layers import describe_chooser, for_task
from app.domain.policy import Policy

AGENTS = ("script", "claude", "Mine")
NOBODY = Choice()


def below(**asked: object) -> Resolved:
    file = RepoFile(config=RepoConfig.model_validate(asked))
    return resolve(Policy(agents=AGENTS, stated=frozenset({"agents"})), file)


def laid(resolved: Resolved, *labels: str, chosen: Choice = NOBODY) -> Resolved:
    return for_task(resolved, frozenset(labels), chosen)


def agent_of(resolved: Resolved) -> tuple[str, Origin]:
    """Return the agent that works, after seeing that policy and settings agree on it."""
    setting = resolved.settings["agent"]
    assert setting.value == resolved.policy.agents[0]
    assert resolved.settings["model"].value == resolved.policy.model
    return str(setting.value), setting.origin


def test_without_label_or_command_nothing_changes() -> None:
    resolved = below(agent="claude", model="m")
    assert laid(resolved, "orch", "bug") == resolved


@pytest.mark.parametrize("label", ["agent:claude", "Agent:CLAUDE", "agent: claude"])
def test_a_label_is_over_the_repository(label: str) -> None:
    resolved = laid(below(agent="script"), label)
    assert (agent_of(resolved), resolved.remarks) == (("claude", Origin.LABELS), ())
    assert resolved.policy.agents == ("claude", "script", "Mine")


def test_a_label_finds_an_agent_with_capitals() -> None:
    assert agent_of(laid(below(), "agent:mine")) == ("Mine", Origin.LABELS)


def test_a_command_is_over_a_label_whatever_that_says() -> None:
    resolved = laid(below(), "agent:Mine", "agent:claud", chosen=Choice(agent="claude"))
    assert (agent_of(resolved), resolved.remarks) == (("claude", Origin.COMMAND), ())


@pytest.mark.parametrize(
    ("labels", "remark"),
    [
        (
            ["agent:claud"],
            "The label `agent:claud` names an agent that the operator does not allow; did you mean `agent:claude`? "
            "`script` is used.",
        ),
        (
            ["agent:x"],
            "The label `agent:x` names an agent that the operator does not allow; allowed: `agent:script`, "
            "`agent:claude`, `agent:Mine`. `script` is used.",
        ),
        (
            ["agent:mine", "agent:claude"],
            "The labels `agent:claude` and `agent:mine` contradict each other and do not count: leave one of them on. "
            "`script` is used.",
        ),
    ],
)
def test_i11_a_label_that_does_not_count_is_remarked_on(labels: list[str], remark: str) -> None:
    resolved = laid(below(), *labels)
    assert (agent_of(resolved), resolved.remarks) == (("script", Origin.ENVIRONMENT), (remark,))


def test_i11_a_command_cannot_choose_an_agent_that_the_operator_took_away() -> None:
    resolved = laid(below(), "agent:claude", chosen=Choice(agent="codex", model="gpt-5"))
    [remark] = resolved.remarks
    assert agent_of(resolved) == ("claude", Origin.LABELS)
    assert remark.startswith("A command chose the agent `codex`, which the operator does not allow; allowed: `script`,")
    assert remark.endswith(" `claude` is used.")
    assert resolved.policy.model is None


def test_remarks_on_the_repository_stay() -> None:
    resolved = below(max_attempts=9)
    assert laid(resolved, "agent:x").remarks[0] == resolved.remarks[0]
    assert len(laid(resolved, "agent:x").remarks) == 2


def test_a_model_is_not_used_with_another_agent_than_it_was_chosen_for() -> None:
    resolved = laid(below(model="m"), "agent:claude")
    assert agent_of(resolved) == ("claude", Origin.LABELS)
    note = "The model `m` was chosen for the agent `script`, and `claude` works."
    assert resolved.settings["model"] == Setting(None, Origin.LABELS, note)


@pytest.mark.parametrize("chosen", [NOBODY, Choice(agent="claude")])
def test_a_model_stays_with_its_agent(chosen: Choice) -> None:
    assert laid(below(agent="claude", model="m"), "agent:claude", chosen=chosen).policy.model == "m"


@pytest.mark.parametrize("chosen", [Choice(model="n"), Choice(agent="claude", model="n")])
def test_a_commands_model_is_over_all(chosen: Choice) -> None:
    resolved = laid(below(agent="claude", model="m"), chosen=chosen)
    assert resolved.settings["model"] == Setting("n", Origin.COMMAND)
    assert resolved.policy.model == "n"


@pytest.mark.parametrize(
    ("resolved", "chooser"),
    [
        (None, "as the operator's default"),
        (below(), "as the operator's default"),
        (below(agent="claude"), "by the repository's `.orch.yml`"),
        (laid(below(), "agent:claude"), "by the label `agent:claude`"),
        (laid(below(), chosen=Choice(agent="claude")), "by a command"),
    ],
)
def test_people_are_told_by_what_the_agent_was_chosen(resolved: Resolved | None, chooser: str) -> None:
    assert describe_chooser(resolved) == chooser

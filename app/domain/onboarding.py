"""What a repository is shown where Orch is new: a file that changes nothing, and what would happen."""

import json
import re
import textwrap
from collections.abc import Iterator
from decimal import Decimal

from app.domain.config import FILE, NOT_ISOLATED, RepoFile, Scalar, resolve
from app.domain.config_keys import RepoConfig
from app.domain.facts import Identity
from app.domain.people import name_people
from app.domain.permissions import NEEDED
from app.domain.policy import Policy
from app.domain.text import neutralise, one_line

TITLE = f"Show what can be configured in `{FILE}`"
MESSAGE = f"Add {FILE}, in which all is commented out"
HEAD = (
    "What Orch goes by in this repository. As long as every line begins with `#`, this file changes nothing: the values"
    " below are those that were in force when it was written. Take the `#` off a line to set it for this repository."
    " What the operator of Orch limits can be tightened here, and never loosened.",
)
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_/-]*")
_WORDS_OF_YAML = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
_WIDTH = 110


def onboarding_branch(policy: Policy) -> str:
    """Name the branch of the pull request; it is no task's, as it has no number."""
    return f"{policy.branch_prefix}/onboarding"


def render_file(policy: Policy) -> str:
    """Return a `.orch.yml` of comments only, with every key as it is in force."""
    parts = ["\n".join(_comment(text) for text in HEAD)]
    settings = resolve(policy, RepoFile()).settings
    for key, field in RepoConfig.model_fields.items():
        parts.append(f"{_comment(field.description or '')}\n{_line(key, settings[key].value)}")
    return "\n\n".join(parts) + "\n"


def _comment(text: str) -> str:
    return textwrap.fill(text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)


def _line(key: str, value: Scalar) -> str:
    return f"#{key}: {_yaml(value)}" if value not in (None, "") else f"#{key}:    # nothing is set"


def _yaml(value: Scalar) -> str:
    """Write a value so that YAML reads the same one."""
    match value:
        case Decimal():
            return format(value, "f")
        case float() if value.is_integer():
            return str(int(value))
        case tuple():
            return json.dumps(value)
        case str() if _PLAIN.fullmatch(value) and value.lower() not in _WORDS_OF_YAML:
            return value
        case str():
            quoted = json.dumps(value, ensure_ascii=False)
            return "".join(char if char.isprintable() else f"\\U{ord(char):08x}" for char in quoted)
        case _:
            return str(value)


def render_body(policy: Policy, identity: Identity) -> str:
    """Return the text of the pull request: what would start work, who may, with which limits, and what cannot be."""
    return "\n\n".join(
        [
            f"{identity.bot_login} was installed on this repository. This pull request adds a `{FILE}` in which every"
            " line is a comment. **Nothing waits for it**: merge it to have the file at hand, or close it. Orch works"
            " the same either way, and opens no second one.",
            "## What would happen",
            "\n".join(f"{number}. {step}" for number, step in enumerate(_steps(policy), 1)),
            "## Who may do what",
            "\n".join(f"* {line}" for line in _people(policy)),
            "## Limits",
            "\n".join(["| limit | value |", "| --- | --- |", *_limits(policy)]),
            "## What Orch can do here, and what it cannot",
            "\n".join(f"* *{one.title}* ({one.words}): {one.why}" for one in NEEDED),
            "It has no permission for *Workflows*, *Administration* or *Secrets*: it cannot change what CI does, this"
            " repository's settings, or read its secrets. Agents hold no GitHub credential and push nothing themselves."
            + ("" if policy.isolated else f"\n\n**{NOT_ISOLATED}**"),
        ]
    )


def _steps(policy: Policy) -> Iterator[str]:
    agent = f"The agent `{one_line(policy.agents[0])}`" if policy.agents else "An agent"
    yield (
        f"Somebody with write access puts the label `{one_line(policy.trigger)}` on an issue. Its title and text at"
        " that moment are the task; what others write into it later is not followed."
    )
    yield f"{agent} works on it in a copy of this repository, and a comment on the issue says where that stands."
    yield (
        f"What it changed becomes a pull request, from a branch `{policy.branch_prefix}/NUMBER-TITLE`. It is reviewed"
        " like any other, and merged only if a person decides so."
    )
    yield "When it is merged, Orch closes the issue and deletes the branch."


def _people(policy: Policy) -> Iterator[str]:
    quoted = "are shown to agents as quotations, not as instructions"
    yield "People with write access start and steer work; taking the label off stops it."
    yield f"Comments by anybody else {quoted if policy.outsiders == 'quote' else 'are not shown to agents'}."
    approvers = neutralise(name_people(policy.budget_approvers))  # named, and not called to look
    yield f"Spending beyond a limit may be approved by {approvers}, with `/approve`."
    yield "The command `/orch`, in a comment on an issue, says which commands there are and who may use them."


def _limits(policy: Policy) -> Iterator[str]:
    limits = policy.limits
    rows = {
        "time of one run": f"{limits.wall_seconds / 60:g} minutes",
        "cost of one run": _dollars(limits.cost),
        f"cost of one task in {policy.task_window_days:g} days": _dollars(policy.max_task_cost),
        "cost of this repository in a day": _dollars(policy.max_day_cost),
        "attempts at a task": str(policy.max_attempts),
        "rounds of rework after reviews and failed checks": str(policy.max_rounds),
        "runs at the same time, of all repositories": str(policy.max_parallel),
        "rules on what agents may do": f"`{policy.profile}`",
    }
    return (f"| {name} | {value} |" for name, value in rows.items())


def _dollars(amount: Decimal | None) -> str:
    return "none" if amount is None else f"${amount:f}, where the agent says what it costs"

"""The file that changes nothing, and the text that says what would happen."""

from decimal import Decimal

import pytest
import yaml

from app.config_yaml import parse_file
from app.domain.config import NOT_ISOLATED, RepoFile, resolve
from app.domain.config_check import follow
from app.domain.config_keys import RepoConfig
from app.domain.onboarding import onboarding_branch, render_body, render_file
from app.domain.permissions import NEEDED
from app.domain.policy import Policy, RunLimits
from tests.unit.build import IDENTITY, POLICY

LONG = Policy(agents=("script",), limits=RunLimits(wall_seconds=7_200_000.0))
ODD = Policy(
    agents=("on", "other"),
    trigger='say "go"\N{LINE SEPARATOR}: now \N{ROCKET}',
    branch_prefix="bots/orch",
    limits=RunLimits(cost=None, wall_seconds=90.5),
    max_task_cost=Decimal("12.50"),
    mergers=("@boss", "admin"),
    model="a-model[1m]",
)


def uncommented(policy: Policy) -> bytes:
    """Take the `#` off every line that sets something."""
    lines = render_file(policy).splitlines()
    return "\n".join(line[1:] for line in lines if line.startswith("#") and not line.startswith("# ")).encode()


@pytest.mark.parametrize("policy", [POLICY, LONG, ODD], ids=["plain", "long", "odd"])
def test_the_file_changes_nothing(policy: Policy) -> None:
    written = follow(RepoFile(), parse_file(render_file(policy).encode()), policy.agents)
    assert (written.config, written.problems) == (RepoConfig(), ())
    assert resolve(policy, written) == resolve(policy, RepoFile())


@pytest.mark.parametrize("policy", [POLICY, LONG, ODD], ids=["plain", "long", "odd"])
def test_its_values_are_those_in_force(policy: Policy) -> None:
    said = yaml.safe_load(uncommented(policy))
    expected = {key: setting.value for key, setting in resolve(policy, RepoFile()).settings.items()}
    assert set(said) == set(RepoConfig.model_fields)
    assert {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()} == expected


def test_the_branch_is_no_tasks() -> None:
    assert onboarding_branch(ODD) == "bots/orch/onboarding"


def test_people_are_told_what_starts_work_who_may_and_what_cannot_happen() -> None:
    text = render_body(POLICY, IDENTITY)
    assert "1. Somebody with write access puts the label `orch` on an issue." in text
    assert "2. The agent `script` works on it" in text
    assert "| cost of one run | $20, where the agent says what it costs |" in text
    assert all(one.why in text for one in NEEDED)
    assert "are shown to agents as quotations" in text
    assert NOT_ISOLATED not in text


def test_nobody_is_called() -> None:
    text = render_body(POLICY.model_copy(update={"budget_approvers": ("@boss",)}), IDENTITY)
    assert ("@boss" in text, "boss" in text) == (False, True)


def test_what_is_looser_or_unknown_is_told_too() -> None:
    text = render_body(Policy(isolated=False, outsiders="omit", limits=RunLimits(cost=None)), IDENTITY)
    assert NOT_ISOLATED in text
    assert "2. An agent works on it" in text
    assert "| cost of one run | none |" in text
    assert "Comments by anybody else are not shown to agents." in text

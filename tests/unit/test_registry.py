"""What is named in more than one place is named alike."""

from typing import get_args

from app.domain.policy import Policy
from app.domain.tools.profiles import PROFILES
from app.settings import KNOWN_AGENTS, AgentOptions, ServeSettings
from runner.agents.registry import ADAPTERS
from runner.leave import needs_gate


def test_settings_know_the_adapters_that_there_are() -> None:
    assert sorted(KNOWN_AGENTS) == sorted(ADAPTERS)


def test_each_adapter_goes_by_its_name() -> None:
    names = {name: make(name, AgentOptions()).traits.name for name, make in ADAPTERS.items()}
    assert names == {name: name for name in ADAPTERS}


def test_settings_know_the_profiles_that_there_are() -> None:
    named = ServeSettings.model_fields["profile"]
    assert set(get_args(named.annotation)) == set(PROFILES)
    assert named.default == Policy().profile


def test_the_runner_knows_which_profiles_need_a_gate() -> None:
    assert {name: needs_gate(name) for name in PROFILES} == {name: each.needs_gate for name, each in PROFILES.items()}

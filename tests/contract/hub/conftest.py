"""One hub for all tests, in a thread of its own, and a fresh repository for each."""

import itertools
from collections.abc import Iterator

import pytest

from infra.hub.settings import HubSettings
from tests.contract.hub.stage import HubThread, Stage

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def hub() -> Iterator[HubThread]:
    with HubThread(HubSettings()) as running:
        yield running


@pytest.fixture
def stage(hub: HubThread) -> Iterator[Stage]:
    """A fresh organisation with one public repository, the App installed, and people of each role."""
    hub.request("PUT", "/_hub/faults", json={})
    yield Stage.build(hub, f"org-{next(numbers)}")
    hub.request("PUT", "/_hub/faults", json={})

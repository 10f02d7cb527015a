"""Fixtures of the end-to-end tests."""

from pathlib import Path

import pytest

from tests.e2e.forked import Zygote
from tests.e2e.harness import Harness


@pytest.fixture
def harness(tmp_path: Path, zygote: Zygote, template: Path) -> Harness:
    return Harness(zygote, tmp_path / "worlds", template)

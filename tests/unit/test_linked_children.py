"""Links between planned sub-issues: each an effect of its own, none of what is not there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from app.domain.effects import LinkChild
from app.domain.graph import Graph, Node
from app.domain.names import Repository
from app.plan_effects import PlanEffects
from app.ports import Artifacts, GitHub
from tests.unit import build

PARENT = build.record(
    graph=Graph(nodes=(Node(number=20, id=200, key="a", title="A"), Node(number=21, key="b", title="B")))
)


@dataclass
class FakeGitHub:
    """Notes the links that are made."""

    links: list[tuple[int, int]] = field(default_factory=list)

    async def add_blocked_by(self, repository: Repository, number: int, blocker_id: int) -> None:
        self.links.append((number, blocker_id))


@pytest.mark.parametrize(
    ("key", "after", "links"),
    [("b", "a", [(21, 200)]), ("b", "taken-out", []), ("taken-out", "a", [])],
)
async def test_one_link_is_made_where_both_ends_are_there(
    key: str, after: str, links: Sequence[tuple[int, int]]
) -> None:
    github = FakeGitHub()
    effects = PlanEffects(cast(GitHub, github), cast(Artifacts, None), build.IDENTITY, build.KEYRING)
    await effects.link_child(LinkChild(key=key, after=after), PARENT)
    assert github.links == links

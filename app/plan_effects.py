"""Effects on sub-issues: created from an approved plan, each once, and linked by what they depend on."""

import hmac
from dataclasses import dataclass
from hashlib import sha256

from app.domain import effects as do
from app.domain.errors import Permanent
from app.domain.facts import Identity, LinkedIssue
from app.domain.graph import Node
from app.domain.markers import Keyring
from app.domain.names import digest_of
from app.domain.plan import Plan, PlannedChild, issue_body, issue_title
from app.domain.record import TaskRecord
from app.ports import Artifacts, GitHub
from app.texts import keep_text, read_text


@dataclass(frozen=True, slots=True)
class PlanEffects:
    """Perform them through GitHub; what an issue is to say is in the plan's artifact."""

    github: GitHub
    artifacts: Artifacts
    identity: Identity
    keyring: Keyring

    async def create_child(self, effect: do.CreateChild, record: TaskRecord, *, looks: bool) -> Node:
        """Create a sub-issue, or find the one that an earlier try made."""
        child = await self._planned(record, effect.key)
        mark = self._mark(record, child.key)
        title, body = issue_title(child), f"{issue_body(child)}\n\n{mark}\n"
        await keep_text(self.artifacts, title, body)
        made = await self._find(record, mark) if looks or effect.looks else None
        if made is None:
            made = await self.github.create_sub_issue(record.task.repository, record.task.number, title, body)
        return Node(number=made.number, id=made.id, key=child.key, title=title, digest=digest_of(title, body))

    async def link_child(self, effect: do.LinkChild, record: TaskRecord) -> None:
        """Let one sub-issue block another; a link that is there already is as good, and one taken out is no more."""
        assert record.graph is not None
        nodes = {node.key: node for node in record.graph.nodes if node.key}
        if effect.key in nodes and effect.after in nodes:
            number, blocker = nodes[effect.key].number, nodes[effect.after].id
            await self.github.add_blocked_by(record.task.repository, number, blocker)

    async def _planned(self, record: TaskRecord, key: str) -> PlannedChild:
        text = await read_text(self.artifacts, record.plan.digest) if record.plan else None
        if text is None:
            raise Permanent("the plan's text was lost; `/plan` has it planned anew")
        return next(child for child in Plan.model_validate_json(text[1]).children if child.key == key)

    async def _find(self, record: TaskRecord, mark: str) -> LinkedIssue | None:
        children = await self.github.sub_issues(record.task.repository, record.task.number, bodies=True)
        mine = (one for one in children if one.author_id == self.identity.bot_id)
        return next((one for one in mine if mark in one.body), None)

    def _mark(self, record: TaskRecord, key: str) -> str:
        """Sign what tells a sub-issue from all others, so that nobody can have made it in advance."""
        assert record.plan is not None
        signed = f"child:{record.task.repository.id}:{record.task.number}:{record.plan.digest}:{key}"
        _, secret = self.keyring.current
        return f"<!-- orch:child {hmac.new(secret, signed.encode(), sha256).hexdigest()[:32]} -->"

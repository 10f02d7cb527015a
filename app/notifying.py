"""Tell people outside GitHub what becomes of tasks: asked for with the decision, done at best effort."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from app.domain.effects import Decision, Notify
from app.domain.notices import Kind, Notice, notices
from app.domain.record import TaskRecord
from app.log import log
from app.ports import Notifier


@dataclass(frozen=True, slots=True)
class Notifying:
    """Does nothing unless somebody wants some `kinds` of notices; `web_url` is where GitHub's pages are."""

    notifier: Notifier | None
    kinds: AbstractSet[Kind]
    web_url: str

    def extend(self, before: TaskRecord | None, decision: Decision) -> Decision:
        """Return the decision with what people are to be told of it, after all else."""
        if not isinstance(decision.record, TaskRecord):
            return decision
        told = self.effects(before, decision.record)
        return replace(decision, effects=(*decision.effects, *told)) if told else decision

    def effects(self, before: TaskRecord | None, after: TaskRecord) -> tuple[Notify, ...]:
        """List what people are to be told of a task whose record changes."""
        if not self.kinds:
            return ()
        found = notices(before, after, self.web_url)
        return tuple(Notify(notice=one) for one in found if not self.kinds.isdisjoint(one.kinds))

    async def send(self, notice: Notice) -> None:
        """Tell people, and write down whom that did not reach."""
        if self.notifier is None:
            log().info("nobody is notified any more", notice=notice.title)
            return
        for told in await self.notifier.send(notice):
            if told.failed is None:
                log().info("notified", rule=told.rule, notice=notice.title)
            else:
                log().warning("not notified", rule=told.rule, notice=notice.title, reason=told.failed)


SILENT = Notifying(None, frozenset(), "")
"""Where nobody is to be told."""

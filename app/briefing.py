"""What a run's agent is told besides the admitted text: instructions, review threads, failed checks, other comments.

All of it is read when the run begins. What people with write access wrote can be changed by people with write access
only; what others wrote is marked as theirs, or left out.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from app.domain.commands import read_comment
from app.domain.errors import Missing, Permanent, Retryable, Unauthorized
from app.domain.facts import Actor, CheckState, Comment, Identity, Thread
from app.domain.grants import ChildWork, FailedCheck
from app.domain.graph import Node, NodeState
from app.domain.instructions import LONGEST, Told, for_now, waiting
from app.domain.jobs import Purpose
from app.domain.names import Repository
from app.domain.plan import Plan
from app.domain.policy import Policy
from app.domain.powers import Power, refusal
from app.domain.proposal import Proposal
from app.domain.record import TaskRecord
from app.log import log
from app.ports import Artifacts, GitHub
from app.standings import Standings
from app.texts import read_text, tell

MOST_COMMENTS = 30
MOST_LOGS = 3
LONGEST_LOG = 6000
LONGEST_QUOTED = 4000
ON_BRANCH = (Purpose.REWORK, Purpose.REVIEW)
ON_ISSUE = (Purpose.WORK, Purpose.PLAN, Purpose.INTEGRATION)


@dataclass(frozen=True, slots=True)
class Briefing:
    """Gathers it."""

    github: GitHub
    artifacts: Artifacts
    standings: Standings
    identity: Identity

    async def __call__(self, record: TaskRecord, policy: Policy) -> dict[str, Any]:
        """Return the fields of a Grant that the purpose of its run asks for."""
        # A review is met by rework alone: no other run is told of its threads.
        said = waiting if record.purpose is Purpose.REWORK else for_now
        told: dict[str, Any] = {"instructions": await tell(self.artifacts, said(record.instructions))}
        if record.purpose is Purpose.PLAN:
            plan = await self._plan(record.plan) if record.plan else ""
            told |= {"plan": plan, "agents": policy.agents, "roles": tuple(policy.router.roles)}
        elif record.purpose is Purpose.INTEGRATION and record.graph:
            told["children"] = tuple(_child(node) for node in record.graph.nodes)
        try:
            if record.purpose in ON_BRANCH and record.pull is not None:
                threads, failures = await asyncio.gather(self._threads(record, policy), self._failures(record))
                told |= {"threads": threads, "failures": failures}
            elif record.purpose in ON_ISSUE and record.commented:
                told |= await self._comments(record, policy)
        except Unauthorized as error:
            raise Retryable(str(error)) from error
        except Permanent as error:
            log().warning("a run begins without all that is said", task=str(record.task), reason=str(error))
        return told

    async def _plan(self, proposed: Proposal) -> str:
        """Return a plan that is to be amended, without what people dropped; empty if its text is lost."""
        text = await read_text(self.artifacts, proposed.digest)
        if text is None:
            log().warning("the text of a plan is lost", digest=proposed.digest)
            return ""
        plan, kept = Plan.model_validate_json(text[1]), {item.key: item.depends_on for item in proposed.kept}
        children = (one.model_copy(update={"depends_on": kept[one.key]}) for one in plan.children if one.key in kept)
        amended = plan.model_copy(update={"children": tuple(children)})
        return amended.model_dump_json(indent=1, exclude_defaults=True)

    async def _may(self, repository: Repository, actor: Actor, policy: Policy) -> bool:
        standing = await self.standings.of(repository, actor)
        return refusal(Power.WRITE, actor, standing, policy) is None

    async def _threads(self, record: TaskRecord, policy: Policy) -> tuple[Thread, ...]:
        """Return open threads in which a person who may has the last word that counts; others' words are left out."""
        repository, found = record.task.repository, list[Thread]()
        for thread in await self.github.threads(repository, record.pull or 0):
            if thread.is_resolved:
                continue
            kept = [
                one
                for one in thread.comments
                if one.author.id == self.identity.bot_id or await self._may(repository, one.author, policy)
            ]
            if kept and kept[-1].author.id != self.identity.bot_id:
                found.append(thread.model_copy(update={"comments": tuple(kept)}))
        return tuple(found)

    async def _failures(self, record: TaskRecord) -> tuple[FailedCheck, ...]:
        if record.head_sha is None or record.checked != record.head_sha:
            return ()
        checks = await self.github.checks(record.task.repository, record.head_sha)
        failed = [check for check in checks if check.state is CheckState.FAILED]
        found: list[FailedCheck] = []
        for check in failed:
            log_text = ""
            if check.job is not None and sum(bool(one.log) for one in found) < MOST_LOGS:
                log_text = await self._log(record.task.repository, check.job)
            found.append(FailedCheck(name=check.name, summary=check.summary[:LONGEST_QUOTED], log=log_text))
        return tuple(found)

    async def _log(self, repository: Repository, job: int) -> str:
        try:
            return await self.github.job_log(repository, job, LONGEST_LOG)
        except Missing:
            return ""

    async def _comments(self, record: TaskRecord, policy: Policy) -> dict[str, Any]:
        """Return what was said on the issue, by those who may and by others apart; commands are said to Orch alone."""
        comments = await self.github.comments(record.task.repository, record.task.number)
        known = {one.key.split("-")[1] for one in record.instructions if one.key.startswith("comment-")}
        heard = [one for one in comments if self._is_said(one, policy) and str(one.id) not in known]
        discussion, quoted = list[Told](), list[Told]()
        for comment in heard[-MOST_COMMENTS:]:
            may = await self._may(record.task.repository, comment.author, policy)
            told = Told(
                key=f"said-{comment.id}",
                author=comment.author.login,
                text=comment.body[: LONGEST if may else LONGEST_QUOTED],
            )
            if may:
                discussion.append(told)
            elif policy.outsiders == "quote":
                quoted.append(told)
        return {"discussion": tuple(discussion), "quoted": tuple(quoted)}

    def _is_said(self, comment: Comment, policy: Policy) -> bool:
        if comment.author.id == self.identity.bot_id:
            return False
        said = read_comment(comment.body, bot=self.identity.slug, agents=policy.agents)
        return not said.commands and not said.mistakes


def _child(node: Node) -> ChildWork:
    return ChildWork(
        number=node.number,
        title=node.title,
        completed=node.state is NodeState.COMPLETED,
        pull=node.pull,
        repository=node.repository.full_name if node.repository else None,
    )

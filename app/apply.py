"""Perform effects: the only code that changes anything on GitHub or sends anything on."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import takewhile

from app.domain import effects as do
from app.domain.absorb import Made, absorb, refuse
from app.domain.advice import Advice, RouteQuestion
from app.domain.comment import render_comment
from app.domain.effects import Effect
from app.domain.errors import Missing, Permanent, Retryable, Unauthorized
from app.domain.facts import Identity
from app.domain.internal import enclose
from app.domain.labels import repository_labels, status_label
from app.domain.markers import Keyring
from app.domain.names import TaskRef
from app.domain.policy import Policy
from app.domain.record import TaskRecord
from app.domain.routing_events import TaskRouted
from app.domain.strategies.telling import told
from app.leases import Leases
from app.log import bound, log
from app.notifying import SILENT, Notifying
from app.onboarding import open_onboarding
from app.plan_effects import PlanEffects
from app.ports import Artifacts, Clock, EventQueue, GitHub, JobQueue, Router
from app.pull_effects import PullEffects, hidden_key
from app.rebuild import find_record
from app.reconcile import Reconcile
from app.records import Loaded, Pending, Records
from app.telemetry import span
from app.texts import keep_text, read_text, tell

CREATES = (do.CreateChild, do.UpsertComment, do.AddComment, do.OpenPull, do.AnswerThreads, do.SubmitReview, do.ShowLog)
"""Effects that would make a second thing when repeated: a repetition looks first."""
SENT_AT_ONCE = 20
"""Events and jobs that one write takes out of the outbox."""


@dataclass(frozen=True, slots=True)
class Apply:
    """Drain outboxes through the ports. `turn` is for how many seconds one is drained before it is put off."""

    records: Records
    leases: Leases
    github: GitHub
    events: EventQueue
    jobs: JobQueue
    artifacts: Artifacts
    clock: Clock
    identity: Identity
    policy: Policy
    keyring: Keyring
    reconcile: Reconcile
    pulls: PullEffects
    plans: PlanEffects
    show_log: Callable[[str], Awaitable[str]]
    notifying: Notifying = SILENT
    router: Router | None = None
    turn: float = 20

    async def drain(self, group: str, loaded: Loaded, pendings: list[Pending]) -> None:
        """Perform the group's outbox in order; raises Retryable with what is left still in it.

        `loaded` and `pendings` are all that the store has of it. After progress the wait is the shortest one: the
        back-off is for the same thing that fails again and again.
        """
        with bound(**({"task": str(loaded.task.task)} if loaded.task else {})), span("apply", effects=len(pendings)):
            await self._drain(group, loaded, pendings)

    async def _drain(self, group: str, loaded: Loaded, pendings: list[Pending]) -> None:
        progress, ends = False, self.clock.now() + timedelta(seconds=self.turn)
        while pendings:
            if progress and self.clock.now() > ends:
                # Where the time is up within an effect, that may have been done and must be looked for.
                raise Retryable("there is more to do than one turn takes", 0)
            try:
                loaded, pendings = await self._next(group, loaded, pendings)
            except Retryable as error:
                if progress and error.delay is None:
                    raise Retryable(str(error), self.policy.retry_base) from error
                raise
            progress = True

    async def _next(self, group: str, loaded: Loaded, pendings: list[Pending]) -> tuple[Loaded, list[Pending]]:
        if sent := await self._send(group, pendings):
            await self.records.drop(group, pendings[:sent])
            return loaded, pendings[sent:]
        pending, *rest = pendings
        looks = pending.tried_at is not None
        if isinstance(pending.effect, CREATES):
            self._await_lists(pending)
            pending = await self.records.note_try(group, pending, self.clock.now())
        try:
            made = await self._perform(group, pending, loaded.task, looks)
        except Unauthorized as error:
            raise Retryable(str(error)) from error
        except Permanent as error:
            return await self._refused(group, loaded, [pending, *rest], error)
        after = absorb(loaded.task, pending.effect, made).dated(loaded.task, self.clock.now()) if loaded.task else None
        more = told(loaded.task, after) if after else ()
        loaded = await self.records.settle(group, pending, loaded, after, more)
        return loaded, await self.records.outbox(group) if more else rest

    async def _send(self, group: str, pendings: list[Pending]) -> int:
        """Send what lies in front if that is more than one thing, and say how many went.

        One write takes them all out: what is sent again after a crash is known by its id. What fails counts as not
        tried, and is tried again alone.
        """
        sends = list(takewhile(_is_sent, pendings[:SENT_AT_ONCE]))
        if len(sends) == 1:
            return 0
        for count, pending in enumerate(sends):
            try:
                await self._perform(group, pending, None, looks=False)
            except (Retryable, Permanent, Unauthorized):
                return count
        return len(sends)

    def _await_lists(self, pending: Pending) -> None:
        """Look only when GitHub's lists must show what an earlier try may have made."""
        if pending.tried_at is None:
            return
        left = (pending.tried_at + timedelta(seconds=self.policy.list_lag) - self.clock.now()).total_seconds()
        if left > 0:
            raise Retryable("an earlier try may not be listed yet", left)

    async def _refused(
        self, group: str, loaded: Loaded, pendings: list[Pending], error: Permanent
    ) -> tuple[Loaded, list[Pending]]:
        effect = pendings[0].effect
        log().warning("effect refused", effect=effect.type, reason=str(error))
        after, instead = refuse(loaded.task, effect, error) if loaded.task else (None, ())
        if after is None or not instead:
            return await self.records.settle(group, pendings[0], loaded, after), pendings[1:]
        more = (*self.notifying.effects(loaded.task, after), *told(loaded.task, after))
        after = after.dated(loaded.task, self.clock.now())
        loaded = await self.records.replace(group, pendings, loaded, after, (*instead, *more))
        return loaded, await self.records.outbox(group)

    async def _perform(self, group: str, pending: Pending, record: TaskRecord | None, looks: bool) -> Made:
        match pending.effect:
            case do.Send(event=event, delay=delay):
                await self.events.send(enclose(event, pending.id, self.clock.now(), delay))
            case do.Enqueue() | do.AskRouter() as effect:
                await self._ask(effect, pending.id)
            case do.KeepText(title=title, body=body):
                await keep_text(self.artifacts, title, body)
            case do.CreateLabels() | do.OpenOnboarding() as effect:
                await self._prepare(effect)
            case do.RemoveLabel(task=task, label=label):
                await self.github.remove_label(task.repository, task.number, label)
            case do.AddLabel(task=task, label=label):
                await self.github.add_labels(task.repository, task.number, [label])
            case do.React() | do.AddComment() | do.ShowLog() as effect:
                await self._say(effect)
            case do.StopRun() | do.Tell() as effect:
                await self._order(group, effect)
            case do.Notify(notice=notice):
                await self.notifying.send(notice)
            case do.CheckRepositories(repository_ids=ids):
                await self.reconcile.those(ids)
            case do.ListRepositories(installation_id=installation):
                await self.reconcile.announce(installation, pending.id)
            case effect:
                return await self._perform_for(effect, record, looks) if record else None
        return None

    async def _ask(self, effect: do.Enqueue | do.AskRouter, identity: str) -> None:
        """Ask the runners, or a model and tell the task what that said; of two answers, the task heeds the first."""
        match effect:
            case do.Enqueue(job=job):
                await self.jobs.send(job)
            case do.AskRouter(task=task, digest=digest):
                routed = TaskRouted(task=task, digest=digest, advice=await self._advice(effect))
                await self.events.send(enclose(routed, identity, self.clock.now()))

    async def _advice(self, effect: do.AskRouter) -> Advice:
        text, router = await read_text(self.artifacts, effect.digest), self.policy.router
        if self.router is None or text is None:
            return Advice(failed="no model is set up to be asked" if text else "the text to ask about was lost")
        agents = {agent: router.about.get(agent, "") for agent in effect.agents}
        return await self.router.choose(
            RouteQuestion(title=text[0], body=text[1], agents=agents, roles=dict(router.roles))
        )

    async def _prepare(self, effect: do.CreateLabels | do.OpenOnboarding) -> None:
        match effect:
            case do.CreateLabels(repository=repository, trigger=trigger):
                labels = repository_labels(trigger or self.policy.trigger, self.policy.router.roles)
                await self.github.create_missing_labels(repository, labels)
            case do.OpenOnboarding(repository=repository):
                await open_onboarding(self.github, self.identity, self.policy, repository)

    async def _perform_for(self, effect: Effect, record: TaskRecord, looks: bool) -> Made:
        repository, number = record.task.repository, record.task.number
        match effect:
            case do.SetLabels():
                await self._set_labels(record)
            case do.UpsertComment():
                return await self._upsert_comment(record, looks)
            case do.CloseIssue():
                await self.github.close_issue(repository, number)
            case do.DeleteRef(ref=ref):
                await self.github.delete_ref(repository, ref)
            case do.CreateChild():
                return await self.plans.create_child(effect, record, looks=looks)
            case do.LinkChild():
                await self.plans.link_child(effect, record)
            case _:
                return await self.pulls.perform(effect, record, looks=looks)
        return None

    async def _set_labels(self, record: TaskRecord) -> None:
        """Add before taking off, so that at no moment the issue is without a status."""
        repository, number = record.task.repository, record.task.number
        add = [] if record.status in record.shown else [status_label(record.status)]
        remove = [status_label(status) for status in record.shown if status != record.status]
        await self.github.change_labels(repository, number, add, remove)

    async def _upsert_comment(self, record: TaskRecord, looks: bool) -> int:
        repository, number = record.task.repository, record.task.number
        body = render_comment(record, self.keyring)
        known = record.comment_id
        if known is None and looks:
            comments = await self.github.comments(repository, number)
            found = find_record(comments, record.task, self.keyring, self.identity.bot_id)
            known = found.comment_id if found else None
        if known is not None:
            try:
                await self.github.edit_comment(repository, known, body)
            except Missing:
                known = None
            else:
                return known
        created = await self.github.create_comment(repository, number, body)
        await self._pin(record, created)
        return created

    async def _pin(self, record: TaskRecord, comment_id: int) -> None:
        """Pin where that is possible; a comment that is not pinned is as good."""
        try:
            await self.github.pin_comment(record.task.repository, comment_id)
        except (Permanent, Retryable) as error:
            log().info("comment not pinned", reason=str(error))

    async def _add_comment(self, effect: do.AddComment) -> None:
        repository, number = effect.task.repository, effect.task.number
        hidden = hidden_key(effect.key)
        comments = await self.github.comments(repository, number)
        if any(hidden in comment.body and comment.author.id == self.identity.bot_id for comment in comments):
            return
        await self.github.create_comment(repository, number, f"{effect.body}\n\n{hidden}")

    async def _say(self, effect: do.React | do.AddComment | do.ShowLog) -> None:
        match effect:
            case do.React(task=task, comment_id=comment, reaction=reaction):
                await self._react(task, comment, reaction)
            case do.AddComment():
                await self._add_comment(effect)
            case do.ShowLog():
                await self._add_comment(await self._log_of(effect))

    async def _order(self, group: str, effect: do.StopRun | do.Tell) -> None:
        """Leave an order for a run, which hears it at its next beat."""
        match effect:
            case do.StopRun(run_id=run_id, how=how):
                await self.leases.change(group, run_id, stop=how)
            case do.Tell(run_id=run_id, instructions=instructions):
                await self.leases.tell(group, run_id, await tell(self.artifacts, instructions))

    async def _react(self, task: TaskRef, comment: int, reaction: str) -> None:
        """React where that is possible: the comment may be gone."""
        try:
            await self.github.react(task.repository, comment, reaction)
        except Permanent as error:
            log().info("no reaction put on", comment=comment, reason=str(error))

    async def _log_of(self, effect: do.ShowLog) -> do.AddComment:
        return do.AddComment(task=effect.task, key=effect.key, body=await self.show_log(effect.run_id))


def _is_sent(pending: Pending) -> bool:
    return isinstance(pending.effect, do.Send | do.Enqueue)

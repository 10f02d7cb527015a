"""Working off the merge queues: the first of each is merged on trial, checked, and then becomes the base branch."""

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace

from infra.hub.act import Act
from infra.hub.check_records import QueueEntry
from infra.hub.git import Conflict, RefMissing
from infra.hub.queue import leave, queue_of
from infra.hub.records import Issue, Pull, Ref, Repository, User
from infra.hub.refs import HEADS, changing_refs
from infra.hub.rules import FAILED, WAITING, required_state
from infra.hub.world import World

GROUPS = HEADS + "gh-readonly-queue/"
logger = logging.getLogger(__name__)


async def run_queues(world: World) -> None:
    """Merge what is queued whenever that may be possible, for ever."""
    while True:
        await world.queued.wait()
        async with world.queue_turn:
            world.queued.clear()
            for repository in world.state.rows(Repository):
                await _settle(world, repository)


async def queues_settled(world: World) -> None:
    """Wait until every merge queue has come as far as it can."""
    while world.queued.is_set() or world.queue_turn.locked():
        await asyncio.sleep(0)
        async with world.queue_turn:
            pass


async def _settle(world: World, repository: Repository) -> None:
    try:
        for branch in dict.fromkeys(_bases(world, repository)):
            while await _advance(world, repository, branch):
                pass
        await _clear_groups(world, repository)
    except Exception:  # the queues of other repositories go on
        logger.exception("the merge queue of %s stands still", repository.full_name)


def _bases(world: World, repository: Repository) -> list[str]:
    entries = world.state.rows(QueueEntry, repository.id)
    pulls = [world.state.find(Pull, entry.key, repository.id) for entry in entries]
    return [pull.base_ref for pull in pulls if pull is not None]


async def _advance(world: World, repository: Repository, branch: str) -> bool:
    """Bring the first of a queue one step on; False if there is none, or it waits for its checks."""
    entry = next(iter(queue_of(world, repository, branch)), None)
    if entry is None:
        return False
    pull = world.state.find(Pull, entry.key, repository.id)
    assert pull is not None
    act = Act(world, repository, world.state.load(User, entry.actor_id), entry.app_id)
    if world.state.load(Issue, pull.issue_id).state != "open":
        return _leave(act, pull, "MANUAL")
    base = await world.git(repository).resolve(HEADS + branch)
    if base is None or entry.group_sha is None or entry.base_sha != base:
        return await _try(act, pull, entry, base)
    match required_state(world, repository, branch, entry.group_sha):
        case state if state == WAITING:
            return False
        case state if state == FAILED:
            return _leave(act, pull, "CI_FAILURE")
    return await _merge(act, pull, entry)


async def _try(act: Act, pull: Pull, entry: QueueEntry, base: str | None) -> bool:
    """Merge on trial into a branch of its own, where checks run."""
    if base is None:
        return _leave(act, pull, "QUEUE_CLEARED")
    git = act.world.git(act.repository)
    ref = f"{GROUPS}{pull.base_ref}/pr-{pull.number}-{base}"
    issue = act.world.state.load(Issue, pull.issue_id)
    message = f"Merge pull request #{pull.number} from {act.repository.owner}/{pull.head_ref}\n\n{issue.title}\n"
    try:
        group = await git.merge_commit(base, pull.head_sha, message, act.world.identity(act.user))
    except Conflict:
        return _leave(act, pull, "MERGE_CONFLICT")
    with act.world.state.transaction():
        if not _is_queued(act.world, entry):
            return True
        act.world.state.put(replace(entry, base_sha=base, group_ref=ref, group_sha=group))
    async with changing_refs(act):
        if await git.resolve(ref) is None:
            await git.create_ref(ref, group)
        else:
            await git.update_ref(ref, group, force=True)
    return True


async def _merge(act: Act, pull: Pull, entry: QueueEntry) -> bool:
    assert entry.group_sha is not None
    git = act.world.git(act.repository)
    with suppress(Conflict):  # the base has moved: another trial
        async with changing_refs(act, pull):
            if _is_queued(act.world, entry):
                await git.update_ref(HEADS + pull.base_ref, entry.group_sha, force=False, old=entry.base_sha)
    return True


def _is_queued(world: World, entry: QueueEntry) -> bool:
    """Tell whether it is still in the queue: somebody may have taken it out while git was at work."""
    return world.state.get(QueueEntry, entry.id) is not None


def _leave(act: Act, pull: Pull, reason: str) -> bool:
    with act.world.state.transaction():
        leave(act, pull, reason)
    return True


async def _clear_groups(world: World, repository: Repository) -> None:
    """Delete the trial branches that no queue needs any more."""
    kept = {entry.group_ref for entry in world.state.rows(QueueEntry, repository.id)}
    refs = [ref for ref in world.state.rows(Ref, repository.id) if ref.name.startswith(GROUPS)]
    for ref in refs:
        if ref.name not in kept:
            async with changing_refs(Act(world, repository, world.state.load(User, repository.owner_id))):
                try:
                    await world.git(repository).delete_ref(ref.name)
                except RefMissing:
                    continue

"""Merge queues: getting in and out, each with its webhook. Everything here runs inside a transaction of the caller."""

from infra.hub.act import Act, send_issue
from infra.hub.check_records import QueueEntry
from infra.hub.records import Issue, Pull, Repository
from infra.hub.world import World


def queue_of(world: World, repository: Repository, branch: str) -> list[QueueEntry]:
    """List the queue of a base branch, first come first."""
    found = world.state.rows(QueueEntry, repository.id)
    pulls = [(entry, world.state.find(Pull, entry.key, repository.id)) for entry in found]
    return [entry for entry, pull in pulls if pull is not None and pull.base_ref == branch]


def entry_of(world: World, pull: Pull) -> QueueEntry | None:
    return world.state.find(QueueEntry, pull.key, pull.repository_id)


def enter(act: Act, pull: Pull) -> QueueEntry:
    """Put a pull request at the end of its queue, to be merged as whoever did that."""
    state = act.world.state
    entry = state.put(
        QueueEntry(
            id=state.new_id(),
            repository_id=pull.repository_id,
            number=pull.number,
            head_sha=pull.head_sha,
            actor_id=act.user.id,
            app_id=act.app_id,
            created=act.world.now(),
        )
    )
    issue = state.load(Issue, pull.issue_id)
    act.note(issue, "added_to_merge_queue")
    send_issue(act, issue, "enqueued")
    act.world.look_at_queues()
    return entry


def leave(act: Act, pull: Pull, reason: str) -> None:
    """Take a pull request out of its queue, if it is in; `reason` is one of GitHub's, such as MANUAL or MERGE."""
    entry = entry_of(act.world, pull)
    if entry is None:
        return
    act.world.state.delete(entry)
    issue = act.world.state.load(Issue, pull.issue_id)
    act.note(issue, "removed_from_merge_queue", reason=reason)
    send_issue(act, issue, "dequeued", reason=reason)
    act.world.look_at_queues()

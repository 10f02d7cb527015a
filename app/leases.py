"""Which run of a task is current, and whether it is alive: a document of its own beside the record."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from app.domain.base import Value
from app.domain.grants import Stop
from app.domain.instructions import Told
from app.domain.names import split_group
from app.domain.outcomes import RunResult
from app.domain.record import Unfinished
from app.ports import Conflict, Store

TRIES = 5


class RunLease(Value):
    """The current run of a task. `result` is there once it has ended.

    `begins` counts the runs of its job so far, without the `returns`: those that were given back. `inbox` is what the
    agent is to be told, `delivered` the keys of what it was. `cap` is what the run may cost in US dollars, `share` how
    much of that was spent when the task was told last, in percent; `spent` is what is known to be spent. `kept` is
    what was pushed by the last of the job's runs that was given back with it.
    """

    run_id: str
    job_id: str
    runner: str
    begins: int
    returns: int = 0
    expires_at: datetime
    stop: Stop | None = None
    step: str = ""
    inbox: tuple[Told, ...] = ()
    delivered: tuple[str, ...] = ()
    cap: Decimal | None = None
    share: int = 0
    spent: Decimal | None = None
    kept: Unfinished | None = None
    result: RunResult | None = None


class Leases:
    """The leases in the store, one for each task."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def get(self, group: str) -> tuple[RunLease | None, int]:
        """Return the task's lease and its version, 0 if there is none."""
        partition, item = split_group(group)
        document = await self._store.get(partition, f"lease/{item}")
        return (RunLease.model_validate(document.body), document.version) if document else (None, 0)

    async def put(self, group: str, lease: RunLease, version: int, record_version: int | None = None) -> None:
        """Write the lease if neither it nor (when its version is given) the record has changed; raises Conflict."""
        partition, item = split_group(group)
        expected = {f"lease/{item}": version}
        if record_version is not None:
            expected[f"record/{item}"] = record_version
        await self._store.commit(partition, {f"lease/{item}": lease.model_dump(mode="json")}, expected=expected)

    async def change(self, group: str, run_id: str, **changes: object) -> RunLease | None:
        """Change the lease of a run that is current and has not ended; None if it is not."""
        return await self.update(group, run_id, lambda lease: lease.model_copy(update=changes))

    async def tell(self, group: str, run_id: str, told: tuple[Told, ...]) -> RunLease | None:
        """Put instructions into the inbox of a run, each once; None if the run is not current any more."""

        def add(lease: RunLease) -> RunLease:
            known = {*lease.delivered, *(one.key for one in lease.inbox)}
            new = tuple(one for one in told if one.key not in known)
            return lease.model_copy(update={"inbox": (*lease.inbox, *new)})

        return await self.update(group, run_id, add)

    async def update(self, group: str, run_id: str, change: Callable[[RunLease], RunLease]) -> RunLease | None:
        """Let a function change the lease of a run that is current and has not ended; None if it is not."""
        for _ in range(TRIES):
            lease, version = await self.get(group)
            if lease is None or lease.run_id != run_id or lease.result is not None:
                return None
            changed = change(lease)
            try:
                await self.put(group, changed, version)
            except Conflict:
                continue
            return changed
        raise Conflict(f"the lease of {group} changed {TRIES} times in a row")

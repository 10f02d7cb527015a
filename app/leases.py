"""Which run of a task is current, and whether it is alive: a document of its own beside the record."""

from datetime import datetime

from app.domain.base import Value
from app.domain.names import split_group
from app.domain.outcomes import RunResult
from app.ports import Conflict, Store

TRIES = 5


class RunLease(Value):
    """The current run of a task. `result` is there once it has ended.

    `begins` counts the runs of its job so far, without the `returns`: those that were given back.
    """

    run_id: str
    job_id: str
    runner: str
    begins: int
    returns: int = 0
    expires_at: datetime
    cancelled: bool = False
    step: str = ""
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
        for _ in range(TRIES):
            lease, version = await self.get(group)
            if lease is None or lease.run_id != run_id or lease.result is not None:
                return None
            changed = lease.model_copy(update=changes)
            try:
                await self.put(group, changed, version)
            except Conflict:
                continue
            return changed
        raise Conflict(f"the lease of {group} changed {TRIES} times in a row")

"""Checks, commit statuses and the logs of jobs, for the GitHub port."""

from collections.abc import Iterator, Sequence

from app.domain.errors import Missing
from app.domain.facts import Check, CheckState
from app.domain.names import Repository
from app.github.answers import Json
from app.github.asking import ROOT, Asking
from app.github.logs import read_log

ACTIONS = "github-actions"
PASSING = frozenset({"success", "neutral", "skipped"})
STATES = {"success": CheckState.PASSED, "pending": CheckState.WAITING}


class ChecksApi(Asking):
    """What CI says of a commit."""

    async def checks(self, repository: Repository, sha: str) -> Sequence[Check]:
        runs = await self._list(
            repository, "/commits/{sha}/check-runs{?filter,per_page}", "check_runs", sha=sha, filter="latest"
        )
        statuses = await self._list(repository, "/commits/{sha}/status{?per_page}", "statuses", sha=sha)
        return [*self._others(runs), *map(read_status, statuses)]

    async def job_log(self, repository: Repository, job: int, most: int) -> str:
        client = self._client(repository.installation_id)
        names = {"owner": repository.owner, "repo": repository.name, "job": job}
        try:
            kept_at = await client.elsewhere(ROOT + "/actions/jobs/{job}/logs", **names)
            return await read_log(self._transport, kept_at, most)
        except Missing:
            return ""

    def _others(self, runs: Sequence[Json]) -> Iterator[Check]:
        # What Orch itself says of a commit is not what it waits for.
        own = self._app_id
        return (read_run(run) for run in runs if (run.get("app") or {}).get("id") != own)


def read_run(run: Json) -> Check:
    """Return a check run; whatever ended otherwise than well has failed, also with a conclusion that is new to us."""
    output, app = run.get("output") or {}, run.get("app") or {}
    said = (output.get("title"), output.get("summary"))
    return Check(
        name=run["name"],
        state=_state(run["status"], run["conclusion"]),
        url=run.get("html_url") or run.get("details_url") or "",
        summary="\n\n".join(text for text in said if text),
        job=run["id"] if app.get("slug") == ACTIONS else None,
    )


def read_status(status: Json) -> Check:
    return Check(
        name=status["context"],
        state=STATES.get(status["state"], CheckState.FAILED),
        url=status.get("target_url") or "",
        summary=status.get("description") or "",
    )


def _state(status: str, conclusion: str | None) -> CheckState:
    if status != "completed":
        return CheckState.WAITING
    return CheckState.PASSED if conclusion in PASSING else CheckState.FAILED

"""What is asked of a branch before something is merged into it, and what a pull request still lacks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from infra.hub.check_records import CheckRun, CommitStatus, Protection
from infra.hub.errors import ApiError
from infra.hub.records import Issue, Pull, Repository, Review, Role, User
from infra.hub.shapes.checks import latest, latest_statuses, runs_of, suites_on
from infra.hub.world import World

HEADS = "refs/heads/"
GOOD = ("success", "neutral", "skipped")
VIOLATION = "Repository rule violations found\n\n{}\n\n"
SIGNATURES = "Commits must have verified signatures."
WAITING, PASSED, FAILED = "waiting", "passed", "failed"


@dataclass(frozen=True, slots=True)
class Asked:
    """All that rulesets and branch protections together ask of one branch."""

    approvals: int = 0
    contexts: tuple[str, ...] = ()
    strict: bool = False
    signatures: bool = False
    queue: bool = False


def protections_of(world: World, repository: Repository, branch: str) -> list[Protection]:
    found = world.state.rows(Protection, repository.id)
    return [one for one in found if fnmatchcase(branch, one.pattern)]


def asked_of(world: World, repository: Repository, branch: str) -> Asked:
    found = protections_of(world, repository, branch)
    return Asked(
        approvals=max((one.approvals for one in found), default=0),
        contexts=tuple(dict.fromkeys(context for one in found for context in one.contexts)),
        strict=any(one.strict for one in found),
        signatures=any(one.signatures for one in found),
        queue=any(one.queue for one in found),
    )


def checks_on(world: World, repository: Repository, sha: str) -> dict[str, str]:
    """Map each check and status context on a commit to waiting, passed or failed; of one name the worst counts."""
    runs = [run for suite in suites_on(world, repository, sha) for run in latest(runs_of(world, suite))]
    found = [(run.name, state_of_run(run)) for run in runs]
    found += [(one.context, state_of_status(one)) for one in latest_statuses(world, repository, sha)]
    order = (PASSED, WAITING, FAILED)
    # Later ones replace earlier ones of the same name.
    return dict(sorted(found, key=lambda pair: order.index(pair[1])))


def required_state(world: World, repository: Repository, branch: str, sha: str) -> str:
    """Say how the checks that a branch requires stand on a commit; with none required they have passed."""
    found = checks_on(world, repository, sha)
    states = {found.get(context, WAITING) for context in asked_of(world, repository, branch).contexts}
    return next((state for state in (FAILED, WAITING) if state in states), PASSED)


def review_decision(world: World, repository: Repository, pull: Pull) -> str | None:
    """Give GitHub's `reviewDecision`: None if no review is required and none decided anything."""
    needed = asked_of(world, repository, pull.base_ref).approvals
    verdicts = _verdicts(world, repository, pull)
    if "CHANGES_REQUESTED" in verdicts:
        return "CHANGES_REQUESTED"
    if len(verdicts) < needed:
        return "REVIEW_REQUIRED"
    return "APPROVED" if verdicts else None


def hindrances(world: World, repository: Repository, pull: Pull) -> list[str]:
    """List what keeps a pull request from being merged apart from conflicts, in GitHub's words."""
    asked = asked_of(world, repository, pull.base_ref)
    found = [
        *_lacking_checks(world, repository, pull, asked.contexts),
        *_lacking_reviews(world, repository, pull, asked),
    ]
    if asked.signatures and pull.unsigned:
        found.append(SIGNATURES)
    return found


def is_behind(world: World, repository: Repository, pull: Pull) -> bool:
    """Tell whether a branch must be brought up to date first."""
    return pull.behind and asked_of(world, repository, pull.base_ref).strict


def mergeable_state(world: World, repository: Repository, pull: Pull) -> str:
    if pull.mergeable is None:
        return "unknown"
    if not pull.mergeable:
        return "dirty"
    if pull.draft:
        return "draft"
    if hindrances(world, repository, pull):
        return "blocked"
    if is_behind(world, repository, pull):
        return "behind"
    found = checks_on(world, repository, pull.head_sha)
    return "clean" if all(state == PASSED for state in found.values()) else "unstable"


async def worked_out(world: World, repository: Repository, pull: Pull) -> Pull:
    """Work out from git whether a pull request merges, is behind, and is signed; the repository's lock is held."""
    git = world.git(repository)
    base = await git.resolve(HEADS + pull.base_ref)
    if base is None:
        return replace(pull, mergeable=None)
    return replace(
        pull,
        mergeable=await git.mergeable(base, pull.head_sha),
        behind=await git.is_behind(base, pull.head_sha),
        unsigned=await _is_unsigned(world, repository, pull, base),
    )


async def refuse_unsigned(world: World, repository: Repository, ref: str, sha: str, status: int = 422) -> None:
    """Refuse to move a branch to commits that are new to all branches and not signed, where signatures are asked for.

    Raises ApiError.
    """
    if not ref.startswith(HEADS) or not asked_of(world, repository, ref.removeprefix(HEADS)).signatures:
        return
    git = world.git(repository)
    if await git.has_commit(sha) and await git.unsigned(sha, "--not", "--branches"):
        raise ApiError(status, VIOLATION.format(SIGNATURES))


async def _is_unsigned(world: World, repository: Repository, pull: Pull, base: str) -> bool:
    if not asked_of(world, repository, pull.base_ref).signatures:
        return False
    return bool(await world.git(repository).unsigned(pull.head_sha, "--not", base))


def _verdicts(world: World, repository: Repository, pull: Pull) -> list[str]:
    """List what those who may write last decided; a comment changes nothing, a dismissal takes it back."""
    last: dict[int, str] = {}
    author = world.state.load(Issue, pull.issue_id).author_id
    for review in world.state.rows(Review, pull.issue_id):
        state = review.state.upper()
        if review.submitted is not None and state != "COMMENTED" and review.author_id != author:
            last[review.author_id] = state
    counted = {user: state for user, state in last.items() if state != "DISMISSED"}
    return [state for user, state in counted.items() if _may_write(world, repository, user)]


def _may_write(world: World, repository: Repository, user_id: int) -> bool:
    return world.role(world.state.load(User, user_id), repository).allows(Role.WRITE)


def _lacking_checks(world: World, repository: Repository, pull: Pull, contexts: Sequence[str]) -> list[str]:
    found = checks_on(world, repository, pull.head_sha)
    words = {WAITING: "is in progress", FAILED: "is failing"}
    return [
        f'Required status check "{context}" {words.get(found.get(context, ""), "is expected")}.'
        for context in contexts
        if found.get(context) != PASSED
    ]


def _lacking_reviews(world: World, repository: Repository, pull: Pull, asked: Asked) -> list[str]:
    if asked.approvals == 0:
        return []
    verdicts = _verdicts(world, repository, pull)
    lacking = []
    if "CHANGES_REQUESTED" in verdicts:
        lacking.append("Changes have been requested.")
    if verdicts.count("APPROVED") < asked.approvals:
        many = "review is" if asked.approvals == 1 else "reviews are"
        lacking.append(f"At least {asked.approvals} approving {many} required by reviewers with write access.")
    return lacking


def state_of_run(run: CheckRun) -> str:
    if run.status != "completed":
        return WAITING
    return PASSED if run.conclusion in GOOD else FAILED


def state_of_status(status: CommitStatus) -> str:
    return {"success": PASSED, "pending": WAITING}.get(status.state, FAILED)

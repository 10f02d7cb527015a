"""Open the one pull request that shows a repository what can be configured."""

from app.domain.config import FILE
from app.domain.facts import Identity
from app.domain.names import Repository
from app.domain.onboarding import MESSAGE, TITLE, onboarding_branch, render_body, render_file
from app.domain.policy import Policy
from app.log import log
from app.ports import GitHub


async def open_onboarding(github: GitHub, identity: Identity, policy: Policy, repository: Repository) -> None:
    """Open it, unless there is the file, or was a pull request from that branch, whatever became of it.

    An empty repository gets none, and a branch of that name with somebody else's commits is left alone.
    """
    repository, branch = await github.repository(repository), onboarding_branch(policy)
    if await github.file(repository, FILE) is not None or await github.pulls_from(repository, branch):
        return
    base = await github.branch_head(repository, repository.default_branch)
    if base is None or not await _own_branch(github, identity, repository, branch, base):
        log().info("no onboarding here", repository=repository.full_name, branch=branch, empty=base is None)
        return
    await github.write_file(repository, branch, FILE, render_file(policy).encode(), MESSAGE)
    await github.create_pull(repository, branch, repository.default_branch, TITLE, render_body(policy, identity))


async def _own_branch(github: GitHub, identity: Identity, repository: Repository, branch: str, base: str) -> bool:
    """Make the branch, or find what an earlier try left of it."""
    if await github.create_branch(repository, branch, base):
        return True
    head = await github.branch_head(repository, branch)
    return head == base or (head is not None and await github.commit_author(repository, head) == identity.bot_id)

"""Where a run works: the workspace as it is when its agent begins."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from app.domain.grants import Grant
from app.domain.jobs import Purpose
from app.domain.names import TaskRef
from app.domain.outcomes import Outcome
from app.log import log
from runner.absent import links_among
from runner.courier import Courier
from runner.ends import Ending
from runner.prompts import Scene
from runner.workspace import Mirror, Workspace

WORKING = (Purpose.WORK, Purpose.REWORK)
"""What leaves something to go on from: a review changes nothing, and a merge is soon made again."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run works; what is made there goes onto `parent`. The tree is what the scene says it is."""

    workspace: Workspace
    parent: str
    scene: Scene

    @property
    def needs_agent(self) -> bool:
        """Say whether there is anything left to do: not after a merge without conflicts."""
        return self.scene.merge is None or bool(self.scene.merge.conflicts)


async def prepare(root: Path, task: TaskRef, grant: Grant, courier: Courier) -> Place:
    """Fetch the repository and make the task's workspace; raises Ending if there is nothing to work on."""
    mirror = Mirror.under(root, task.repository.full_name, task.repository.id)
    left = grant.unfinished if grant.purpose in WORKING else None
    kept = await courier.persist(lambda: courier.fetch(mirror, left))
    workspace, branches = mirror.workspace(str(task.number)), await mirror.branches()
    if grant.purpose is Purpose.REBASE:
        return await _prepare_merge(workspace, grant, branches, courier)
    start = grant.start_sha or branches.get(grant.base_branch)
    if start is None:
        raise Ending(Outcome.INFRASTRUCTURE_FAILED, _nothing_to_start_from(grant.base_branch, branches))
    if kept and grant.start_sha not in (None, kept[1]):
        log().warning("unfinished work is left aside: the branch has moved", sha=kept[0], branch=start)
        kept = None
    tree, parent = kept or (start, start)
    resumed = grant.session is not None and grant.purpose in WORKING and workspace.has_home
    await courier.persist(lambda: workspace.prepare(tree, keep_home=resumed))
    scene = Scene(resumed=resumed, kept=kept is not None, absent=await workspace.absent())
    return Place(workspace, parent, scene)


async def _prepare_merge(workspace: Workspace, grant: Grant, branches: dict[str, str], courier: Courier) -> Place:
    """Merge the base branch into the task's; only conflicts need a workspace."""
    head, base = grant.start_sha, branches.get(grant.base_branch)
    if head is None:
        raise Ending(Outcome.INFRASTRUCTURE_FAILED, "the task has no branch yet that anything could be merged into.")
    if base is None:
        raise Ending(Outcome.INFRASTRUCTURE_FAILED, _nothing_to_start_from(grant.base_branch, branches))
    merge = await workspace.mirror.merge(head, base)
    if merge is None:
        raise Ending(Outcome.NO_CHANGE, f"the branch holds all of {grant.base_branch} already.")
    if not merge.conflicts:
        return Place(workspace, head, Scene(merge=merge))
    if links := await links_among(workspace.mirror.git, merge.tree, list(merge.conflicts)):
        raise Ending(Outcome.INFRASTRUCTURE_FAILED, _links_conflict(links, grant.base_branch))
    log().info("the merge conflicts", files=len(merge.conflicts))
    await courier.persist(lambda: workspace.prepare(head, tree=merge.tree))
    return Place(workspace, head, Scene(merge=merge, absent=await workspace.absent()))


def _links_conflict(links: Collection[str], base: str) -> str:
    named = ", ".join(sorted(links))
    return f"both sides changed submodules ({named}), whose history a run does not have. Merge {base} in yourself."


def _nothing_to_start_from(branch: str, branches: Collection[str]) -> str:
    if not branches:
        return f"the repository has no commit yet. Push a first one to {branch}, for example a README."
    return f"the repository has no branch {branch}. Push one, or make another its default branch."

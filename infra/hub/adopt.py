"""Serving a repository that exists already."""

from infra.hub.records import Ref, Repository, User
from infra.hub.settings import Seed
from infra.hub.world import World


async def adopt_repository(world: World, owner: User, seed: Seed) -> Repository:
    """Make a repository that holds the branches of `seed.source`; the source itself is only read."""
    assert seed.source is not None
    with world.state.transaction():
        repository = Repository(
            world.state.new_id(),
            owner.id,
            owner=owner.login,
            name=seed.repository,
            created=world.now(),
            private=seed.private,
            default_branch=seed.branch,
        )
    # The row comes last: a hub killed in between has an unused directory and no repository without git.
    git = world.git(repository)
    await git.copy(seed.source, seed.branch)
    refs = await git.refs()
    with world.state.transaction():
        for name, sha in refs.items():
            world.state.put(Ref(world.state.new_id(), repository.id, name, sha))
        return world.state.put(repository)

"""A sandbox that cannot be made any more, as a person sees it."""

import os
import shutil

from runner.sandbox import SandboxKind
from tests.e2e.world import World
from tests.integration.sandboxes import sandbox_or_skip

BWRAP = shutil.which("bwrap")
FAILS_LATER = """\
#!/bin/sh
[ -e {marker} ] && {{ echo "no namespace is left" >&2; exit 1; }}
exec {bwrap} "$@"
"""


async def test_a_sandbox_that_fails_is_told_and_nothing_is_taken_for_done(world: World) -> None:
    sandbox_or_skip(SandboxKind.BUBBLEWRAP)
    program, marker = world.folder / "bin" / "bwrap", world.folder / "marker"
    program.parent.mkdir()
    program.write_text(FAILS_LATER.format(marker=marker, bwrap=BWRAP))
    program.chmod(0o755)
    world.environment["PATH"] = f"{program.parent}:{os.environ['PATH']}"
    await world.start_orch(SANDBOX="bubblewrap")
    marker.touch()
    number = await world.open_issue()
    await world.until_status(number, "needs_review")
    await world.until_idle()
    said = (await world.comments(number))[0]
    assert "`infrastructure_failed` after" in said
    assert "the sandbox could not be set up: " in said

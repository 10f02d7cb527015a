"""Which sandbox is possible here: each is tried for real before it is relied on."""

import asyncio
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from app.domain.errors import Permanent, Retryable
from runner.sandbox.base import Confinement, Sandbox, SandboxKind
from runner.sandbox.bubblewrap import Bubblewrap
from runner.sandbox.plain import OwnUser, Unconfined

TRIAL_SECONDS = 20
BY_ITSELF = (SandboxKind.BUBBLEWRAP, SandboxKind.UID)
ADVICE = (
    "install bubblewrap where user namespaces are allowed, or run Orch as root; ORCH_SANDBOX=none lets agents do all"
    " that Orch's own user may"
)


def find_sandbox(wanted: SandboxKind | None = None) -> Sandbox:
    """Return the sandbox that is wanted, or the first that works here; `none` is only ever wanted by name.

    Raises Permanent, with advice, if it does not work.
    """
    refusals = []
    for kind in BY_ITSELF if wanted is None else (wanted,):
        try:
            return _try(kind)
        except (Permanent, Retryable, OSError, subprocess.TimeoutExpired) as error:
            refusals.append(str(error))
    raise Permanent(f"agents cannot be isolated here: {'; '.join(refusals)}. What to do: {ADVICE}")


def _try(kind: SandboxKind) -> Sandbox:
    if kind is SandboxKind.NONE:
        return Unconfined()
    sandbox: Sandbox = Bubblewrap.find() if kind is SandboxKind.BUBBLEWRAP else OwnUser.find()
    with tempfile.TemporaryDirectory(prefix="orch-trial-") as folder, ThreadPoolExecutor(1) as thread:
        trial = _trial(Path(folder))
        thread.submit(asyncio.run, _run_true(sandbox, trial)).result()  # perhaps there is a loop in this one
    return sandbox


def _trial(folder: Path) -> Confinement:
    folder.chmod(0o711)
    workspace, home, tmp = (folder / "mirror" / "tasks" / "trial" / name for name in ("tree", "home", "tmp"))
    mirror = folder / "mirror" / "repo.git"
    for place in (workspace, home, tmp, mirror):
        place.mkdir(parents=True)
    return Confinement(workspace, home, tmp, mirror)


async def _run_true(sandbox: Sandbox, trial: Confinement) -> None:
    """Let an agent that does nothing do it; raises Permanent with what it says otherwise."""
    async with sandbox.confine(("true",), {"PATH": os.defpath}, trial) as confined:
        argv = ("sh", "-c", 'exec "$@" 3>/dev/null', "sh", *confined.argv)
        done = await asyncio.to_thread(
            subprocess.run, argv, env=dict(confined.env), capture_output=True, timeout=TRIAL_SECONDS, check=False
        )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise Permanent(f"`{sandbox.kind}` does not work ({said or f'it ended with {done.returncode}'})")

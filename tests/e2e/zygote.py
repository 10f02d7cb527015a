"""A process with everything imported, which forks hubs and Orchs on demand: starting one costs next to nothing.

It reads one JSON object per line and answers with the child's process id; how a child ended is written to the file the
order names. What it forks is the real thing; only the imports were done before.
"""

import asyncio
import ctypes
import gc
import json
import os
import selectors
import signal
import sys
import tempfile
import traceback
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve orders until the pipe closes; what was forked ends with this process."""
    for name in ("app.cli.main", "app.entry.runner", "app.entry.serve", "infra.hub.main", "tests.e2e.instrument"):
        import_module(name)
    asyncio.run(_warm_up())
    gc.collect()
    gc.freeze()  # or the first collection in each child would copy every page
    with selectors.DefaultSelector() as selector:
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.data:
                    selector.unregister(key.fileobj)
                    _reap(key.fd, *key.data)
                elif line := sys.stdin.readline():
                    order = json.loads(line)
                    child = _fork(order)
                    selector.register(os.pidfd_open(child), selectors.EVENT_READ, (child, Path(order["ended"])))
                else:
                    return


async def _warm_up() -> None:
    """Start a hub and stop it: what it compiles for that is compiled for all."""
    from infra.hub.server import start_hub  # noqa: PLC0415
    from infra.hub.settings import HubSettings  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        await (await start_hub(HubSettings(state_dir=Path(folder)))).stop()


def _fork(order: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        _become(order)
    print(child, flush=True)
    return child


def _reap(descriptor: int, child: int, ended: Path) -> None:
    """Write down how a child ended, and only then let its process id be given to others."""
    os.close(descriptor)
    found = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert found is not None
    new = ended.with_suffix(".new")
    new.write_text(str(found.si_status if found.si_code == os.CLD_EXITED else -found.si_status))
    new.replace(ended)
    os.waitpid(child, 0)


def _become(order: dict[str, Any]) -> None:
    status = 1
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _redirect(order["log"])
        os.chdir(order["cwd"])
        os.environ.clear()
        os.environ.update(order["env"])
        sys.argv = ["orch", *order["argv"]]
        _run(order)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _redirect(log: str) -> None:
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(target, 1)
    os.dup2(target, 2)


def _run(order: dict[str, Any]) -> None:
    from app.cli.main import main as run  # noqa: PLC0415
    from app.entry import serve as entry  # noqa: PLC0415
    from infra.hub import main as hub  # noqa: PLC0415
    from tests.e2e.instrument import Points, mutate  # noqa: PLC0415
    from tests.e2e.leaps import LeapingClock  # noqa: PLC0415

    if "points" in order:
        points = Points(Path(order["points"]), order["kill_at"])
        points.wrap_runner()
        mutate(order["mutation"])
        entry.serve = partial(entry.serve, wrap=points.wrap)
    if "clock" in order:
        clock = LeapingClock(Path(order["clock"]))
        entry.serve = partial(entry.serve, wrap=clock.wrap)
        hub.start_hub = partial(hub.start_hub, clock=clock.timestamp)  # type: ignore[attr-defined]
    run()


if __name__ == "__main__":
    main()

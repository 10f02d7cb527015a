"""A process with everything imported, which forks hubs and Orchs on demand: starting one costs no time to speak of.

It reads one JSON object per line and answers with the child's process id. What it forks is the real thing; only the
imports were done before.
"""

import asyncio
import ctypes
import gc
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve orders until the pipe closes; what was forked ends with this process."""
    import app.entry.runner  # noqa: PLC0415
    import app.entry.serve  # noqa: F401, PLC0415
    import infra.hub.main  # noqa: F401, PLC0415

    gc.collect()
    gc.freeze()  # or the first collection in each child would copy every page
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(order)
        print(child, flush=True)


def _become(order: dict[str, Any]) -> None:
    status = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        _redirect(order["log"])
        os.environ.clear()
        os.environ.update(order["env"])
        _run(order)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _redirect(log: str) -> None:
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(target, 1)
    os.dup2(target, 2)


def _run(order: dict[str, Any]) -> None:
    from app.entry.serve import serve  # noqa: PLC0415
    from app.log import configure  # noqa: PLC0415
    from app.settings import ServeSettings, read_settings  # noqa: PLC0415
    from infra.hub.main import run_hub  # noqa: PLC0415
    from infra.hub.settings import HubSettings  # noqa: PLC0415
    from tests.e2e.instrument import Points, mutate  # noqa: PLC0415

    if order["kind"] == "hub":
        run_hub(HubSettings(state_dir=Path(order["state"]), port=order["port"], webhook_url=order["webhook"]))
        return
    points = Points(Path(order["points"]), order["kill_at"])
    points.wrap_runner()
    mutate(order["mutation"])
    configure("info")
    asyncio.run(serve(read_settings(ServeSettings), wrap=points.wrap))


if __name__ == "__main__":
    main()

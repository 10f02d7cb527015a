"""Ministack in a process of its own whose clock can be put forward: each line of standard input adds seconds."""

import os
import sys
import threading
import time

_time = time.time
_late = 0.0


def _now() -> float:
    return _time() + _late


def _listen() -> None:
    global _late  # noqa: PLW0603 - the process has one clock
    for line in sys.stdin:
        _late += float(line)
        print("later", flush=True)
    os._exit(0)  # whoever started it is gone


time.time = _now
threading.Thread(target=_listen, daemon=True).start()

from ministack.app import main  # noqa: E402 - only now, so that it sees the clock

sys.argv[1:] = []
main()

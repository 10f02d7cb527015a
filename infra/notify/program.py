"""Sends one notice and ends; a program of its own, as the library takes 45 MB and can hang.

Reads from standard input one JSON object: `to` (addresses), `title` and `body` (null: only say whether the addresses
are understood). Prints for each address, as soon as that is known, a line of JSON: `index`, `failed` (null if not).
"""

import json
import logging
import signal
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

LAST_SECONDS = 60
"""After which it is killed whatever it does: whoever started it may have been killed himself."""


COMPLAINTS: ContextVar[list[str]] = ContextVar("COMPLAINTS")
"""What the library said of one address; it hands the context on to threads of its own."""


class Noting(logging.Handler):
    """Keeps what the library complains of."""

    def emit(self, record: logging.LogRecord) -> None:
        COMPLAINTS.get([]).append(record.getMessage())


def main() -> None:
    """Do what standard input says."""
    signal.alarm(LAST_SECONDS)
    asked = json.load(sys.stdin)
    _listen()
    _load()
    lock = threading.Lock()

    def do(index: int, address: str) -> None:
        line = json.dumps({"index": index, "failed": _send(address, asked["title"], asked["body"])})
        with lock:
            print(line, flush=True)

    with ThreadPoolExecutor(max(len(asked["to"]), 1)) as pool:
        for done in [pool.submit(do, index, address) for index, address in enumerate(asked["to"])]:
            done.result()


def _listen() -> None:
    logger = logging.getLogger("apprise")
    logger.addHandler(Noting(logging.WARNING))
    logger.propagate = False


def _load() -> None:
    """Load all kinds of addresses before there are threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import apprise  # noqa: PLC0415 - after what it says is listened to

        apprise.Apprise.instantiate("json://localhost")


def _send(address: str, title: str, body: str | None) -> str | None:
    """Return what went wrong, None if nothing did."""
    complaints: list[str] = []
    COMPLAINTS.set(complaints)
    import apprise  # noqa: PLC0415 - an optional part

    try:
        service: Any = apprise.Apprise.instantiate(address)
        if service is None:
            return "the library apprise does not understand this address"
        if body is None:
            return None
        told = apprise.Apprise()
        told.add(service)
        if told.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT):
            return None
    except Exception as error:
        return f"the library apprise failed: {type(error).__name__}"
    return "; ".join(complaints) or "the service did not take it"


if __name__ == "__main__":
    main()

"""Look, as an agent, for what only the runner may know; write down what was found and who was reached.

Executed by a plain Python without Orch: `python -I -c THIS TARGETS`, TARGETS being JSON.
"""
# It runs where pathlib may not be readable:
# ruff: noqa: PTH123, PTH208

import http.client
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

SECRET = re.compile(rb"canary-[a-z]+-[0-9a-f]{16}")
PLACES = ("environ", "cmdline", "auxv", "maps", "cgroup", "mountinfo")
GUESSES = (
    "/",
    "/v2",
    "/v2/credentials",
    "/v2/credentials/",
    "/v2/metadata",
    "/v3",
    "/v4",
    "/v4/task",
    "/task/credentials",
)
found = dict[str, str]()


def look(where: str, read: Callable[[], bytes]) -> bytes:
    """Note the secrets in what can be read."""
    try:
        data = read()
    except OSError:
        return b""
    for secret in SECRET.findall(data):
        found.setdefault(secret.decode(), where)
    return data


def content(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read(1 << 20)


def files(folder: str) -> Iterator[str]:
    yield folder
    for place, _, names in os.walk(folder):
        yield from (f"{place}/{name}" for name in names if os.path.isfile(f"{place}/{name}"))  # noqa: PTH113


def ask(host: str, port: int, url: str) -> bytes:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", url)
        return connection.getresponse().read()
    except http.client.HTTPException as error:
        raise OSError(str(error)) from error
    finally:
        connection.close()


def reach(host: str, port: int, before: str = "") -> int:
    """Guess paths, and try what was found by then; return how many answered."""
    known = [f"/{kind}/{secret}" for kind in ("v2/credentials", "v4") for secret in sorted(found)]
    urls = [f"{before}{path}" for path in (*GUESSES, *known)]
    return sum(bool(look(f"GET {url}", lambda url=url: ask(host, port, url))) for url in urls)  # type: ignore[misc]


def main(targets: dict[str, Any]) -> None:
    """Try every way."""
    look("its own environment", lambda: repr(dict(os.environ)).encode())
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in PLACES:
            look(f"/proc/PID/{name}", lambda path=f"/proc/{pid}/{name}": content(path))  # type: ignore[misc]
    for folder in targets["folders"]:
        for path in files(folder):
            look(os.path.basename(path), lambda path=path: content(path))  # type: ignore[misc]  # noqa: PTH119
    answered = reach("127.0.0.1", targets["port"])
    if proxy := os.environ.get("HTTP_PROXY"):
        host, _, port = proxy.rpartition("/")[2].partition(":")
        reach(host, int(port), f"http://127.0.0.1:{targets['port']}")
    with open("found.json", "w") as file:
        json.dump({"found": found, "answered": answered}, file)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))

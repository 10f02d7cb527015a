"""A container of Lambda: import a handler, hand it an event, then more; print how many milliseconds each took.

Its Python has started and knows JSON, as Lambda's own has before it imports anything of ours.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any


def run(module: str, event: dict[str, Any], more: int) -> list[float]:
    """Return the time of the first event, import included, and those of the ones after."""
    times = []
    begin = time.perf_counter()
    __import__(module)
    handler = sys.modules[module].web
    for number in range(1 + more):
        event["headers"]["x-github-delivery"] = f"d-{number}"
        answer = handler(event, None)
        times.append((time.perf_counter() - begin) * 1000)
        if answer["statusCode"] != 202:
            raise RuntimeError(f"it answered {answer}")
        begin = time.perf_counter()
    return times


if __name__ == "__main__":
    print(json.dumps(run(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), int(sys.argv[3]))))

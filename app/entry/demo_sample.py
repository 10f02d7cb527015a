"""The demo's sample: a small repository with a test that fails, and the issue that asks for its mending."""

import asyncio
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.local.user_git import UserGit
from runner.agents.base import SYSTEM_PATH

FILES = {
    "README.md": "# Widgets\n\nPrices of a basket of widgets, in cents.\n",
    ".gitignore": "__pycache__/\n",
    "basket.py": '''\
"""Prices of a basket, in cents."""


def total(prices, discount=0):
    """Return the sum of the prices, less a discount in percent."""
    return sum(prices)
''',
    "test_basket.py": """\
import unittest

from basket import total


class TotalTest(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(total([1000, 500]), 1500)

    def test_nothing_costs_nothing(self):
        self.assertEqual(total([]), 0)

    def test_discount(self):
        self.assertEqual(total([1000, 500], discount=10), 1350)
""",
}
TITLE = "The discount is ignored"
BODY = """\
`total([1000, 500], discount=10)` returns 1500 and should return 1350; `test_discount` fails for that reason.

```bash
sed -i 's|return sum(prices)$|return sum(prices) * (100 - discount) // 100|' basket.py
git diff
{python} -m unittest -v
```
"""
AUTHOR = {
    "GIT_AUTHOR_NAME": "writer",
    "GIT_AUTHOR_EMAIL": "writer@users.noreply.localhost",
    "GIT_COMMITTER_NAME": "writer",
    "GIT_COMMITTER_EMAIL": "writer@users.noreply.localhost",
}


@dataclass(frozen=True, slots=True)
class TestRun:
    """How a run of the sample's tests ended; `said` is its last lines in one."""

    passed: bool
    said: str


def make_sample(folder: Path, environment: Mapping[str, str]) -> None:
    """Make the repository, with one commit on `main`."""
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    git = UserGit(folder, {**environment, **AUTHOR})
    git("init", "--quiet", "--initial-branch=main")
    git("add", "--all")
    git("-c", "commit.gpgSign=false", "commit", "--quiet", "--message", "Sell widgets")


def issue_body() -> str:
    """Return the issue's text, with a Python that the agent finds."""
    python = "python3" if shutil.which("python3", path=SYSTEM_PATH) else sys.executable
    return BODY.format(python=python)


async def run_tests(folder: Path) -> TestRun:
    """Run the sample's tests as they lie in a folder."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-B", "-m", "unittest"),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    text = said.decode(errors="replace")
    count = re.search(r"^Ran \d+ tests?", text, re.MULTILINE)
    verdict = text.strip().rpartition("\n")[2]
    return TestRun(process.returncode == 0, f"{count[0] if count else 'no test ran'}: {verdict}")

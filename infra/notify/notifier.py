"""Slack, Discord, Telegram, mail and more, by the library apprise, which is an optional part of Orch."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec

from app.domain.errors import UserError
from app.domain.notices import Notice
from app.notify_rules import Rule
from app.ports import Told
from app.redaction import Redaction

SECONDS = 10.0
SECONDS_TO_CHECK = 30.0
LONGEST = 300
_PROGRAM = (sys.executable, "-P", "-m", "infra.notify.program")


@dataclass(frozen=True, slots=True)
class AppriseNotifier:
    """Tells by rules; what does not answer within `seconds` counts as failed, and is ended."""

    rules: Sequence[Rule]
    seconds: float = SECONDS

    async def send(self, notice: Notice) -> list[Told]:
        rules = [rule for rule in self.rules if rule.wants(notice)]
        if not rules:
            return []
        return await _run(rules, self.seconds, notice.title, f"{notice.text} {notice.url}")


async def open_notifier(rules: Sequence[Rule], seconds: float = SECONDS) -> AppriseNotifier | None:
    """Return what tells by the rules, None if there are none.

    Raises UserError if the library is not installed, or does not understand an address.
    """
    if not rules:
        return None
    if find_spec("apprise") is None:
        raise UserError(
            "ORCH_NOTIFY needs the library apprise, which is not installed: install orch-app[notify], or unset it"
        )
    wrong = [told for told in await _run(rules, SECONDS_TO_CHECK, "", None) if told.failed]
    if wrong:
        raise UserError("ORCH_NOTIFY: " + "; ".join(f"rule {told.rule}: {told.failed}" for told in wrong))
    return AppriseNotifier(rules, seconds)


async def _run(rules: Sequence[Rule], seconds: float, title: str, body: str | None) -> list[Told]:
    """Have the program do it, and hear what it says until the time is up."""
    asked = {"to": [rule.to.get_secret_value() for rule in rules], "title": title, "body": body}
    failed: dict[int, str | None] = {}
    missing = "the program that sends ended without a word"
    try:
        async with asyncio.timeout(seconds), _program(json.dumps(asked).encode()) as lines:
            async for line in lines:
                answer = json.loads(line)
                failed[answer["index"]] = answer["failed"]
    except TimeoutError:
        missing = f"no answer within {seconds:g} s"
    except (OSError, ValueError) as error:
        missing = f"the program that sends cannot be used: {type(error).__name__}"
    redaction = Redaction(secret for rule in rules for secret in rule.secrets())
    return [_told(rule, failed.get(index, missing), redaction) for index, rule in enumerate(rules)]


def _told(rule: Rule, failed: str | None, redaction: Redaction) -> Told:
    return Told(rule.name, failed if failed is None else " ".join(redaction.text(failed).split())[:LONGEST])


@asynccontextmanager
async def _program(asked: bytes) -> AsyncIterator[asyncio.StreamReader]:
    """Run the program, and leave none behind; an address never stands in its arguments."""
    child = await asyncio.create_subprocess_exec(
        *_PROGRAM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        with suppress(ConnectionError):
            child.stdin.write(asked)
            child.stdin.close()
        yield child.stdout
        await child.wait()
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()

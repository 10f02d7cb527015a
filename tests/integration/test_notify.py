"""Notices through the real library, to a server on this machine."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from app.domain.errors import UserError
from app.domain.notices import Kind, Notice
from app.notify_rules import Rule
from app.ports import Told
from infra.notify.notifier import AppriseNotifier, open_notifier
from tests.e2e.processes import ORCH

NOTICE = Notice(kinds=(Kind.DONE,), title="acme/widgets#12 is done", text="It was merged.", url="https://x.example/12")
TOKEN = "a1b2c3d4e5f6a7b8"


@dataclass(slots=True)
class Chat:
    """A service that takes messages, refuses them, or never answers; `heard` is what came, by path."""

    port: int = 0
    heard: list[tuple[str, Any]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.heard.append((request.path, await request.json()))
        if request.path == "/hang":
            await asyncio.Event().wait()
        return web.Response(status=500 if request.path == "/refuse" else 200)

    def rule(self, path: str, *on: Kind, user: str = "") -> Rule:
        return Rule(path, SecretStr(f"json://{user}127.0.0.1:{self.port}/{path}"), on or (Kind.DONE,))


@pytest.fixture
async def chat() -> AsyncIterator[Chat]:
    service = Chat()
    app = web.Application()
    app.router.add_post("/{path:.*}", service.answer)
    async with TestServer(app, host="127.0.0.1", handler_cancellation=True) as server:
        assert server.port
        service.port = server.port
        yield service


async def test_all_who_want_to_know_are_told_and_a_failure_says_why(chat: Chat) -> None:
    rules = (chat.rule("take"), chat.rule("unwanted", Kind.BUDGET), chat.rule("refuse", user=f"me:{TOKEN}@"))
    taken, refused = await AppriseNotifier(rules, seconds=60).send(NOTICE)
    assert taken == Told("take", None)
    assert (refused.rule, refused.failed is not None and "500" in refused.failed) == ("refuse", True)
    assert TOKEN not in repr(refused)
    assert sorted(path for path, _ in chat.heard) == ["/refuse", "/take"]
    [message] = [said for path, said in chat.heard if path == "/take"]
    assert (message["title"], message["message"]) == (NOTICE.title, "It was merged. https://x.example/12")


async def test_what_does_not_answer_is_ended_in_time(chat: Chat) -> None:
    told = await AppriseNotifier([chat.rule("hang?rto=50")], seconds=1).send(NOTICE)
    assert told == [Told("hang?rto=50", "no answer within 1 s")]


async def test_nobody_who_wants_to_know_is_nobody_told(chat: Chat) -> None:
    assert await AppriseNotifier([chat.rule("take", Kind.BUDGET)]).send(NOTICE) == []


async def test_no_rule_is_nobody_to_tell() -> None:
    assert await open_notifier([]) is None


async def test_an_address_that_is_none_is_told_at_the_start_and_not_repeated(chat: Chat) -> None:
    rules = [chat.rule("take"), Rule("ops", SecretStr(f"nosuch://{TOKEN}"), (Kind.DONE,))]
    with pytest.raises(UserError, match="ORCH_NOTIFY: rule ops: the library apprise does not understand") as caught:
        await open_notifier(rules)
    assert TOKEN not in str(caught.value)
    assert chat.heard == []


async def test_the_command_sends_by_every_rule_and_fails_if_one_does(chat: Chat, tmp_path: Path) -> None:
    rules = [chat.rule("take"), chat.rule("refuse", Kind.BUDGET)]
    given = ",".join(f'{{"to": "{rule.to.get_secret_value()}", "on": ["{rule.on[0]}"]}}' for rule in rules)
    env = {**os.environ, "ORCH_NOTIFY": f"[{given}]"}

    def run() -> subprocess.CompletedProcess[str]:
        argv = [str(ORCH), "notify", "test"]
        return subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    done = await asyncio.to_thread(run)
    assert (done.returncode, done.stderr) == (1, "")
    assert [line.split("\t")[:2] for line in done.stdout.splitlines()] == [
        ["result", "rule"],
        ["sent", "1 (json)"],
        ["failed", "2 (json)"],
    ]
    assert {said["title"] for _, said in chat.heard} == {"Orch can reach you"}

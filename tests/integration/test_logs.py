"""What is logged: no secret, in no form; every line of a task by one name; libraries in the same shape."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from app.redaction import HIDDEN, Redaction
from app.terminal import printable
from tests.e2e.world import World

SECRETS = {
    "installation token": "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
    "stateless installation token": "ghs_1234567_eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJnaC1hcHAifQ.dBjftJeZ4CVP-mB92K27",
    "personal token": "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "fine-grained token": "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz0123456789",
    "user token": "ghu_16C7e42F292c6912E7710c838347Ae178B4a",
    "app jwt": "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxMjM0NTY3In0.c2lnbmF0dXJlLW9mLWl0",
    "anthropic": "sk-ant-api03-AbCdEfGhIjKlMnOpQrSt-UvWxYz_0123456789",
    "openai": "sk-proj-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "old openai": "sk-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "google": "AIzaSyA1bC2dE3fG4hI5jK6lM7nO8pQ9rS0tU1v",
    "xai": "xai-AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "groq": "gsk_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "gitlab": "glpat-AbCdEfGhIjKlMnOpQrSt",
    "private key": "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\nq83vEjRWeJA=\n-----END RSA PRIVATE KEY-----",
    "half a private key": "-----BEGIN PRIVATE KEY-----\nMIIEowIBAAKCAQEA",
}
SHAPES = {
    "alone": "{}",
    "in a sentence": "it said: {}, and ended",
    "in quotes": "'{}'",
    "in json": '{{"value":"{}"}}',
    "in a path": "/tmp/{}/x",
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_found_by_its_form(secret: str, shape: str) -> None:
    said = Redaction().text(SHAPES[shape].format(SECRETS[secret]))
    body = SECRETS[secret].removeprefix("-----BEGIN ")
    assert (HIDDEN in said, [part for part in re.findall(r"[A-Za-z0-9]{10,}", body) if part in said]) == (True, [])


CARRIERS = {
    "header": ("Authorization: Bearer canary", "Authorization: Bearer [redacted]"),
    "header in a mapping": ("{'Authorization': 'token canary', 'A': 'b'}", "{'Authorization': '[redacted]', 'A': 'b'}"),
    "basic header": ("authorization: Basic canary==", "authorization: Basic [redacted]"),
    "url": ("fetch https://x-access-token:canary@host/o/r.git", "fetch https://[redacted]@host/o/r.git"),
    "url with a name only": ("https://canary@host/o", "https://[redacted]@host/o"),
    "query": ("GET /x?access_token=canary&page=2", "GET /x?access_token=[redacted]&page=2"),
}


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_secret_is_found_by_what_carries_it(carrier: str) -> None:
    text, wanted = CARRIERS[carrier]
    said = Redaction().text(text)
    assert said.replace("'token [redacted]'", "'[redacted]'") == wanted


@pytest.mark.parametrize(
    "text",
    [
        "task-abcdefghij-klmnopqrstuvwxyz was done",
        "orch/12-ask-somebody-who-knows-about-it",
        "https://host/owner/repo?page=2 and me@example.com",
        "1" * 40,
        "72d3162e-cc78-11e3-81ab-4c9367dc0958",
        "the Authorization header is missing",
    ],
)
def test_what_is_no_secret_is_left(text: str) -> None:
    assert Redaction().text(text) == text


@pytest.mark.parametrize("secret", ["It's a Secret to Everybody", 'quo"te\\d', "line one\nline two", "pass"])
def test_a_configured_secret_is_found_however_it_is_written(secret: str) -> None:
    redaction = Redaction([secret])
    for written in (secret, repr(secret), repr({"x": secret, "y": "'"}), json.dumps(secret), f"http://x/{secret}"):
        said = redaction.text(written)
        assert not any(part in said for part in re.split(r"[\n'\"\\]+", secret) if len(part) > 3), said


def test_secrets_are_found_inside_values_and_by_name() -> None:
    class Odd:
        def __repr__(self) -> str:
            return f"Odd({SECRETS['openai']})"

    nested = {"a": [{"push_token": "x", "tokens_in": 5}, (SECRETS["anthropic"],)], "b": Odd(), "c": True, "d": None}
    assert Redaction().value(nested) == {
        "a": [{"push_token": HIDDEN, "tokens_in": 5}, [HIDDEN]],
        "b": f"Odd({HIDDEN})",
        "c": True,
        "d": None,
    }


def test_a_terminal_is_not_commanded() -> None:
    assert printable("a\x1b[2Jb\r\n\u202ec\x9b") == "a\\x1b[2Jb\\r\\n\\u202ec\\x9b"


# A program that logs as Orch does, and as libraries do.
PROGRAM = """
import logging, sys, warnings
from app.log import bound, configure, log

configure(sys.argv[1], as_json=sys.argv[2] == "json", secrets=["canary-secret"])
with bound(task="o/r#1"):
    log().debug("small")
    log().info("plain", title="two\\nlines \\x1b[31m", headers={"Authorization": "Bearer canary-1"})
    try:
        raise ValueError("it was canary-secret, ghs_16C7e42F292c6912E7710c838347Ae178B4a")
    except ValueError as error:
        log().exception("failed", error=error)
        logging.getLogger("uvicorn.error").exception("lib %s", "canary-secret")
    logging.getLogger("aiohttp.server").warning("odd %s", {"token": "Authorization: token canary-2"})
    logging.getLogger("somebody").info("chatter")
    warnings.warn("canary-secret is old", UserWarning)
"""


def logged(level: str, shape: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, level, shape],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == ""
    return done.stderr


@pytest.mark.parametrize("shape", ["json", "text"])
def test_no_secret_is_logged_by_us_or_by_libraries(shape: str) -> None:
    said = logged("debug", shape)
    assert ("canary" in said, "ghs_" in said, "ValueError: it was [redacted], [redacted]" in said) == (
        False,
        False,
        True,
    )


def test_each_json_line_is_whole_and_names_the_task() -> None:
    lines: list[dict[str, Any]] = [json.loads(line) for line in logged("info", "json").splitlines()]
    assert [(line["event"].split(" ")[0], line["level"], line["task"]) for line in lines] == [
        ("plain", "info", "o/r#1"),
        ("failed", "error", "o/r#1"),
        ("lib", "error", "o/r#1"),
        ("odd", "warning", "o/r#1"),
        ("<string>:16:", "warning", "o/r#1"),
    ]
    assert [line.get("logger") for line in lines] == [None, None, "uvicorn.error", "aiohttp.server", "py.warnings"]
    assert lines[0]["title"] == "two\nlines \x1b[31m"


def test_text_for_people_forges_no_line_and_commands_no_terminal() -> None:
    first = logged("info", "text").splitlines()[0]
    assert ("plain" in first, "nlines" in first, "\x1b" in first) == (True, True, False)


def test_libraries_chatter_is_left_out_but_for_debugging() -> None:
    assert ["chatter" in logged(level, "text") for level in ("info", "debug")] == [False, True]


async def test_every_line_of_a_task_is_found_by_its_name_and_none_holds_a_secret(world: World, tmp_path: Path) -> None:
    """From the delivery to the push and the merge, with every log of every part at its most talkative."""
    await world.start_orch("serve", "--no-runner", LOG_LEVEL="debug", LOG_JSON="true")
    await world.start_orch("runner", wait=False, LOG_LEVEL="debug", LOG_JSON="true")
    number = await world.open_issue()
    await world.until_status(number, "in_review")
    await world.merge((await world.until_pull())["number"])
    await world.until_status(number, "done")
    await world.until_idle()
    for child in world.orch:
        await child.stop()

    said = world.log.read_text()
    lines = [json.loads(line) for line in said.splitlines()]
    own = [line for line in lines if line.get("task") == f"acme/widgets#{number}"]
    told = {line["event"] for line in own}
    assert told >= {"delivery taken", "decided", "run began", "step", "pushed", "run ended"}
    steps = [line["step"] for line in own if line["event"] == "step"]
    assert steps == ["preparing the workspace", "agent script works", "committing", "pushing"]
    run_ids = {line["run"] for line in lines if line.get("run")}
    assert {line.get("task") for line in lines if line.get("run") in run_ids} == {f"acme/widgets#{number}"}

    key = (tmp_path / "hub" / "app.pem").read_text()
    secrets = [world.about["webhook_secret"], *world.about["tokens"].values(), *key.splitlines()[1:-1]]
    assert [secret for secret in secrets if secret in said] == []
    assert re.findall(r"ghs_\w+|eyJ\w+\.|PRIVATE KEY|(?i:basic|bearer) \w{8,}", said) == []

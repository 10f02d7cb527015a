"""Examine a stack on AWS: its parts, the App that its secret names, and whether the two know of each other."""

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Mapping
from dataclasses import dataclass

import aiohttp
from pydantic import ValidationError

from app.domain.errors import Permanent, Retryable, UserError
from app.entry.check import Check, Result
from app.entry.deploy_parts import PARTS, examine_parts
from app.entry.doctor_app import examine_app
from app.github.inspection import open_inspection
from app.ports import Clock
from app.settings import ServeSettings
from infra.aws.clients import Clients, RefusedByAws
from infra.aws.secrets import KEYS, fetch

NEEDED = KEYS[:3]
OF_THE_APP = ("Secret", "WebhookUrl", "GithubApiUrl", "GithubWebUrl")
SETTINGS = {
    "AWS_EVENTS_QUEUE": "EventsQueue",
    "AWS_JOBS_QUEUE": "JobsQueue",
    "AWS_TABLE": "Table",
    "AWS_BUCKET": "Bucket",
    "AWS_SECRET": "Secret",
    "GITHUB_API_URL": "GithubApiUrl",
    "GITHUB_WEB_URL": "GithubWebUrl",
}
PING = b'{"zen": "Is anybody there?"}'
PING_SECONDS = 15.0
DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")


@dataclass(frozen=True, slots=True)
class Stack:
    """A stack by its name, and what it puts out."""

    name: str
    status: str
    outputs: Mapping[str, str]


async def read_stack(clients: Clients, name: str) -> Stack:
    """Return the stack; raises UserError if there is none of that name, or it is of another template."""
    try:
        found = (await clients.call("cloudformation", "describe_stacks", StackName=name))["Stacks"][0]
    except RefusedByAws as error:
        if error.code != "ValidationError":
            raise
        raise UserError(f"there is no stack {name} in this region and account; AWS_REGION says where to look") from None
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
    missing = [each for each in (*OF_THE_APP, *PARTS) if each not in outputs]
    if missing:
        raise UserError(
            f"the stack {name} ({found['StackStatus']}) puts out no {', '.join(missing)}: it is not, or not yet, what"
            " Orch's template makes; `make deploy` brings it up to date"
        )
    return Stack(name, found["StackStatus"], outputs)


def settings_for(stack: Stack) -> dict[str, str]:
    """Return what has commands, and `orch serve`, work on the stack: names and values for the environment."""
    names = {f"ORCH_{name}": stack.outputs[output] for name, output in SETTINGS.items()}
    return {"ORCH_BACKEND": "aws", **names}


async def examine_stack(stack: Stack, clients: Clients, clock: Clock) -> list[Check]:
    """Return what was found; what depends on something that failed is left out."""
    parts, app = await asyncio.gather(
        examine_parts(stack.name, stack.outputs, clients, clock), _collected(_app(stack, clients, clock))
    )
    return [_status(stack), *parts, *app]


def _status(stack: Stack) -> Check:
    if stack.status in DONE:
        return Check("stack", Result.OK, stack.status)
    return Check(
        "stack", Result.NOTE, stack.status, "the last change was not made; its events in CloudFormation say why"
    )


async def _collected(checks: AsyncIterator[Check]) -> list[Check]:
    return [check async for check in checks]


async def _app(stack: Stack, clients: Clients, clock: Clock) -> AsyncIterator[Check]:
    place, url = stack.outputs["Secret"], stack.outputs["WebhookUrl"]
    try:
        values = await fetch(clients, place)
    except (Permanent, Retryable) as error:
        yield Check("secret", Result.FAILED, str(error), f"see that you may read {place}")
        return
    settings = settings_of(stack, values)
    if isinstance(settings, str):
        yield Check("secret", Result.FAILED, settings, f"`orch deploy connect {stack.name}` sets it")
        return
    yield Check("secret", Result.OK, f"{', '.join(sorted(values))} are set in {place}")
    for check in await examine_app(settings, clock):
        if check.check != "key file":  # there is none
            yield check
    yield await _guarded("webhook address", _address(stack, settings, clock))
    yield await ping(url, values["webhook_secret"])


def settings_of(stack: Stack, values: Mapping[str, str]) -> ServeSettings | str:
    """Return settings with what the secret has of the App, or what is wrong with it."""
    missing = [name for name in NEEDED if not values.get(name)]
    if missing:
        return f"{', '.join(missing)} not set in {stack.outputs['Secret']}"
    try:
        return ServeSettings.model_validate(
            {
                **{name: values[name] for name in NEEDED},
                "github_api_url": stack.outputs["GithubApiUrl"],
                "github_web_url": stack.outputs["GithubWebUrl"],
                "agents": ["script"],  # none is started
            }
        )
    except ValidationError as error:
        wrong = sorted({str(item["loc"][0]) for item in error.errors(include_input=False, include_url=False)})
        return f"{', '.join(wrong)} in {stack.outputs['Secret']} is not what it should be"


async def _address(stack: Stack, settings: ServeSettings, clock: Clock) -> Check:
    """Compare where GitHub delivers to with where the stack listens."""
    wanted = stack.outputs["WebhookUrl"]
    async with open_inspection(settings.github_api_url, settings.app_id, settings.key(), clock) as inspection:
        given = (await inspection.hook()).url
    if given == wanted:
        return Check("webhook address", Result.OK, "GitHub delivers to this stack")
    advice = f"`orch deploy connect {stack.name}` sets it"
    return Check(
        "webhook address", Result.FAILED, f"GitHub delivers to {given or 'nowhere'} and not to {wanted}", advice
    )


async def ping(url: str, secret: str) -> Check:
    """Send what GitHub sends first, signed as it signs; nothing follows from it."""
    headers = {
        "content-type": "application/json",
        "x-github-delivery": "orch-deploy-check",
        "x-github-event": "ping",
        "x-hub-signature-256": "sha256=" + hmac.digest(secret.encode(), PING, "sha256").hex(),
    }
    limit = aiohttp.ClientTimeout(total=PING_SECONDS)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.post(url, data=PING, headers=headers, allow_redirects=False) as answer,
        ):
            status, said = answer.status, (await answer.text(errors="replace"))[:200]
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return Check("ping", Result.FAILED, f"{url}: {type(error).__name__}", "see the logs of the web function")
    if status == 200:
        return Check("ping", Result.OK, "answered")
    advice = "see the logs of the web function"
    if status == 401:
        advice = "a secret that was changed just now is known within a minute: try again then"
    return Check("ping", Result.FAILED, f"{url} answered {status}: {said}", advice)


async def _guarded(name: str, asked: Awaitable[Check]) -> Check:
    try:
        return await asked
    except (Permanent, Retryable) as error:
        return Check(name, Result.FAILED, str(error))

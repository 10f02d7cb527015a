"""Sending webhooks: one task that works off the pending deliveries, one at a time."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace

import aiohttp

from infra.hub.queueing import queues_settled
from infra.hub.records import App, Delivery
from infra.hub.webhooks import delivery_headers
from infra.hub.world import World

TIMEOUT = 10.0
BODY_LIMIT = 10_000


@dataclass(slots=True)
class Outcome:
    """What came of one attempt; a target that cannot be reached counts as 502, one too slow as 504."""

    status: str
    status_code: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


async def deliver_forever(world: World) -> None:
    """Send what is pending, in order, once each; whatever comes of it is logged and final."""
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
        while True:
            await world.changed.wait()
            world.changed.clear()
            while (delivery := _next(world)) is not None:
                await _deliver(world, session, delivery)


async def settled(world: World) -> None:
    """Wait until no change of refs is under way and no delivery is pending."""
    await queues_settled(world)
    await world.unlocked()
    while _next(world) is not None:
        world.sent.clear()
        await world.sent.wait()


def _next(world: World) -> Delivery | None:
    apps = world.state.rows(App)
    if not world.faults.on.webhook_shuffle:
        oldest = [found for app in apps if (found := world.state.first(Delivery, app.id, "pending")) is not None]
        return min(oldest, key=lambda delivery: delivery.id, default=None)
    waiting = [delivery for app in apps for delivery in world.state.rows(Delivery, app.id, "pending")]
    return world.faults.pick(waiting) if waiting else None


async def _delay(world: World, delivery: Delivery) -> None:
    """Hold a delivery back as long as the fault says; taking the fault away lets it go at once."""
    while (wait := delivery.created + world.faults.on.webhook_delay - world.now()) > 0:
        world.switched.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(world.switched.wait(), wait)


async def _deliver(world: World, session: aiohttp.ClientSession, delivery: Delivery) -> None:
    await _delay(world, delivery)
    on = world.faults.on
    app = world.state.load(App, delivery.app_id)
    headers = delivery_headers(app, delivery)
    started = time.monotonic()
    if app.hook_url is None:
        outcome = Outcome("failed to connect to host", 502)
    elif world.faults.chance(on.webhook_refuse_rate):
        outcome = Outcome("Service Unavailable", 503)
    else:
        outcome = await _send(session, app.hook_url, delivery, headers)
        if on.webhook_double:
            await _send(session, app.hook_url, delivery, headers)
    with world.state.transaction():
        world.state.put(
            replace(
                delivery,
                state="sent",
                status=outcome.status,
                status_code=outcome.status_code,
                duration=round(time.monotonic() - started, 3),
                delivered=world.now(),
                request_headers=headers,
                response_headers=outcome.headers,
                response_body=outcome.body,
            )
        )
    world.sent.set()


async def _send(session: aiohttp.ClientSession, url: str, delivery: Delivery, headers: dict[str, str]) -> Outcome:
    try:
        async with session.post(
            url, data=delivery.payload.encode(), headers=headers, allow_redirects=False
        ) as response:
            body = (await response.content.read(BODY_LIMIT)).decode(errors="replace")
            status = "OK" if response.status < 300 else response.reason or "failed"
            return Outcome(status, response.status, dict(response.headers), body)
    except TimeoutError:
        return Outcome("timed out", 504)
    except (aiohttp.ClientError, OSError, ValueError):
        return Outcome("failed to connect to host", 502)

"""The log of webhook deliveries, and sending one again."""

import json

from infra.hub.call import Call, Route
from infra.hub.errors import ApiError, not_found
from infra.hub.records import Delivery
from infra.hub.webhooks import redeliver
from infra.hub.wire import JSON, MAX_PER_PAGE, PER_PAGE, Answer, link_header, timestamp

FIRST_FAILURE = 400


async def list_deliveries(call: Call) -> Answer:
    """List deliveries that were tried, newest first; `cursor` is the id to start at."""
    found = [d for d in call.state.rows(Delivery, call.require_app().id, "sent") if _wanted(call, d)]
    found.sort(key=lambda delivery: delivery.id, reverse=True)
    cursor = call.query("cursor")
    if cursor:
        if not cursor.isdigit():
            raise ApiError(422, "Invalid cursor")
        found = [delivery for delivery in found if delivery.id <= int(cursor)]
    per_page = call.query("per_page")
    size = min(int(per_page), MAX_PER_PAGE) if per_page.isdigit() else PER_PAGE
    headers = {}
    if len(found) > size:
        headers["Link"] = link_header(call.request, [("next", found[size].id)], "cursor")
    return Answer(200, [show_delivery_item(delivery) for delivery in found[:size]], headers)


async def get_delivery(call: Call) -> Answer:
    app, delivery = call.require_app(), _find(call)
    return Answer(
        200,
        {
            **show_delivery_item(delivery),
            "url": app.hook_url or "",
            "request": {"headers": delivery.request_headers, "payload": json.loads(delivery.payload)},
            "response": {"headers": delivery.response_headers, "payload": delivery.response_body},
        },
    )


async def create_attempt(call: Call) -> Answer:
    delivery = _find(call)
    with call.state.transaction():
        redeliver(call.world, delivery)
    return Answer(202, {})


def show_delivery_item(delivery: Delivery) -> JSON:
    return {
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": timestamp(delivery.delivered),
        "redelivery": delivery.redelivery,
        "duration": delivery.duration,
        "status": delivery.status,
        "status_code": delivery.status_code,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": delivery.installation_id,
        "repository_id": delivery.repository_id,
        "throttled_at": None,
    }


def _wanted(call: Call, delivery: Delivery) -> bool:
    match call.query("status"):
        case "success":
            return delivery.status_code < FIRST_FAILURE
        case "failure":
            return delivery.status_code >= FIRST_FAILURE
        case _:
            return True


def _find(call: Call) -> Delivery:
    delivery = call.state.get(Delivery, call.number("delivery_id"))
    if delivery is None or delivery.app_id != call.require_app().id:
        raise not_found()
    return delivery


ROUTES: list[Route] = [
    ("GET", "/app/hook/deliveries", list_deliveries),
    ("GET", "/app/hook/deliveries/{delivery_id}", get_delivery),
    ("POST", "/app/hook/deliveries/{delivery_id}/attempts", create_attempt),
]

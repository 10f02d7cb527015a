"""Pages of the delivery log: which webhooks were sent, and what came of them."""

import json

from aiohttp import web

from infra.hub.errors import not_found
from infra.hub.pages.visit import PageHandler, Visit
from infra.hub.records import Delivery

PER_PAGE = 50


async def list_deliveries(visit: Visit) -> web.Response:
    """List deliveries, newest first; `before` is the id to stop short of."""
    before = visit.request.query.get("before", "")
    found = visit.world.state.latest(
        Delivery, PER_PAGE + 1, before=int(before) if before.isascii() and before.isdigit() else None
    )
    older = found[PER_PAGE - 1].id if len(found) > PER_PAGE else None
    return visit.page("deliveries.html.j2", deliveries=found[:PER_PAGE], older=older)


async def show_delivery(visit: Visit) -> web.Response:
    delivery = find_delivery(visit)
    payload = json.dumps(json.loads(delivery.payload), indent=2, ensure_ascii=False)
    return visit.page("delivery.html.j2", delivery=delivery, payload=payload)


def find_delivery(visit: Visit) -> Delivery:
    """Find the delivery of the path. Raises ApiError 404."""
    found = visit.world.state.get(Delivery, int(visit.param("delivery_id")))
    if found is None:
        raise not_found()
    return found


PAGES: dict[str, PageHandler] = {
    "/_hub/deliveries": list_deliveries,
    r"/_hub/deliveries/{delivery_id:\d{1,15}}": show_delivery,
}

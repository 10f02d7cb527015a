"""One run's account with the gateway: what it may reach and spend, and what it used so far."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol
from urllib.parse import urlsplit

from app.domain.outcomes import Usage
from runner.agents.base import Endpoint, Wire
from runner.gateway.counting import Told

NOTHING = Usage(tokens_in=0, tokens_out=0, tokens_cached=0, cost=Decimal(0))


class Price(Protocol):
    """Says what one call costs in US dollars, None if that is not known; see `runner.prices.price`."""

    def __call__(
        self, model: str, usage: Usage, provider: str | None = None, *, written: int = 0, written_1h: int = 0
    ) -> Decimal | None: ...


@dataclass(frozen=True, slots=True)
class Upstream:
    """A model server: `url` in the convention of its wire, `key` what the provider wants.

    Raises ValueError for a URL that is not just scheme, host and path, and for a key that no header can hold.
    """

    url: str
    key: str = field(repr=False)
    wire: Wire

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username is not None:
            raise ValueError("the address of a model server is http(s)://host[:port][/path]")
        if parts.query or parts.fragment:
            raise ValueError("the address of a model server has no query and no fragment")
        if not re.fullmatch(r"[\x21-\x7e]+", self.key):
            raise ValueError("the key of a model server is one word of printable ASCII")

    @property
    def host(self) -> str:
        return urlsplit(self.url).netloc


class Account:
    """What one run may do at the gateway, and did.

    `calls` counts the model calls that were passed on, `status` is the HTTP status that the last of them was answered
    with. `refusal` says why further calls are refused, None while they are not; `spent` is set when that is because a
    limit is reached, which the calls under way may overstep. `unmetered` says why usage is not fully known, if so: a
    limit then holds for the known part alone. `plain` is the server's wish not to be asked for usage, `connections` are
    those of the calls under way.
    """

    def __init__(
        self,
        upstream: Upstream,
        endpoint: Endpoint,
        price: Price,
        *,
        max_cost: Decimal | None = None,
        max_tokens: int | None = None,
        max_calls: int | None = None,
    ) -> None:
        self.upstream, self.endpoint = upstream, endpoint
        self.max_cost, self.max_tokens, self.max_calls = max_cost, max_tokens, max_calls
        self.calls = 0
        self.status: int | None = None
        self.refusal: str | None = None
        self.unmetered: str | None = None
        self.spent = asyncio.Event()
        self.plain = False
        self.connections: set[asyncio.Transport] = set()
        self._price = price
        self._known = NOTHING
        self._unknown: set[str] = set()

    @property
    def usage(self) -> Usage:
        """What the answers so far told; a field that one of them did not tell is None."""
        return self._known.model_copy(update=dict.fromkeys(self._unknown))

    @property
    def at_least(self) -> Usage:
        """The known part of the usage."""
        return self._known

    def refuse(self, reason: str) -> None:
        """Refuse every further call; the first reason stands."""
        self.refusal = self.refusal or reason

    def knock(self) -> str | None:
        """Return why a call that comes now is refused, None if it is not; one too many spends the account."""
        if self.max_calls is not None and self.calls >= self.max_calls:
            self.spent.set()
        return self.refusal

    def count(self, told: Told, models: Iterable[str]) -> None:
        """Add one answer, of a model under any of these names, and refuse further calls when a limit is reached."""
        used = told.usage.model_copy(update={"cost": self._cost(told, models)})
        self._unknown |= {name for name, value in used if value is None}
        self._known = Usage(**{name: total + (getattr(used, name) or 0) for name, total in self._known})
        self._check()

    def _cost(self, told: Told, models: Iterable[str]) -> Decimal | None:
        if told.usage.tokens_in is None or told.usage.tokens_out is None:
            self._doubt("an answer did not tell how many tokens it took")
            return None
        unlisted = "a model"
        for model in models:
            cost = self._price(model, told.usage, self.upstream.url, written=told.written, written_1h=told.written_1h)
            if cost is not None:
                return cost
            unlisted = model
        self._doubt(f"the price of {unlisted} is not known")
        return None

    def _doubt(self, reason: str) -> None:
        self.unmetered = self.unmetered or reason

    def _check(self) -> None:
        tokens, cost = (self._known.tokens_in or 0) + (self._known.tokens_out or 0), self._known.cost or Decimal(0)
        if self.max_cost is not None and cost >= self.max_cost:
            self._spend(f"the run has spent ${cost:.2f} of ${self.max_cost:.2f}")
        elif self.max_tokens is not None and tokens >= self.max_tokens:
            self._spend(f"the run has used {tokens:,} of {self.max_tokens:,} tokens")
        elif self.max_calls is not None and self.calls >= self.max_calls:
            self.refuse(f"the model has answered {self.calls} times, which is the limit")  # it may have been the last

    def _spend(self, reason: str) -> None:
        self.refuse(reason)
        self.spent.set()

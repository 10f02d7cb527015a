"""Read what an ACP agent writes, whatever it writes: what is not as the protocol has it counts as not there."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from runner.agents.reading import amount, count, mapping

_REQUEST = re.compile(rb'"method"\s*:\s*"session/request_permission"')
_ID = re.compile(rb'"id"\s*:\s*(\d{1,18}|"[\w.:-]{1,100}")\s*,')
_HEAD = 300


class Tokens(NamedTuple):
    """Tokens in, those of a cache too; tokens out; how many came from a cache. None is unknown."""

    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached: int | None = None

    def since(self, before: "Tokens") -> "Tokens":
        """Return what was used since then, if this counts over all of a session, as ACP wants it; else this.

        A figure that is lower than before shows that the agent counts anew for each prompt.
        """
        pairs = list(zip(self, before, strict=True))
        if any(now is not None and then is not None and now < then for now, then in pairs):
            return self
        return Tokens(*(None if now is None or then is None else now - then for now, then in pairs))


def cut_request(line: bytes) -> int | str | None:
    """Return the id of a permission request that was too long to come whole, so that it can be refused."""
    head = line[:_HEAD]
    found = _ID.search(head)
    if found is None or not _REQUEST.search(head):
        return None
    said = json.loads(found[1])
    return said if isinstance(said, int | str) else None


def dollars(cost: object) -> Decimal | None:
    """Return the amount of an ACP cost in US dollars; None if it is in no other way known."""
    said = mapping(cost)
    return amount(said.get("amount")) if said.get("currency") == "USD" else None


def answered(answer: Mapping[str, Any]) -> Tokens:
    """Return what the answer to a prompt says was used, by `usage` or by gemini's `_meta.quota`."""
    if usage := mapping(answer.get("usage")):
        return tokens(usage)
    quota = mapping(mapping(mapping(answer.get("_meta")).get("quota")).get("token_count"))
    return _known(Tokens(count(quota.get("input_tokens")), count(quota.get("output_tokens"))))


def tokens(usage: Mapping[str, Any]) -> Tokens:
    """Read a usage of ACP, which leaves open whether `inputTokens` holds those of a cache: the total tells."""
    read, written = count(usage.get("cachedReadTokens")), count(usage.get("cachedWriteTokens"))
    plain, out, total = (count(usage.get(name)) for name in ("inputTokens", "outputTokens", "totalTokens"))
    if plain is None or out is None:
        return Tokens(plain, out, read)
    apart = plain + (read or 0) + (written or 0)
    return _known(Tokens(apart if total is None or apart + out <= total else plain, out, read))


def _known(said: Tokens) -> Tokens:
    """Take a run without tokens for one that was not counted: opencode says so of a turn that was cancelled."""
    return said if said.tokens_in or said.tokens_out else Tokens()

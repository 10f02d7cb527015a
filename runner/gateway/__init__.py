"""The model gateway: agents speak with it under a token of their run, and it alone holds the provider's key."""

from runner.gateway.account import Account, Price, Upstream
from runner.gateway.server import Gateway

__all__ = ["Account", "Gateway", "Price", "Upstream"]

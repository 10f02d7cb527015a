"""The model gateway: agents speak with it under a token of their run, and it alone holds the provider's key.

`account` says what a run may reach and spend; `server` is the gateway, which nobody imports who needs none.
"""

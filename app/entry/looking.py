"""What a server does again and again besides its work."""

from app.entry.parts import Core, Ports, patiently
from app.log import log
from app.settings import ServeSettings
from app.turns import Turns

TEND_EVERY = 60.0
SWEEP = "sweep"
"""The turn that servers and functions over the same store take."""


async def look_for_missed(settings: ServeSettings, ports: Ports, core: Core, *, reconciled: bool) -> None:
    """Look for what no webhook told; servers that share the work take turns. `reconciled`: all was looked at once."""
    turns = Turns(ports.store, ports.clock)
    while True:
        await ports.clock.sleep(settings.redeliver_every if reconciled else settings.retry_base)
        try:
            if not reconciled:
                await patiently(core.reconcile, ports.clock)
                reconciled = True
            if not settings.is_on_aws or await turns.take(SWEEP, settings.redeliver_every):
                await core.reconcile.sweep()
        except Exception as error:  # it is tried again the next time, and stops nothing else
            log().warning("what was missed cannot be looked for now", reason=f"{type(error).__name__}: {error}")


async def tend_runners(ports: Ports) -> None:
    """Look after the runners."""
    while True:
        try:
            await ports.tend()
        except Exception as error:  # as above
            log().warning("the runners cannot be looked after now", reason=f"{type(error).__name__}: {error}")
        await ports.clock.sleep(TEND_EVERY)

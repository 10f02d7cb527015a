"""Who is told outside GitHub, in earnest and as a trial: for `orch serve` and `orch notify test`."""

from collections.abc import Sequence

from app.domain.errors import UserError
from app.domain.notices import trial
from app.entry.parts import WITHIN_LEASE
from app.notify_rules import Rules
from app.ports import Notifier, Told
from app.settings import ServeSettings, StateSettings
from infra.notify.notifier import SECONDS, open_notifier

SHARE = 1 / 3
"""Of the time that handling an event may take, what a notice may: else one that hangs would be sent without end."""


class NotifySettings(StateSettings):
    """What a trial needs."""

    notify: Rules = ()
    github_web_url: str = ServeSettings.model_fields["github_web_url"].default

    def secrets(self) -> tuple[str, ...]:
        """Return what in the addresses is secret."""
        return tuple(secret for rule in self.notify for secret in rule.secrets())


async def open_by_rules(settings: ServeSettings) -> Notifier | None:
    """Return what tells people by the operator's rules, None without rules; raises UserError if it cannot."""
    return await open_notifier(settings.notify, min(SECONDS, settings.event_lease * WITHIN_LEASE * SHARE))


async def try_rules(settings: NotifySettings) -> Sequence[Told]:
    """Send a notice by every rule, and return what came of it; raises UserError if there is no rule."""
    notifier = await open_notifier(settings.notify)
    if notifier is None:
        raise UserError("ORCH_NOTIFY is not set: there is no rule, so nobody is notified")
    return await notifier.send(trial(settings.github_web_url))

"""Examine the App: its key, this machine's clock, what it may, where it is installed, and whether webhooks arrive."""

import stat
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from app.domain.errors import Missing, Permanent, Retryable, Unauthorized, UserError
from app.domain.manifest import WEBHOOK_PATH, install_address, is_local, settings_address
from app.domain.permissions import EVENTS, NEEDED, lacking
from app.entry.check import Check, Result
from app.github.inspection import AppView, Attempt, HookView, Inspection, InstallationView, open_inspection
from app.ports import Clock
from app.settings import ServeSettings

MOST_OFF = 30.0
"""Seconds that the clock may be off: GitHub takes no signature from its own future, nor one that is over."""
REASONS = {
    401: "ORCH_WEBHOOK_SECRET is not the secret of the App's webhook: set it in both places to the same value",
    404: f"the address leads to something else: Orch takes deliveries at {WEBHOOK_PATH}",
    405: f"the address leads to something else: Orch takes deliveries at {WEBHOOK_PATH}",
}
UNREACHED = "start `orch serve`, and see that the address leads to its ORCH_PORT; what failed is delivered again then"


async def examine_app(settings: ServeSettings, clock: Clock) -> list[Check]:
    """Return what GitHub says of the App; what depends on something that failed is left out."""
    return [check async for check in _checks(settings, clock)]


async def _checks(settings: ServeSettings, clock: Clock) -> AsyncIterator[Check]:
    yield _key_file(settings)
    try:
        async with open_inspection(settings.github_api_url, settings.app_id, settings.key(), clock) as inspection:
            yield check_clock(await inspection.github_time(), clock.now())
            app = await inspection.app()
            yield Check("key", Result.OK, f"GitHub takes it as that of the App {app.slug}")
            async for check in _rest(settings, clock, inspection, app):
                yield check
    except (UserError, Retryable, Permanent) as error:
        yield _refusal(error, settings)


async def _rest(settings: ServeSettings, clock: Clock, inspection: Inspection, app: AppView) -> AsyncIterator[Check]:
    page = settings_address(settings.github_web_url, app.organization, app.slug)
    yield check_permissions(app, page)
    yield check_events(app, page)
    yield check_hook(await inspection.hook(), page, local=is_local(settings.github_web_url))
    yield check_deliveries(await inspection.attempts(), clock.now())
    installations = await inspection.installations()
    for installation in installations:
        yield check_installation(installation, app)
    if not installations:
        where = install_address(settings.github_web_url, app.slug)
        yield Check("installations", Result.NOTE, "the App is installed nowhere", f"install it at {where}")


def _key_file(settings: ServeSettings) -> Check:
    path = settings.private_key_file
    if path is None:
        return Check("key file", Result.OK, "none: ORCH_PRIVATE_KEY holds the key")
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        settings.key()
    except (OSError, UserError) as error:
        return Check("key file", Result.FAILED, f"{path}: {error}", "let Orch's user read it")
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Check("key file", Result.NOTE, f"other users of this machine may use {path}", f"chmod 600 {path}")
    return Check("key file", Result.OK, f"only its owner can read {path}")


def _refusal(error: Exception, settings: ServeSettings) -> Check:
    match error:
        case Unauthorized():
            advice = "ORCH_APP_ID and the key must be of the same App; a new key is made in the App's settings"
        case Missing():
            advice = f"look at ORCH_APP_ID ({settings.app_id}) and ORCH_GITHUB_API_URL ({settings.github_api_url})"
        case Retryable():
            advice = f"see that this machine reaches {settings.github_api_url} (ORCH_GITHUB_API_URL)"
        case _:
            advice = "see ORCH_PRIVATE_KEY_FILE and ORCH_GITHUB_API_URL"
    return Check("GitHub", Result.FAILED, str(error), advice)


def check_clock(theirs: datetime, ours: datetime) -> Check:
    """Compare GitHub's time, which is cut to whole seconds, with this machine's."""
    off = (ours - theirs).total_seconds() - 0.5
    if abs(off) <= MOST_OFF:
        return Check("clock", Result.OK, f"within {max(1, round(abs(off)))} s of GitHub's")
    way = "ahead of" if off > 0 else "behind"
    return Check(
        "clock",
        Result.FAILED,
        f"{abs(off):.0f} s {way} GitHub's",
        "set it by NTP: GitHub refuses what seems old or early",
    )


def check_permissions(app: AppView, page: str) -> Check:
    """Compare what the App asks for with what Orch needs."""
    name, why = "permissions of the App", {one.name: one.why for one in NEEDED}
    if missing := lacking(app.permissions):
        reasons = " ".join(why[one.partition(":")[0]] for one in missing)
        return Check(
            name, Result.FAILED, f"{', '.join(missing)} is missing. {reasons}", f"grant it at {page}/permissions"
        )
    needed = {one.name: one.access.value for one in NEEDED}
    if more := lacking(needed, app.permissions):
        return Check(name, Result.NOTE, f"Orch has no use for {', '.join(more)}", f"take it away at {page}/permissions")
    return Check(name, Result.OK, "all that is needed, and no more")


def check_events(app: AppView, page: str) -> Check:
    """Compare what the App is subscribed to with what Orch goes by."""
    missing = [event for event in EVENTS if event not in app.events]
    if missing:
        detail = f"GitHub tells nothing of: {', '.join(missing)}"
        return Check("events", Result.FAILED, detail, f"subscribe at {page}/permissions")
    return Check("events", Result.OK, f"subscribed to all {len(EVENTS)} that Orch goes by")


def check_hook(hook: HookView, page: str, *, local: bool) -> Check:
    """Look at where webhooks go; `local` says that GitHub is the imitation of it that runs here."""
    parts = urlsplit(hook.url)
    open_to_others = not local and (parts.scheme != "https" or not hook.checks_tls)
    faults = (
        (
            not hook.url,
            "the App has no webhook address",
            f"the address to your https one, with {WEBHOOK_PATH} at its end",
        ),
        (not local and is_local(hook.url), f"GitHub cannot reach {hook.url}", "the address to a public one"),
        (
            open_to_others,
            f"others can read what comes to {hook.url}",
            "the address to an https one, with SSL verification",
        ),
        (
            hook.content_type != "json",
            f"the content type is {hook.content_type}",
            "the content type to application/json",
        ),
        (not hook.signed, "it has no secret", "the secret to the value of ORCH_WEBHOOK_SECRET"),
    )
    for is_wrong, detail, change in faults:
        if is_wrong:
            return Check("webhook", Result.FAILED, detail, f"set {change} at {page}")
    if parts.path != WEBHOOK_PATH:
        return Check("webhook", Result.NOTE, hook.url, f"see that this leads to {WEBHOOK_PATH} of `orch serve`")
    return Check("webhook", Result.OK, hook.url)


def check_deliveries(attempts: Sequence[Attempt], now: datetime) -> Check:
    """Look at the latest deliveries, newest first; only the last one's failure says that something is wrong now."""
    if not attempts:
        return Check("deliveries", Result.NOTE, "none in the last days", "put a label on an issue, and look again")
    lost = Counter(f"{one.code} {one.status}".strip() for one in attempts if not one.succeeded)
    success = next((one.at for one in attempts if one.succeeded), None)
    last = f"the last success was {_ago(now - success)}" if success else "none succeeded"
    if not lost:
        return Check("deliveries", Result.OK, f"{len(attempts)} succeeded; {last}")
    counts = ", ".join(f"{count} times {reason}" for reason, count in lost.most_common())
    detail = f"{lost.total()} of the latest {len(attempts)} failed: {counts}; {last}"
    if attempts[0].succeeded:
        return Check("deliveries", Result.NOTE, detail, "the latest one succeeded: Orch has failed ones sent again")
    return Check("deliveries", Result.FAILED, detail, REASONS.get(attempts[0].code, UNREACHED))


def check_installation(installation: InstallationView, app: AppView) -> Check:
    """Compare what an account granted with what is needed, and with what the App asks for by now."""
    name = f"installation on {installation.account}"
    if installation.suspended:
        return Check(name, Result.NOTE, "suspended, so nothing is done there", f"end that at {installation.url}")
    pending = lacking(installation.permissions, app.permissions)
    accept = f"an owner of {installation.account} must accept it at {installation.url}"
    if missing := lacking(installation.permissions):
        asked = all(one in pending for one in missing)
        advice = accept if asked else "first grant it to the App itself, then have it accepted"
        return Check(name, Result.FAILED, f"not granted: {', '.join(missing)}", advice)
    if pending:
        return Check(name, Result.NOTE, f"the App asks for more: {', '.join(pending)}", accept)
    return Check(name, Result.OK, "all that is needed is granted")


def _ago(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if count := seconds // size:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return f"{seconds} s ago"

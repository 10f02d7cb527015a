"""Put the parts together: one place where adapters meet ports."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from app.apply import Apply
from app.briefing import Briefing
from app.budgets import Budgets
from app.config_files import ConfigFiles
from app.cursor import Cursor
from app.domain.errors import Missing, Permanent, Retryable, Unauthorized
from app.domain.facts import Identity
from app.domain.policy import Policy
from app.domain.router import Mode
from app.entry.backends import nothing, open_backend
from app.entry.shown_log import log_shower
from app.github.api import open_github
from app.github.payloads import parse_webhook
from app.leases import Leases
from app.log import bound, log
from app.notifying import Notifying
from app.plan_effects import PlanEffects
from app.ports import Artifacts, Clock, EventQueue, GitHub, JobQueue, Notifier, Router, Runs, Store
from app.process import Process, parser
from app.pull_effects import PullEffects
from app.rebuild import Rebuild
from app.reconcile import Reconcile
from app.records import Records
from app.replay import Replay
from app.runs import LocalRuns
from app.settings import ServeSettings, provider_key
from app.signing import Signing
from app.standings import Standings
from handlers.registry import HANDLERS
from handlers.snapshot import SnapshotLoader
from infra.local.clock import SystemClock

T = TypeVar("T")
Wrap = Callable[[str, Any], Any]
AGAIN = 2.0
SELDOM = 15.0
SHARE = 1 / 3
"""Of the time that handling an event may take, what a model may take that is asked about a task."""
WITHIN_LEASE = 0.75
"""The share of an event's lease that handling it may take."""
TURN = 0.5
"""Of that, the share after which no further effect is begun: each may wait for GitHub."""


def plain(name: str, part: Any) -> Any:
    """Leave a part as it is; the default of `wrap`."""
    return part


@dataclass(frozen=True, slots=True)
class Ports:
    """The adapters of one process. Each of `checks` raises when what it is named for cannot be used.

    `tend` looks after the runners, each minute.
    """

    events: EventQueue
    jobs: JobQueue
    store: Store
    artifacts: Artifacts
    github: GitHub
    clock: Clock
    stop_receiving: Callable[[], None]
    checks: Mapping[str, Callable[[], Awaitable[object]]]
    tend: Callable[[], Awaitable[None]] = nothing


@dataclass(frozen=True, slots=True)
class Core:
    """What works on the ports."""

    process: Process
    reconcile: Reconcile
    runs: Runs


@asynccontextmanager
async def open_ports(settings: ServeSettings, wrap: Wrap = plain) -> AsyncIterator[Ports]:
    """Open the back end and GitHub. `wrap` may put something around each port, by its name."""
    clock: Clock = wrap("clock", SystemClock())
    async with (
        open_backend(settings, clock) as backend,
        open_github(
            settings.github_api_url, settings.app_id, settings.key(), clock, write_gap=settings.write_gap
        ) as github,
    ):
        yield Ports(
            events=wrap("events", backend.events),
            jobs=wrap("jobs", backend.jobs),
            store=wrap("store", backend.store),
            artifacts=wrap("artifacts", backend.artifacts),
            github=wrap("github", github),
            clock=clock,
            stop_receiving=backend.stop_receiving,
            checks={**backend.checks, "github": github.identity},
            tend=backend.tend,
        )


async def build_core(
    settings: ServeSettings, ports: Ports, wrap: Wrap = plain, notifier: Notifier | None = None
) -> Core:
    """Ask GitHub who the App is, and build what works on the ports; with a `notifier`, people are told by it."""
    identity = await _who_we_are(settings, ports)
    log().info("connected to GitHub", app=identity.slug, bot=identity.bot_login)
    policy, keyring = settings.policy(), settings.keyring()
    records, leases = Records(ports.store), Leases(ports.store)
    configs = ConfigFiles(records, ports.github, policy.agents)
    reconcile = Reconcile(
        github=ports.github,
        events=ports.events,
        clock=ports.clock,
        policy=policy,
        configs=configs,
        records=records,
        cursor=Cursor(ports.store),
        replay=Replay(ports.github, identity, policy.agents),
    )
    standings, signing = Standings(ports.github, ports.clock), Signing(ports.github, records, ports.clock)
    apply = Apply(
        records=records,
        leases=leases,
        github=ports.github,
        events=ports.events,
        jobs=ports.jobs,
        artifacts=ports.artifacts,
        clock=ports.clock,
        identity=identity,
        policy=policy,
        keyring=keyring,
        reconcile=reconcile,
        pulls=PullEffects(ports.github, ports.events, ports.clock, identity, policy, signing),
        plans=PlanEffects(ports.github, ports.artifacts, identity, keyring),
        show_log=log_shower(ports.artifacts),
        notifying=_notifying(settings, notifier),
        router=await _router(settings),
        turn=settings.event_lease * WITHIN_LEASE * TURN,
    )
    rebuild = Rebuild(ports.github, identity, keyring)
    loader = SnapshotLoader(records, ports.github, rebuild, ports.clock, identity, policy, configs, standings)
    process = Process(
        handlers=HANDLERS,
        parse=parser(parse_webhook),
        loader=loader,
        records=records,
        apply=apply,
        events=ports.events,
        clock=ports.clock,
        policy=policy,
        deadline=settings.event_lease * WITHIN_LEASE,
    )
    return Core(process, reconcile, wrap("runs", _runs(settings, ports, identity, policy, standings)))


async def open_notifier(settings: ServeSettings) -> Notifier | None:
    """Return what tells people outside GitHub; None if nobody is to be told."""
    if not settings.notify:
        return None
    from app.entry.notifying import open_by_rules  # noqa: PLC0415 - off by default, and memory is short

    return await open_by_rules(settings)


async def _router(settings: ServeSettings) -> Router | None:
    """Return what asks a model about new tasks, None if none is to be asked; raises UserError if it cannot."""
    router = settings.router
    if router.mode is not Mode.LLM or router.llm is None:
        return None
    from infra.router.asking import open_router  # noqa: PLC0415 - off by default, and memory is short

    return await open_router(router.llm, provider_key(router.llm.key), settings.event_lease * WITHIN_LEASE * SHARE)


def _notifying(settings: ServeSettings, notifier: Notifier | None) -> Notifying:
    kinds = frozenset(kind for rule in settings.notify for kind in rule.on)
    return Notifying(notifier, kinds if notifier else frozenset(), settings.github_web_url)


def _runs(settings: ServeSettings, ports: Ports, identity: Identity, policy: Policy, standings: Standings) -> Runs:
    records = Records(ports.store)
    configs = ConfigFiles(records, ports.github, policy.agents)
    return LocalRuns(
        records=records,
        leases=Leases(ports.store),
        events=ports.events,
        artifacts=ports.artifacts,
        github=ports.github,
        clock=ports.clock,
        identity=identity,
        policy=policy,
        configs=configs,
        briefing=Briefing(ports.github, ports.artifacts, standings, identity),
        budgets=Budgets(records, ports.clock),
        web_url=settings.github_web_url,
    )


async def _who_we_are(settings: ServeSettings, ports: Ports) -> Identity:
    try:
        with bound(address=settings.github_api_url):
            identity: Identity = await patiently(ports.github.identity, ports.clock, min(AGAIN, settings.retry_base))
    except Unauthorized as error:
        raise Permanent(
            "GitHub does not take the App's key: ORCH_APP_ID and ORCH_PRIVATE_KEY(_FILE) must be of the same App, and"
            f" this machine's clock right ({error})"
        ) from error
    except Missing as error:
        raise Permanent(
            f"GitHub knows no such App: look at ORCH_APP_ID ({settings.app_id}) and ORCH_GITHUB_API_URL"
            f" ({settings.github_api_url}) ({error})"
        ) from error
    except Permanent as error:
        raise Permanent(f"is {settings.github_api_url} GitHub's API? See ORCH_GITHUB_API_URL ({error})") from error
    return identity


async def patiently(ask: Callable[[], Any], clock: Clock, again: float = AGAIN) -> Any:
    """Repeat a question until GitHub answers it, ever more seldom; what stays wrong is raised at once."""
    while True:
        try:
            return await ask()
        except Retryable as error:
            wait = error.delay if error.delay is not None else again
            log().warning("GitHub does not answer yet; it will be asked again", reason=str(error), seconds=wait)
            await clock.sleep(wait)
            again = min(2 * again, SELDOM)

"""`.orch.yml` of a repository: read again when it may have changed, and kept while it is good."""

from app.domain.config import FILE, RepoFile, resolve
from app.domain.config_check import follow
from app.domain.effects import CreateLabels, Decision, Effect, OpenOnboarding, Send, nothing
from app.domain.events import ConfigPushed, ConfigWanted, SlotsLimited
from app.domain.labels import is_same_label
from app.domain.snapshot import Handler, Need, Snapshot


def config_pushed(event: ConfigPushed, snapshot: Snapshot) -> Decision:
    """Have the file read in the group that knows it."""
    return Decision(f"`{FILE}` may have changed", effects=(Send(event=ConfigWanted(repository=event.repository)),))


def config_wanted(event: ConfigWanted, snapshot: Snapshot) -> Decision:
    """Take over what the file says now, and what follows from it at once: the trigger's label, the limit on slots."""
    assert snapshot.found is not None
    before, now = snapshot.file, follow(snapshot.file or RepoFile(), snapshot.found, snapshot.policy.agents)
    shown = _onboarding(event, snapshot)
    if now == before:
        return Decision(f"there is no `{FILE}` yet", effects=shown) if shown else nothing(f"`{FILE}` is as it was")
    problems = "; ".join(str(problem) for problem in now.problems)
    why = f"`{FILE}` cannot be followed: {problems}" if problems else f"`{FILE}` was read"
    return Decision(why, now, (*_consequences(event, before or RepoFile(), now, snapshot), *shown))


def _onboarding(event: ConfigWanted, snapshot: Snapshot) -> tuple[OpenOnboarding, ...]:
    """Show what the file may say where Orch is new, and there is none."""
    assert snapshot.found is not None
    wanted = event.new and snapshot.found.text is None and snapshot.policy.onboarding
    return (OpenOnboarding(repository=event.repository),) if wanted else ()


def _consequences(event: ConfigWanted, before: RepoFile, now: RepoFile, snapshot: Snapshot) -> tuple[Effect, ...]:
    was, is_ = resolve(snapshot.policy, before), resolve(snapshot.policy, now)
    effects: list[Effect] = []
    if not is_same_label(is_.policy.trigger, was.policy.trigger):
        effects.append(CreateLabels(repository=event.repository, trigger=is_.policy.trigger))
    if is_.parallel != was.parallel:
        effects.append(Send(event=SlotsLimited(repository_id=event.repository.id, most=is_.parallel)))
    return tuple(effects)


HANDLERS = (
    Handler(ConfigPushed, frozenset(), config_pushed),
    Handler(ConfigWanted, frozenset({Need.FILE}), config_wanted),
)

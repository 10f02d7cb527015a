"""Issues that leave their repository: transferred or deleted."""

from dataclasses import replace

from infra.hub.act import Act, send_issue
from infra.hub.linking import carry_links, drop_links
from infra.hub.records import Comment, Departed, Issue, Label, Repository
from infra.hub.shapes.issues import labels_of, show_issue
from infra.hub.shapes.repositories import show_repository


def transfer(act: Act, issue: Issue, target: Repository) -> Issue:
    """Move an issue with its comments to another repository, where it gets a number of its own.

    Labels stay on as far as the other repository has labels of the same names.
    """
    world, state = act.world, act.world.state
    there = [state.find(Label, label.name, target.id) for label in labels_of(world, issue)]
    arrived = replace(
        issue,
        id=state.new_id(),
        repository_id=target.id,
        number=state.count_up(f"number/{target.id}"),
        label_ids=[label.id for label in there if label is not None],
    )
    old = {
        "old_issue": show_issue(world, act.repository, issue),
        "old_repository": show_repository(world, act.repository),
    }
    state.put(arrived)
    carry_links(act, issue, arrived)
    if target.owner_id != act.repository.owner_id:
        drop_links(act, arrived)
    for comment in state.rows(Comment, issue.id):
        state.put(replace(comment, repository_id=target.id, issue_id=arrived.id))
    new = {"new_issue": show_issue(world, target, arrived), "new_repository": show_repository(world, target)}
    send_issue(act, issue, "transferred", changes=new)
    send_issue(replace(act, repository=target), arrived, "opened", changes=old)
    _leave(act, issue, arrived.id)
    return arrived


def delete(act: Act, issue: Issue) -> None:
    """Delete an issue and what is under it."""
    send_issue(act, issue, "deleted")
    drop_links(act, issue)
    for comment in act.world.state.rows(Comment, issue.id):
        act.world.state.delete(comment)
    _leave(act, issue, None)


def _leave(act: Act, issue: Issue, target_id: int | None) -> None:
    state = act.world.state
    state.delete(issue)
    state.put(Departed(state.new_id(), act.repository.id, issue.number, target_id))

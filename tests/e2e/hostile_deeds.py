"""What hostile people, and senders of forged webhooks, do on the stage."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from tests.e2e.hostile_stage import EVIL, Stage


async def a_triager_labels(stage: Stage) -> None:
    await stage.world.label(stage.plain, "orch", await stage.person("triage"))


async def a_form_labels(stage: Stage) -> None:
    """Open an issue that has the label from its first moment, by somebody who may not start work."""
    issue = {"title": "Form", "body": EVIL, "labels": ["orch"]}
    path = f"/repos/{stage.world.repository}/issues"
    await stage.world.call("POST", path, issue, await stage.person("triage"))


async def a_bot_labels(stage: Stage) -> None:
    await stage.world.label(stage.plain, "orch", await stage.person("bot"))


async def a_triager_wishes_for_a_merge(stage: Stage) -> None:
    who = await stage.person("triage")
    await stage.world.label(stage.review, "automerge", who)
    await take_off(stage, stage.review, "automerge", who)


async def a_triager_says_it_is_done(stage: Stage) -> None:
    await stage.world.label(stage.review, "status:done", await stage.person("triage"))


async def a_triager_takes_the_status_off(stage: Stage) -> None:
    await take_off(stage, stage.parked, "status:needs_review", await stage.person("triage"))


async def take_off(stage: Stage, number: int, label: str, who: str) -> None:
    path = f"/repos/{stage.world.repository}/issues/{number}/labels/{label}"
    await stage.world.call("DELETE", path, None, who)


async def its_author_edits_the_issue(stage: Stage) -> None:
    path = f"/repos/{stage.world.repository}/issues/{stage.review}"
    await stage.world.call("PATCH", path, {"title": "Closes #1", "body": EVIL}, stage.author)


async def a_stranger_reviews(stage: Stage) -> None:
    threads = [{"path": "hello.txt", "line": 1, "body": EVIL}]
    await review(stage, {"event": "REQUEST_CHANGES", "body": EVIL, "comments": threads})


async def a_stranger_approves(stage: Stage) -> None:
    await review(stage, {"event": "APPROVE", "body": "/merge"})


async def review(stage: Stage, said: dict[str, Any]) -> None:
    path = f"/repos/{stage.world.repository}/pulls/{stage.pull}/reviews"
    await stage.world.call("POST", path, said, await stage.person("none"))


async def a_named_bot_merges_without_rights(stage: Stage) -> None:
    await stage.world.say(stage.pull, "/merge", await stage.person("none", "named[bot]"))


async def a_command_goes_in_and_out(stage: Stage) -> None:
    comment = await stage.world.say(stage.parked, "/why")
    for body in ["nothing", "/why"] * 30:
        await edit(stage, comment, body, "writer")


async def a_writer_mends_what_a_stranger_said(stage: Stage) -> None:
    comment = await stage.world.say(stage.pull, "/merge plase", await stage.person("none"))
    await stage.rest()
    await edit(stage, comment, "/merge please", "writer")


async def edit(stage: Stage, comment: int, body: str, who: str) -> None:
    path = f"/repos/{stage.world.repository}/issues/comments/{comment}"
    await stage.world.call("PATCH", path, {"body": body}, who)


async def the_living_comment_is_another(stage: Stage) -> None:
    await overwrite(stage, lambda living: "Mine now.\n\n/merge")


async def its_marker_is_changed(stage: Stage) -> None:
    await overwrite(stage, lambda living: living[stage.parked].replace('"attempt":1', '"attempt":0'))


async def its_marker_is_another_issues(stage: Stage) -> None:
    await overwrite(stage, lambda living: living[stage.review])


async def its_marker_is_an_older_one(stage: Stage) -> None:
    await overwrite(stage, lambda living: stage.older)


async def its_boxes_are_all_sorts(stage: Stage) -> None:
    boxes = "- [x] `/merge`\n- [x] `/cancel`\n- [x] `/approve`\n- [X] `/stop`\n"
    await overwrite(stage, lambda living: boxes + living[stage.parked])


async def overwrite(stage: Stage, new: Callable[[dict[int, str]], str]) -> None:
    """Have an administrator of the repository put something else in the place of a living comment."""
    found = {number: await stage.living(number) for number in (stage.parked, stage.review)}
    body = new({number: comment["body"] for number, comment in found.items()})
    await edit(stage, found[stage.parked]["id"], body, await stage.person("admin"))


async def it_is_signed_with_another_secret(stage: Stage) -> None:
    await deliver(stage, "created", await said(stage, "/merge"), secret="another")


async def it_is_not_signed(stage: Stage) -> None:
    await deliver(stage, "created", await said(stage, "/merge"), **{"X-Hub-Signature-256": ""})


async def it_is_signed_as_long_ago(stage: Stage) -> None:
    await deliver(stage, "created", await said(stage, "/merge"), **{"X-Hub-Signature-256": f"sha1={'0' * 40}"})


async def its_id_is_a_path(stage: Stage) -> None:
    await deliver(stage, "created", await said(stage, "/merge"), guid="../../queue.db")


async def it_is_no_object(stage: Stage) -> None:
    await stage.deliver("issue_comment", ["/merge"], guid=str(uuid4()))


async def it_lacks_what_is_needed(stage: Stage) -> None:
    payload = {**await said(stage, "/merge"), "comment": {"body": "/merge"}}
    await deliver(stage, "created", payload, guid="lacks-what-is-needed")


async def the_bot_seems_to_say_it(stage: Stage) -> None:
    """Let a comment of Orch's seem to be made that holds the true marker of another issue."""
    payload = await said(stage, (await stage.living(stage.review))["body"], number=stage.plain)
    bot = (await stage.living(stage.review))["user"]
    await deliver(stage, "created", {**payload, "comment": {**payload["comment"], "user": bot}, "sender": bot})


async def the_bot_seems_to_be_edited(stage: Stage) -> None:
    """Let a comment of Orch's that there is not seem to be edited by somebody who may write."""
    payload = await said(stage, "- [x] `/retry`", number=stage.parked)
    comment = {**payload["comment"], "user": (await stage.living(stage.review))["user"], "id": 1}
    await deliver(stage, "edited", {**payload, "comment": comment}, before="- [ ] `/retry`")


async def a_triager_seems_to_tick_a_box(stage: Stage) -> None:
    living, who = await stage.living(stage.parked), await stage.person("triage")
    ticked = {**living, "body": living["body"].replace("- [ ]", "- [x]")}
    payload = await said(stage, "", number=stage.parked, who=who)
    await deliver(stage, "edited", {**payload, "comment": ticked}, before=living["body"])


async def the_bot_seems_to_tick_a_box(stage: Stage) -> None:
    living = await stage.living(stage.parked)
    ticked = {**living, "body": living["body"].replace("- [ ]", "- [x]")}
    payload = {**await said(stage, "", number=stage.parked), "comment": ticked, "sender": living["user"]}
    await deliver(stage, "edited", payload, before=living["body"])


async def it_is_delivered_again(stage: Stage) -> None:
    payload, guid = await spoken(stage), str(uuid4())
    for _ in range(2):
        await deliver(stage, "created", payload, guid=guid)
        await stage.rest()


async def it_is_delivered_under_another_id(stage: Stage) -> None:
    await deliver(stage, "created", await spoken(stage))


async def an_edit_lies_about_what_was_there(stage: Stage) -> None:
    await deliver(stage, "edited", await spoken(stage), before="Nothing of the sort.")


async def a_label_that_is_off_is_told_of(stage: Stage) -> None:
    payload = {**await said(stage, ""), "label": {"name": "orch"}}
    payload["issue"] = await stage.world.read(f"/issues/{stage.plain}")
    await stage.deliver("issues", {**payload, "action": "labeled"}, guid=str(uuid4()))


async def an_open_issue_is_told_to_be_closed(stage: Stage) -> None:
    payload = await said(stage, "", number=stage.parked)
    await stage.deliver("issues", {**payload, "action": "closed"}, guid=str(uuid4()))


async def spoken(stage: Stage) -> dict[str, Any]:
    """Let a writer say something that is followed, and return what its webhook held."""
    comment = await stage.world.say(stage.parked, "/why")
    await stage.rest()
    payload = await said(stage, "/why", number=stage.parked)
    return {**payload, "comment": await stage.world.read(f"/issues/comments/{comment}")}


async def said(stage: Stage, body: str, *, number: int = 0, who: str = "writer") -> dict[str, Any]:
    """Return the payload of a comment that nobody wrote; `number` 0 is that of the pull request."""
    issue = await stage.world.read(f"/issues/{number or stage.pull}")
    sender = await stage.world.call("GET", f"/users/{who}")
    times = {"created_at": issue["created_at"], "updated_at": issue["updated_at"]}
    return {
        "issue": issue,
        "comment": {"id": uuid4().int % 10**9, "body": body, "user": sender, **times},
        "repository": await stage.world.read(""),
        "installation": {"id": stage.world.about["installation_id"]},
        "sender": sender,
    }


async def deliver(
    stage: Stage,
    action: str,
    payload: dict[str, Any],
    *,
    before: str | None = None,
    guid: str = "",
    secret: str | None = None,
    **headers: str,
) -> None:
    changes = {} if before is None else {"changes": {"body": {"from": before}}}
    told = {**payload, "action": action, **changes}
    await stage.deliver("issue_comment", told, guid=guid or str(uuid4()), secret=secret, **headers)

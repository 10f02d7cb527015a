"""What people write who may not, or do not mean it: nothing changes that should not, and each has a reason to read."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e import hostile_deeds as deeds
from tests.e2e.forked import Zygote
from tests.e2e.hostile_stage import EVIL, Stage, new_stage
from tests.e2e.test_mend import listed
from tests.e2e.world import new_world

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_WRITE = "only people with write access to this repository start or steer work"
BOTS = "bots start and steer no work unless the operator names them"
NOTHING_SAID = "the comment says nothing to Orch"
REFUSED = ["eyes", "confused"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote, template: Path) -> AsyncIterator[Stage]:
    """One world for all rows: none of them leaves anything that another one would trip over."""
    async with new_world(tmp_path_factory.mktemp("hostile"), zygote.launch, template) as world:
        yield await new_stage(world)


@dataclass(frozen=True, slots=True)
class Said:
    """A comment by somebody with a role, on one of the stage's issues, and what is answered (else logged) to it."""

    who: str
    where: str
    body: str
    reason: str
    answered: bool = False


def refused(who: str, where: str, body: str, what: str = "", reason: str = NO_WRITE) -> Said:
    return Said(who, where, body, f"{what or f'`{body.split(maxsplit=1)[0]}`'} was not done: {reason}.", answered=True)


def inert(body: str, reason: str = NOTHING_SAID, where: str = "pull", who: str = "writer") -> Said:
    """Make a row of a comment that holds no command, though one could think so."""
    return Said(who, where, body, reason)


FENCE = "```"
SAID = {
    "a stranger merges": refused("none", "pull", "/merge"),
    "a stranger stops the agent": refused("none", "working", "/stop"),
    "a stranger cancels": refused("read", "review", "/cancel"),
    "a stranger starts an issue": refused("none", "plain", "/ok-to-run"),
    "a stranger has it tried again": refused("none", "parked", f"/retry\n\n{EVIL}"),
    "a stranger mentions": refused("none", "plain", f"@orch do this\n\n{EVIL}", "what you ask for"),
    "a triager approves": refused("triage", "parked", "/approve"),
    "a triager approves money": refused("triage", "parked", "/approve budget 9999"),
    "a triager chooses the agent": refused("triage", "parked", "/agent script"),
    "a triager reads the log": refused("triage", "parked", "/log"),
    "a bot merges": inert("/merge", BOTS, who="bot"),
    "a bot mentions": inert(f"@orch {EVIL}", BOTS, "plain", "bot"),
    "a stranger tells the agent at work": inert(f"Do this:\n\n{EVIL}", NO_WRITE, "working", "none"),
    "65,536 characters of commands": refused("none", "pull", ("/merge\n" * 10_000)[:65_536], "`/merge`"),
    "200 commands": refused("none", "parked", "\n".join(f"/retry number {n}" for n in range(200)), "`/retry`"),
    "in a code fence": inert(f"{FENCE}\n/merge\n{FENCE}"),
    "in a fence that is not closed": inert(f"{FENCE}\n/merge\n"),
    "in a fence inside a fence": inert(f"{FENCE}`\n{FENCE}\n/merge\n{FENCE}\n/cancel\n{FENCE}`"),
    "in a fence of a list item": inert(f"* so:\n\n  {FENCE}\n  /merge\n  {FENCE}"),
    "in indented code": inert("So:\n\n    /merge\n"),
    "in a quotation": inert("> /merge\n"),
    "in a quotation's lazy line": inert("> as he said:\n/merge\n"),
    "in a comment of HTML": inert("<!--\n/merge\n-->"),
    "in preformatted HTML": inert("<pre>\n\n/merge\n\n</pre>"),
    "in inline code": inert("`\n/merge\n`"),
    "in a heading": inert("# /merge"),
    "in a table": inert("| a |\n| - |\n| /merge |"),
    "behind a word": inert("please /merge"),
    "broken by a zero-width space": inert("/me\u200brge"),
    "begun by a zero-width space": inert("\u200b/merge"),
    "with a full-width slash": inert("\uff0fmerge"),
    "with a slash as an entity": inert("&#47;merge"),
    "turned around": inert("\u202eegrem/"),
    "with letters of another script": inert("/m\u0435rge"),
    "by an address of mail": inert("write to me@orch and x@orch.example"),
}


@pytest.mark.parametrize("row", SAID.values(), ids=SAID.keys())
async def test_what_is_said(stage: Stage, row: Said) -> None:
    who = row.who if row.who == "writer" else await stage.person(row.who)
    number = getattr(stage, row.where)

    comment = 0

    async def say() -> None:
        nonlocal comment
        comment = await stage.world.say(number, row.body, who)

    changed = await stage.watch(say)
    assert changed == ([f"#{number} by orch[bot]"] if row.answered else [])
    assert row.reason in (stage.told if row.answered else stage.logged)
    assert await stage.world.reactions(comment) == (REFUSED if row.answered else [])


NOT_TAKEN = f"put the label `orch` on, but {NO_WRITE}. The label was taken off again."
UNSIGNED = "401 the signature is missing or wrong"
PUT_BACK = "edited this comment; it was put back, because it follows the work."
DONE: dict[str, tuple[Callable[[Stage], Awaitable[None]], list[str], str]] = {
    "a triager labels": (deeds.a_triager_labels, ["{plain} by orch[bot]"], NOT_TAKEN),
    "a form labels for a stranger": (deeds.a_form_labels, ["{new} by orch[bot]"], NOT_TAKEN),
    "a bot labels": (deeds.a_bot_labels, [], BOTS),
    "a triager wishes for a merge": (
        deeds.a_triager_wishes_for_a_merge,
        ["{review} living"],
        f"changed the label `automerge`, which does nothing: {NO_WRITE}",
    ),
    "a triager says it is done": (deeds.a_triager_says_it_is_done, ["{review} living"], "moved a status label by hand"),
    "a triager takes the status off": (
        deeds.a_triager_takes_the_status_off,
        ["{parked} living"],
        "moved a status label by hand; it was put back",
    ),
    "its author edits the issue": (
        deeds.its_author_edits_the_issue,
        ["{review}", "{review} living"],
        "Orch follows the text as it was then",
    ),
    "a stranger asks for changes": (deeds.a_stranger_reviews, [], NO_WRITE),
    "a stranger approves": (deeds.a_stranger_approves, [], "approved the pull request"),
    "a named bot without rights merges": (
        deeds.a_named_bot_merges_without_rights,
        ["{pull} by orch[bot]"],
        f"`/merge` was not done: {NO_WRITE}",
    ),
    "a command goes in and out 30 times": (
        deeds.a_command_goes_in_and_out,
        ["{parked} by orch[bot]"],
        "the task is `needs_review`",
    ),
    "a writer mends what a stranger said": (
        deeds.a_writer_mends_what_a_stranger_said,
        ["{pull} by orch[bot]"],
        "the comment was edited by somebody else than its author",
    ),
    "the living comment is another": (deeds.the_living_comment_is_another, ["{parked} living"], PUT_BACK),
    "its marker is changed": (deeds.its_marker_is_changed, ["{parked} living"], PUT_BACK),
    "its marker is another issue's": (deeds.its_marker_is_another_issues, ["{parked} living"], PUT_BACK),
    "its marker is an older one": (deeds.its_marker_is_an_older_one, ["{parked} living"], PUT_BACK),
    "boxes that are not offered": (deeds.its_boxes_are_all_sorts, ["{parked} living"], PUT_BACK),
    "a webhook signed with another secret": (deeds.it_is_signed_with_another_secret, [], UNSIGNED),
    "a webhook that is not signed": (deeds.it_is_not_signed, [], UNSIGNED),
    "a webhook signed with SHA-1": (deeds.it_is_signed_as_long_ago, [], UNSIGNED),
    "a delivery whose id is a path": (deeds.its_id_is_a_path, [], "400 X-GitHub-Delivery"),
    "a payload that is no object": (deeds.it_is_no_object, [], "400 the body is not a JSON object"),
    "a payload that lacks what is needed": (deeds.it_lacks_what_is_needed, [], "webhook issue_comment: KeyError"),
    "a marker that the bot seems to write": (deeds.the_bot_seems_to_say_it, [], "Orch wrote it itself"),
    "a comment of the bot's that is not its": (
        deeds.the_bot_seems_to_be_edited,
        [],
        "what Orch wrote itself says nothing to it",
    ),
    "a box that a triager ticks": (
        deeds.a_triager_seems_to_tick_a_box,
        ["{parked} by orch[bot]"],
        f"`/retry` was not done: {NO_WRITE}",
    ),
    "a box that the bot ticks": (deeds.the_bot_seems_to_tick_a_box, [], "Orch wrote it itself"),
    "a webhook again": (deeds.it_is_delivered_again, ["{parked} by orch[bot]"], "202 taken before"),
    "a webhook under another id": (
        deeds.it_is_delivered_under_another_id,
        ["{parked} by orch[bot]"],
        "the comment was followed before",
    ),
    "an edit that lies about what was there": (
        deeds.an_edit_lies_about_what_was_there,
        ["{parked} by orch[bot]"],
        "the comment was followed before",
    ),
    "a label that is off": (deeds.a_label_that_is_off_is_told_of, [], "the label taken off meanwhile"),
    "an open issue told to be closed": (
        deeds.an_open_issue_is_told_to_be_closed,
        [],
        "the issue was reopened meanwhile",
    ),
}


@pytest.mark.parametrize(("act", "changed", "reason"), DONE.values(), ids=DONE.keys())
async def test_what_is_done(
    stage: Stage, act: Callable[[Stage], Awaitable[None]], changed: list[str], reason: str
) -> None:
    seen = await stage.watch(lambda: act(stage))
    assert seen == [one.format(**stage.names) for one in changed]
    assert reason in stage.told + stage.logged + stage.answers


async def test_what_cannot_be_understood_is_set_aside_with_its_reason(stage: Stage) -> None:
    await deeds.it_lacks_what_is_needed(stage)
    await stage.rest()
    rows = await listed(stage.world, "queue", "dlq")
    assert {row["reason"] for row in rows} == {"webhook issue_comment: KeyError: 'user'"}

"""Comments: who is heard, what is followed once, who is answered how often."""

import pytest

from app.domain.buttons import buttons_of
from app.domain.command_words import Word
from app.domain.commands import key_of, read_comment
from app.domain.comment import render_comment
from app.domain.effects import AddComment, Decision, KeepText, React, Send, Tell, UpsertComment, nothing
from app.domain.events import Commented
from app.domain.facts import Actor, CutOff, Permission
from app.domain.instructions import MOST_WAITING, Kind
from app.domain.names import digest_of
from app.domain.policy import Policy
from app.domain.powers import BOTS_REFUSED
from app.domain.record import MOST_HEARD, MOST_KEYS, MergeWish, TaskRecord
from app.domain.strategies.starting import SHOW
from app.domain.task import Status
from handlers.comments import HANDLERS, OTHERS_WORDS, commented, not_on_ours, not_ours, pull_commented
from tests.unit import build
from tests.unit.build import POLICY, ROBOT, RUN, SELF, STRANGER, TASK

ON_ISSUE, ON_PULL = HANDLERS
NO_WRITE = "only people with write access to this repository start or steer work"
REVIEWED = build.record(Status.IN_REVIEW, pull=30, head_sha=build.SHA)
STOPPED = "`writer` stopped it. `/resume` goes on with it, in the same session where the agent can."
EYES, ROCKET, CONFUSED = (React(task=TASK, comment_id=50, reaction=name) for name in ("eyes", "rocket", "confused"))


def decide(
    event: Commented, record: TaskRecord | None, permission: Permission = Permission.WRITE, policy: Policy = POLICY
) -> Decision:
    return commented(event, build.snapshot(record, build.issue("orch"), permission, policy=policy))


def keys(body: str) -> tuple[str, ...]:
    said = read_comment(body, bot="orch", agents=("script",))
    mention = () if said.mention is None else (said.mention,)
    return tuple(key_of(part) for part in (*said.commands, *said.mistakes, *mention))


def after(decision: Decision) -> TaskRecord:
    assert isinstance(decision.record, TaskRecord)
    return decision.record


def reply(decision: Decision) -> AddComment:
    [found] = [effect for effect in decision.effects if isinstance(effect, AddComment)]
    return found


def test_a_command_is_seen_followed_and_remembered() -> None:
    decision = decide(build.commented("/stop"), REVIEWED)
    paused = build.record(Status.PAUSED, why=STOPPED, pull=30, head_sha=build.SHA, stop_keeps=True)
    followed = paused.hear(50, keys("/stop"))
    assert decision == Decision("`writer` said /stop", followed, (EYES, *SHOW, ROCKET))


def test_i2_what_was_followed_is_not_followed_again_under_another_delivery() -> None:
    for body in ("/stop", "/retry shorter", "/stpo", "@orch why?"):
        once = after(decide(build.commented(body), REVIEWED))
        for now in (once, build.record().hear(50, keys(body))):
            assert decide(build.commented(body), now) == nothing("the comment was followed before")


def test_commands_are_followed_in_their_order() -> None:
    decision = decide(build.commented("/agent script\n/retry\n/log"), build.record(Status.NEEDS_REVIEW))
    assert decision.why == "`writer` said /agent, /retry, /log"
    assert after(decision).status is Status.ROUTED
    assert reply(decision).body == "`writer`, `/log` did nothing: the task had no run yet."
    assert decision.effects[-1] == CONFUSED


def test_a_mistake_is_explained() -> None:
    decision = decide(build.commented("/stpo"), REVIEWED)
    assert decision.why == "`writer` said what is no command"
    assert "Did you mean `/stop`?" in reply(decision).body
    assert (after(decision), decision.effects[-1]) == (REVIEWED.hear(50, keys("/stpo")), CONFUSED)


def test_one_answer_holds_all_that_is_to_be_said() -> None:
    decision = decide(build.commented("/deny\n/stop\n/deny\n/review"), build.record(Status.PAUSED))
    assert reply(decision).body.count("did nothing") == 3
    assert reply(decision).key.startswith("reply-50-")


def test_a_mention_is_followed() -> None:
    decision = decide(build.commented("@orch make it shorter"), REVIEWED)
    assert decision.why == "`writer` said something to Orch by its name"
    assert [one.kind for one in after(decision).instructions] == [Kind.MENTION]


def test_where_there_is_no_task_nothing_is_remembered() -> None:
    decision = decide(build.commented("/why"), None)
    assert (decision.record, reply(decision).body[:41]) == (None, "`writer`, this issue is no task of Orch's")


def test_a_task_that_a_comment_makes_remembers_it() -> None:
    assert after(decide(build.commented("/ok-to-run"), None)).has_heard(50) == {*keys("/ok-to-run")}


@pytest.mark.parametrize("permission", [Permission.NONE, Permission.READ])
@pytest.mark.parametrize(
    ("body", "what"), [("/stop", "`/stop`"), ("/approve budget 5", "`/approve`"), ("@orch do it", "What you ask for")]
)
def test_i7_only_people_with_write_access_instruct(body: str, what: str, permission: Permission) -> None:
    decision = decide(build.commented(body, STRANGER), build.record(), permission)
    said = AddComment(
        task=TASK, key="refused-12", body=f"`stranger`, {what[:1].lower()}{what[1:]} was not done: {NO_WRITE}."
    )
    assert decision.effects == (EYES, said, CONFUSED)
    assert after(decision) == build.record().hear(50, keys(body))


def test_i12_strangers_are_answered_once_whatever_they_say() -> None:
    decisions = [
        decide(build.commented(body, STRANGER, number), REVIEWED, Permission.READ)
        for number, body in enumerate(("/why", "/orch", "/stop", "/stpo"), 50)
    ]
    assert {reply(decision).key for decision in decisions} == {"refused-12"}


def test_people_who_may_read_are_told_how_things_stand() -> None:
    decision = decide(build.commented("/why", STRANGER), REVIEWED, Permission.READ)
    assert decision.effects[-1] == ROCKET
    refused = decide(build.commented("/why", STRANGER), REVIEWED, Permission.NONE)
    assert "only people with access to this repository are answered" in reply(refused).body


def test_i7_a_budget_is_approved_by_those_who_approve_budgets() -> None:
    policy = POLICY.model_copy(update={"budget_approvers": ("admin",)})
    decision = decide(build.commented("/approve budget 5"), build.record(), policy=policy)
    assert after(decision).allowance is None
    assert "only people with the role `admin` approve budgets here" in reply(decision).body
    allowed = decide(build.commented("/approve budget 5"), build.record(), Permission.ADMIN, policy)
    assert after(allowed).allowance == 5


def test_an_edited_comment_has_only_what_is_new_in_it_followed() -> None:
    edited = build.commented("/agent script\n/stop", before="/agent script")
    decision = decide(edited, REVIEWED)
    assert decision.why == "`writer` said /stop"
    assert after(decision).has_heard(50) == {*keys("/stop")}
    untouched = build.commented("/agent script  \nThanks!", before="/agent script")
    assert decide(untouched, REVIEWED) == nothing("the comment was followed before")


def test_i12_a_comment_is_not_followed_for_ever_however_often_it_is_edited() -> None:
    record = REVIEWED
    for number in range(2 * MOST_KEYS):
        decision = decide(build.commented(f"/stpo {number}", STRANGER, before="Hm."), record, Permission.READ)
        record = decision.record if isinstance(decision.record, TaskRecord) else record
    assert len(record.has_heard(50)) == MOST_KEYS
    assert decide(build.commented("/stop"), record) == nothing("the comment was followed before")


def test_i2_comments_older_than_what_is_remembered_are_not_followed() -> None:
    record = REVIEWED
    for number in range(50, 51 + MOST_HEARD):
        record = record.hear(number, ("k",))
    assert decide(build.commented("/stop"), record) == nothing("the comment was followed before")
    assert decide(build.commented("/stop", number=49), record) == nothing("the comment was followed before")
    assert decide(build.commented("/stop", number=99), record).why == "`writer` said /stop"


SAID = "Mind the umlauts."
TOLD = build.instruction(f"comment-50-{digest_of('', SAID)[:8]}", digest=digest_of("", SAID))


def test_what_is_said_while_an_agent_works_is_told_to_it() -> None:
    decision = decide(build.commented(SAID), build.record())
    effects = (EYES, KeepText(digest=TOLD.digest, title="", body=SAID), Tell(run_id=RUN, instructions=(TOLD,)))
    expected = build.record(instructions=(TOLD,))
    assert decision == Decision("`writer` said something while the agent works", expected, (*effects, UpsertComment()))
    assert decide(build.commented(SAID), expected) == nothing("the comment was told before")


def test_who_says_more_than_is_kept_for_the_agent_is_told_so() -> None:
    waiting = tuple(build.instruction(f"comment-{number}-1") for number in range(MOST_WAITING))
    decision = decide(build.commented(SAID), build.record(instructions=waiting))
    reply, reaction = decision.effects
    assert (decision.why, decision.record) == ("the comment was not kept for the agent", None)
    assert isinstance(reply, AddComment)
    assert reply.body.startswith("`writer`, Orch keeps 20 instructions for the agent, and that many wait already")
    assert reaction == React(task=TASK, comment_id=50, reaction="confused")


@pytest.mark.parametrize(
    ("event", "record", "why"),
    [
        (build.commented(SAID), None, "the comment says nothing to Orch"),
        (build.commented(SAID), REVIEWED, "the comment says nothing to Orch"),
        (build.commented(SAID, before="Mind."), build.record(), "the comment says nothing to Orch"),
        (build.commented(" \n"), build.record(), "the comment says nothing to Orch"),
    ],
    ids=["no task", "nobody works", "edited", "empty"],
)
def test_other_comments_are_among_people(event: Commented, record: TaskRecord | None, why: str) -> None:
    assert decide(event, record) == nothing(why)


def test_i7_what_strangers_say_while_an_agent_works_is_not_told() -> None:
    assert decide(build.commented(SAID, STRANGER), build.record(), Permission.READ) == nothing(NO_WRITE)


def test_nothing_is_followed_where_orch_cannot_write() -> None:
    record = build.record(Status.PAUSED, cut_off=CutOff.ARCHIVED)
    assert decide(build.commented("/resume"), record) == nothing("Orch cannot write here")


def test_on_a_pull_request_answers_go_there() -> None:
    decision = decide(build.on_pull("/deny"), REVIEWED)
    there = build.task(30)
    assert [getattr(effect, "task", None) for effect in decision.effects] == [there, there, there]


def test_another_pull_request_of_the_branch_means_nothing() -> None:
    assert decide(build.on_pull("/stop", pull=31), REVIEWED) == nothing("the pull request is not the task's")


@pytest.mark.parametrize("actor", [SELF, SELF.model_copy(update={"is_bot": False})])
def test_i7_orchs_own_comments_instruct_nobody(actor: Actor) -> None:
    assert not_ours(build.commented(actor=actor), build.snapshot()) == "Orch wrote it itself"


def test_i7_bots_instruct_only_by_name() -> None:
    named = build.snapshot(policy=POLICY.model_copy(update={"bots": ("Robot[bot]",)}))
    assert not_ours(build.commented(actor=ROBOT), build.snapshot()) == BOTS_REFUSED
    assert not_ours(build.commented(actor=ROBOT), named) is None
    assert not_ours(build.commented(), build.snapshot()) is None


@pytest.mark.parametrize(
    ("body", "record", "settled"),
    [
        ("Hm.", REVIEWED, True),
        ("Hm.", build.record(), False),
        ("/stop", REVIEWED, False),
        ("Hi @orch", REVIEWED, False),
    ],
)
def test_talk_among_people_costs_no_question(body: str, record: TaskRecord, settled: bool) -> None:
    assert ON_ISSUE.settled(build.commented(body), record) is settled


def test_where_the_store_has_no_task_only_what_is_said_to_orch_is_looked_into() -> None:
    known = [ON_ISSUE.only_known(build.commented(body), build.snapshot()) for body in ("a/b", "/why", "@orch hi")]
    assert known == [True, False, False]
    ticked = build.commented("- [x] `/retry`: another attempt", author_id=SELF.id)
    assert not ON_ISSUE.only_known(ticked, build.snapshot())


LIVING = build.record(Status.NEEDS_REVIEW, comment_id=77)


def tick(
    record: TaskRecord | None, *words: Word, body: str | None = None, permission: Permission = Permission.WRITE
) -> Decision:
    """Tick boxes in the living comment, or write another text there."""
    before = render_comment(record or LIVING, build.KEYRING)
    after = before
    for word in words:
        after = after.replace(f"- [ ] `/{word.value}`", f"- [x] `/{word.value}`")
    event = build.commented(body or after, number=77, before=before, author_id=SELF.id)
    return decide(event, record, permission)


def test_a_box_that_is_ticked_is_a_command() -> None:
    decision = tick(LIVING, Word.RETRY)
    assert (decision.why, after(decision).status) == ("`writer` ticked /retry", Status.ROUTED)
    assert decision.effects[-1] == UpsertComment()
    stopped = tick(build.record(comment_id=77), Word.STOP)
    assert (after(stopped).status, stopped.effects.count(UpsertComment())) == (Status.PAUSED, 1)


def test_i7_a_box_is_ticked_by_those_who_may() -> None:
    decision = tick(LIVING, Word.RETRY, permission=Permission.READ)
    assert after(decision) == LIVING
    assert (NO_WRITE in reply(decision).body, decision.effects[-1]) == (True, UpsertComment())


def test_what_else_is_changed_in_the_living_comment_is_put_back() -> None:
    notice = "`writer` edited this comment; it was put back, because it follows the work."
    expected = Decision("the living comment was edited", LIVING.change(notice=notice), (UpsertComment(),))
    assert tick(LIVING, body="/retry") == expected
    assert tick(LIVING.change(asked=build.QUESTION), body="- [x] `/retry`: another attempt").record == (
        LIVING.change(asked=build.QUESTION, notice=notice)
    )


@pytest.mark.parametrize(
    "decision",
    [
        tick(None, Word.RETRY),
        tick(LIVING.change(comment_id=78), Word.RETRY),
        decide(build.commented("/retry", author_id=SELF.id, number=77), LIVING),
    ],
    ids=["no task", "another comment", "not edited"],
)
def test_i7_what_orch_wrote_itself_instructs_nobody(decision: Decision) -> None:
    assert decision == nothing("what Orch wrote itself says nothing to it")


def test_every_box_that_is_offered_does_something() -> None:
    asked = LIVING.change(asked=build.QUESTION)
    records = [*(build.record(status, comment_id=77) for status in Status), asked]
    for record in records:
        for word in buttons_of(record):
            assert not any(isinstance(one, AddComment) for one in tick(record, word).effects), (record.status, word)


MINE = build.pull(head_branch="orch/12-add-a-greeting", head_repository_id=1)


def test_a_comment_on_a_pull_request_is_told_to_its_task() -> None:
    decision = pull_commented(build.pull_commented(before="Hm."), build.snapshot(pull=MINE))
    told = build.on_pull("/stop", before="Hm.")
    assert decision == Decision("somebody spoke on the task's pull request", effects=(Send(event=told),))


def test_where_the_pull_request_names_its_issue_the_task_says_whether_it_is_its() -> None:
    decision = pull_commented(build.pull_commented(task_number=12), build.snapshot())
    assert decision.effects == (Send(event=build.on_pull("/stop")),)


@pytest.mark.parametrize(
    "changes", [None, {"head_branch": "feature"}, {"head_repository_id": 2}, {"head_repository_id": None}]
)
def test_i7_a_pull_request_that_is_not_orchs_tells_no_task(changes: dict[str, object] | None) -> None:
    pull = None if changes is None else MINE.model_copy(update=changes)
    assert pull_commented(build.pull_commented(), build.snapshot(pull=pull)) == nothing(
        "the pull request is not Orch's"
    )


def test_pull_requests_that_others_opened_cost_no_question() -> None:
    assert not_on_ours(build.pull_commented(pull_author_id=11), build.snapshot()) == "the pull request is not Orch's"
    assert not_on_ours(build.pull_commented(actor=SELF), build.snapshot()) == "Orch wrote it itself"
    assert not_on_ours(build.pull_commented(), build.snapshot()) is None
    assert ON_PULL.skip is not_on_ours


def test_i7_what_others_make_of_a_persons_comment_is_not_followed() -> None:
    edited = build.commented("/stop", before="/stpo", author_id=STRANGER.id)
    assert decide(edited, REVIEWED) == nothing(OTHERS_WORDS)


@pytest.mark.parametrize(("body", "done"), [("/merge", False), ("/approve budget 5", False), ("/stop", True)])
def test_i7_an_edit_that_nobody_told_of_approves_nothing(body: str, done: bool) -> None:
    decision = decide(build.commented(body, editor_unknown=True), REVIEWED)
    assert (ROCKET in decision.effects) is done
    assert ("say it in a new comment" in str(decision.effects)) is not done


def test_a_command_that_meets_the_breaker_of_loops_is_answered() -> None:
    runs = tuple(build.summary(f"run-{n}") for n in range(10))
    decision = decide(build.commented("/retry"), build.record(Status.PAUSED, runs=runs))
    assert CONFUSED in decision.effects
    assert "something goes round in circles" in reply(decision).body


def test_what_people_have_changed_after_a_wish_to_merge_takes_another_wish() -> None:
    wished = REVIEWED.change(merge=MergeWish(by="writer"))
    assert after(decide(build.on_pull("@orch and a lid"), wished)).merge is None

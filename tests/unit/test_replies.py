"""What is answered in review threads."""

import pytest

from app.domain.facts import Actor, Thread, ThreadComment
from app.domain.outcomes import ThreadReply
from runner.replies import Said, read_threads, replies_to
from tests.unit.build import NOW

SHA = "abc1234" + "0" * 33
LINES = {
    "plain": ("T1: done - renamed it", Said(True, "renamed it")),
    "not done": ("T1: not done - it is right", Said(False, "it is right")),
    "bold and a bullet": ("* **T1**: Done — renamed `a` to `b`", Said(True, "renamed `a` to `b`")),
    "all of it bold": ("- **T1: done** - renamed it", Said(True, "renamed it")),
    "brackets": ("**T1 (done)**: renamed it", Said(True, "renamed it")),
    "a numbered list": ("1. T1: done, renamed it", Said(True, "renamed it")),
    "a heading": ("### Thread T1 - NOT DONE.", Said(False, "")),
    "code": ("`T1`: done", Said(True, "")),
    "small": ("t1: undone", Said(False, "")),
    "neither": ("T1: I looked at it", Said(None, "I looked at it")),
    "the last line counts": ("T1: not done\nT1: done - after all", Said(True, "after all")),
}


@pytest.mark.parametrize(("text", "said"), LINES.values(), ids=LINES.keys())
def test_a_line_on_a_thread_is_read_however_it_is_marked_up(text: str, said: Said) -> None:
    assert read_threads(f"I did it.\n\n{text}\n") == {"T1": said}


@pytest.mark.parametrize("text", ["It is done.", "T: done", "OT1: done", "The T1: done", "T1000: done", "T1x: done"])
def test_other_lines_are_about_no_thread(text: str) -> None:
    assert read_threads(text) == {}


def thread(path: str = "a.txt", comments: int = 1) -> Thread:
    actor = Actor(id=1, login="writer", is_bot=False)
    said = tuple(ThreadComment(id=7 + each, author=actor, body="Hm.", created_at=NOW) for each in range(comments))
    return Thread(id="PRRT_1", path=path, line=1, hunk="", is_resolved=False, is_outdated=False, comments=said)


REPLIES = {
    "done and seen": ("T1: done - renamed it", SHA, ["a.txt"], "Done in abc1234: renamed it.", True),
    "done without words": ("T1: done", SHA, ["a.txt"], "Done in abc1234.", True),
    "done elsewhere": (
        "T1: done - renamed it!",
        SHA,
        ["b.txt"],
        "The agent says that this is done: renamed it! But commit abc1234 does not change `` a.txt ``; please look.",
        False,
    ),
    "not done": ("T1: not done - it is right", SHA, ["a.txt"], "Not done: it is right.", False),
    "said neither way": (
        "T1: I looked",
        SHA,
        ["a.txt"],
        "The agent says: I looked. Commit abc1234 changes `` a.txt ``; please look whether that settles it.",
        False,
    ),
    "not mentioned": (
        "All well.",
        SHA,
        [],
        "The agent did not say what it did about this. Commit abc1234 does not change `` a.txt ``; please look.",
        False,
    ),
    "nothing changed": ("T1: not done - no", None, [], "Nothing was changed: no.", False),
    "nothing changed and all done": (
        "T1: done - as it was",
        None,
        [],
        "Nothing was changed. The agent says that this needs no change: as it was.",
        False,
    ),
    "nothing changed nor said": (
        "Well.",
        None,
        [],
        "Nothing was changed, and the agent did not say why for this thread.",
        False,
    ),
}


@pytest.mark.parametrize(("text", "sha", "changed", "reply", "resolved"), REPLIES.values(), ids=REPLIES.keys())
def test_i8_a_thread_is_resolved_by_what_is_said_and_seen(
    text: str, sha: str | None, changed: list[str], reply: str, resolved: bool
) -> None:
    expected = ThreadReply(thread="PRRT_1", text=reply, resolved=resolved)
    assert replies_to([thread(comments=2)], text, sha, changed) == (expected,)


def test_what_an_agent_says_mentions_nobody_and_closes_nothing() -> None:
    [reply] = replies_to([thread()], "T1: done - closes #3 for @everybody", SHA, ["a.txt"])
    assert ("closes #3" in reply.text, "@everybody" in reply.text) == (False, False)


def test_threads_are_told_apart_by_their_place_and_one_without_comments_gets_no_answer() -> None:
    threads = [thread(), thread("b.txt", comments=0), thread("c.txt")]
    replies = replies_to(threads, "T1: not done\nT3: done", SHA, ["c.txt"])
    assert [(reply.text, reply.resolved) for reply in replies] == [("Not done.", False), ("Done in abc1234.", True)]

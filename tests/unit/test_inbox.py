"""Which instructions wait, and which count as delivered."""

from app.domain.instructions import Told
from runner.inbox import Inbox

FIRST, SECOND = (Told(key=key, author="writer", text=key) for key in ("c1", "c2"))


def inbox(*told: Told) -> Inbox:
    made = Inbox()
    made.put(told)
    return made


def test_what_is_given_and_heard_counts_when_the_agent_goes_on() -> None:
    one = inbox(FIRST, SECOND)
    one.give("c1")
    one.hear("c1")
    assert one.delivered == []
    one.go_on()
    assert (one.delivered, one.waiting) == (["c1"], (SECOND,))


def test_what_was_given_and_not_heard_does_not_count() -> None:
    one = inbox(FIRST)
    one.give("c1")
    one.go_on()
    assert (one.delivered, one.waiting) == ([], ())


def test_a_prompt_is_heard_by_whoever_begins() -> None:
    one = inbox(FIRST, SECOND)
    assert one.prompt() == (FIRST, SECOND)
    one.go_on()
    assert one.delivered == ["c1", "c2"]


def test_what_a_process_left_waits_again_in_its_order() -> None:
    one = inbox(FIRST)
    one.give("c1")
    one.put([SECOND])
    one.arrived.clear()
    one.end()
    assert (one.waiting, one.arrived.is_set()) == ((FIRST, SECOND), True)


def test_an_order_that_repeats_itself_brings_nothing_new() -> None:
    one = inbox(FIRST, SECOND)
    one.prompt()
    one.go_on()
    one.arrived.clear()
    one.put([FIRST, SECOND])
    assert (one.waiting, one.arrived.is_set()) == ((), False)


def test_a_word_from_nobody_is_heard_by_nobody() -> None:
    one = inbox(FIRST)
    one.hear("c9")
    one.go_on()
    assert (one.delivered, one.waiting) == ([], (FIRST,))

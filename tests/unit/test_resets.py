"""When an agent's provider takes calls again, as far as the agent told."""

from datetime import UTC, datetime, timedelta

import pytest

from runner.agents.base import Limited
from runner.resets import limited_until, reset_time
from runner.story import Story
from tests.unit.build import NOW

AN_HOUR = timedelta(hours=1)


def told(*until: datetime) -> Story:
    story = Story()
    for one in until:
        story.note(Limited(one.timestamp()))
    return story


def test_the_last_of_the_limits_that_an_agent_told_of_counts() -> None:
    story = told(NOW + 2 * AN_HOUR, NOW + AN_HOUR)
    assert limited_until(story, "Try again in 5 minutes.", NOW) == NOW + 2 * AN_HOUR


@pytest.mark.parametrize(
    ("reason", "seconds"),
    [
        ("You've hit your usage limit. Try again in 2 days 3 hours 4 minutes.", 2 * 86_400 + 3 * 3600 + 4 * 60),
        ("Rate limit reached. Please try again in 1m30.5s.", 90.5),
        ("Rate limit reached, retry after 20 seconds", 20),
        ("Your limit resets in 45 min", 45 * 60),
    ],
)
def test_a_time_from_now_is_read_out_of_the_last_words(reason: str, seconds: float) -> None:
    assert limited_until(Story(), reason, NOW) == NOW + timedelta(seconds=seconds)


def test_a_unix_time_is_read_out_of_the_last_words() -> None:
    reason = f"Claude AI usage limit reached|{int((NOW + AN_HOUR).timestamp())}"
    assert limited_until(Story(), reason, NOW) == NOW + AN_HOUR


@pytest.mark.parametrize("reason", ["Too many requests", "Try again at 3 PM.", "Try again in 40 days", "resets in 0 s"])
def test_what_tells_no_time_or_none_to_believe_is_unknown(reason: str) -> None:
    assert limited_until(Story(), reason, NOW) is None


@pytest.mark.parametrize("until", [NOW - AN_HOUR, NOW + timedelta(days=9)])
def test_a_limit_that_is_over_or_lasts_longer_than_any_window_is_unknown(until: datetime) -> None:
    assert limited_until(told(until), "", NOW) is None


@pytest.mark.parametrize("seconds", [None, True, "1", -1, 0, 1e12, float("nan")])
def test_what_is_no_unix_time_is_none(seconds: object) -> None:
    assert reset_time(seconds) is None
    assert reset_time(10) == datetime(1970, 1, 1, 0, 0, 10, tzinfo=UTC)

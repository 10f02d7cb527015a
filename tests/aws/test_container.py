"""What a container of a function does when it cannot work."""

from datetime import timedelta

from app.entry.aws_container import pause
from infra.aws.events import MOST_RECEIVES


def test_an_event_outlasts_a_week_in_which_nothing_can_be_opened() -> None:
    waits = [pause(receives) for receives in range(1, MOST_RECEIVES + 1)]
    assert waits[:4] == [15, 30, 60, 120]
    assert timedelta(seconds=sum(waits)) > timedelta(days=7)

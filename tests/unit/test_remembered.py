import pytest

from app.github.remembered import Remembered

URL = "https://api.github.com/repos/acme/widgets/issues/5"
ANSWER = ('W/"1"', None, {"number": 5, "labels": [], "body": "\u00fc"}, None)


def test_an_answer_is_given_back_as_it_came_and_never_the_same_object() -> None:
    remembered = Remembered()
    remembered[URL] = ANSWER
    assert remembered[URL] == ANSWER
    remembered[URL][2]["labels"].append("changed by whoever asked")
    assert remembered[URL] == ANSWER


def test_what_was_not_asked_for_longest_is_forgotten() -> None:
    remembered = Remembered(2)
    remembered["a"] = remembered["b"] = ANSWER
    assert remembered["a"] == ANSWER
    remembered["c"] = ANSWER
    assert sorted(remembered) == ["a", "c"]


def test_an_answer_can_be_forgotten() -> None:
    remembered = Remembered()
    remembered[URL] = ANSWER
    del remembered[URL]
    assert len(remembered) == 0
    with pytest.raises(KeyError):
        remembered[URL]

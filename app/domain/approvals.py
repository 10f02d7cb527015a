"""Tool calls that a rule leaves to a person: what was asked, and what was answered."""

from datetime import datetime

from app.domain.base import Value
from app.domain.text import code_span, spell

MOST_ANSWERS = 10
LONGEST_TEXT = 200
SHOWN = 400
"""Characters of a call that people are shown."""


class AskedCall(Value):
    """A call that waits for a person's leave: `key` tells it from every other, `text` says what an agent wrote."""

    key: str
    text: str


class Question(AskedCall):
    """A call that a task waits with, since `at`."""

    at: datetime


class Answer(AskedCall):
    """What a person said of a call. It holds for as long as the task is about the same text."""

    allowed: bool
    reason: str = ""


def with_answer(answers: tuple[Answer, ...], new: Answer) -> tuple[Answer, ...]:
    """Add an answer: the last one to a call counts, and the oldest are forgotten, so that they are asked for again."""
    others = [answer for answer in answers if answer.key != new.key]
    short = new.model_copy(update={"text": new.text[:LONGEST_TEXT]})
    return (*others, short)[-MOST_ANSWERS:]


def describe_question(question: AskedCall) -> str:
    """Show what is asked for, and how it is answered."""
    text = spell(question.text)
    more = " (This is only its beginning: the run's transcript has all of it.)" if len(text) > SHOWN else ""
    return (
        f"It wants this: {code_span(text[:SHOWN])}{more}\n\n"
        "A person with write access answers in a comment, on a line of its own: `/approve` allows exactly this call "
        "until the task is delivered or its text is another one, `/deny REASON` refuses it. Then the agent goes on."
    )


def describe_answer(answer: Answer) -> str:
    """Tell an agent what became of what it asked for."""
    if answer.allowed:
        return f"A person allowed what you asked for; do it if it is still needed: {answer.text}"
    return f"A person refused what you asked for, so do without: {answer.text}. Reason: {answer.reason or 'not given'}"

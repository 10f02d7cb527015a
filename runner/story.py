"""What an agent said of itself in a run."""

import re
from dataclasses import dataclass

from app.domain.approvals import AskedCall
from runner.agents.base import AgentEvent, Ended, Heard, Limited, Refused, Retry, Started, Text, Unknown

TEXT_LIMIT = 4000
NAME_LIMIT = 200
SESSION = re.compile(rf"\w[\w.:/+=@-]{{0,{NAME_LIMIT}}}", re.ASCII)
"""What a session may be called: it comes back as a word on a command line, and must be no option there."""


@dataclass(slots=True)
class Story:
    """What an agent said of itself so far; `answer` is what it said since its process began, to be read as a whole.

    That is kept where `longest_answer` is more than 0 characters, and is its end.
    """

    longest_answer: int = 0
    answer: str = ""
    session: str | None = None
    model: str | None = None
    text: str = ""
    ended: Ended | None = None
    asked: AskedCall | None = None
    refused: int = 0
    limited: float | None = None
    retries: int = 0
    unknown: int = 0

    def begin(self) -> None:
        """Note that a process of the agent begins, which has an answer and a last word of its own."""
        self.answer, self.ended = "", None

    def note(self, event: AgentEvent) -> None:
        """Take an event into account."""
        match event:
            case Started(session=session, model=model):
                if session and SESSION.fullmatch(session):
                    self.session = session
                self.model = (model or "")[:NAME_LIMIT] or self.model
            case Text(text=text):
                self.text = (self.text + text + "\n")[-2 * TEXT_LIMIT :]
                if self.longest_answer:
                    self.answer = (self.answer + text + "\n")[-self.longest_answer :]
            case Ended():
                self.ended = event
            case Heard():
                self.ended = None  # a turn follows, which has a last word of its own
            case Limited(until=until):
                self.limited = max(until, self.limited or until)
            case Refused():
                self.refused += 1
            case Retry():
                self.retries += 1
            case Unknown():
                self.unknown += 1

"""Commands that people write in comments: `/word`, at the beginning of a line that Markdown shows as plain text.

What follows a command, up to the next one, belongs to it. Other bots have commands too, so of words that are none of
ours only those count, as mistakes, that are nearly one of ours.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches

from app.domain.command_help import help_rows, readme_table, render_mistake
from app.domain.command_words import COMMANDS, MOST_DOLLARS, CommandKind, Takes, Word
from app.domain.markdown import Line, lines_of, mask
from app.domain.powers import Power
from app.domain.said import Command, Mistake, Said, fresh, key_of
from app.domain.text import code_span

__all__ = [
    "COMMANDS",
    "Command",
    "CommandKind",
    "Mistake",
    "Said",
    "Takes",
    "Word",
    "fresh",
    "help_rows",
    "key_of",
    "read_comment",
    "readme_table",
    "render_mistake",
]

MOST = 10
"""Commands of one comment that are followed, and mistakes that are told."""
CLOSE = 0.8
LONGEST_NAME = 40
BUDGET = "budget"
_NAMES = tuple(word.value for word in Word)
_COMMAND = r" {0,3}(?:%s[.,:;!?]* +)?/([A-Za-z][A-Za-z_-]{1,30}\??)[.,:;!]*(?: +(.*))?$"
_MENTION = r"(?<!\S)%s(?=[\s.,!?;:]|$)"
_LOGIN = r"@%s(?:\[bot\])?"
_AMOUNT = re.compile(r"\$?([0-9]{1,9}(?:\.[0-9]{1,2})?)\$?")
_MODEL = re.compile(r"(?=.*[0-9/:.-])(?=.*[a-z])(?!.*://)[a-z0-9][\w./:@+-]{0,99}", re.IGNORECASE)


def read_comment(body: str, *, bot: str, agents: Sequence[str]) -> Said:
    """Read what a comment says to Orch; `bot` is its login without `[bot]`, `agents` are names that may be chosen.

    A mention counts only where no command and no mistake stands beside it. Of what is said twice the first counts.
    """
    lines = list(lines_of(body))
    words = _Words(bot)
    statements, mentioned = words.statements(lines)
    if not statements:
        return Said(mention=words.around_mention(lines) if mentioned else None)
    return _Reader(tuple(agents)).read(statements)


@dataclass(slots=True)
class _Statement:
    """A line that begins with a command, or nearly one, and the lines that follow it."""

    line: Line
    word: str
    rest: str
    column: int
    more: list[str] = field(default_factory=list)

    def text(self, rest: str) -> str:
        """Return what follows, from `rest` of its own line on."""
        return "\n".join((rest, *self.more)).strip()

    def mistake(self, wrong: str, why: str, nearest: str | None = None, rest: str | None = None) -> Mistake:
        """Point out the command itself, or a word that the line's `rest` begins with."""
        plain = self.line.plain
        column = self.column if rest is None else len(plain) - len(rest)
        return Mistake(plain, column, len(wrong), why, nearest)


class _Words:
    """Finds where commands begin, and mentions."""

    def __init__(self, bot: str) -> None:
        login = _LOGIN % re.escape(bot) if bot else r"(?!)"
        self._command = re.compile(_COMMAND % login, re.IGNORECASE)
        self._mention = re.compile(_MENTION % login, re.IGNORECASE)
        self._judged: dict[str, bool] = {}

    def statements(self, lines: Iterable[Line]) -> tuple[list[_Statement], bool]:
        """List the lines with a command, each with what follows; say whether the bot is mentioned anywhere."""
        found: list[_Statement] = []
        mentioned = False
        for line in lines:
            mentioned |= line.shown and self._mention.search(mask(line.plain)) is not None
            if line.shown and (statement := self._statement(line)):
                found.append(statement)
            elif found:
                found[-1].more.append(line.written.rstrip())
        return found, mentioned

    def _statement(self, line: Line) -> _Statement | None:
        match = self._command.match(line.plain)
        if match is None or not self._concerns_us(match[1].lower()):
            return None
        return _Statement(line, match[1], (match[2] or "").strip(), match.start(1) - 1)

    def _concerns_us(self, word: str) -> bool:
        if word not in self._judged:
            self._judged[word] = _word(word) is not None or _nearest(word, _NAMES) is not None
        return self._judged[word]

    def around_mention(self, lines: Iterable[Line]) -> str:
        """Return the comment without its mentions of the bot."""
        kept = [self._without(line) if line.shown else line.written.rstrip() for line in lines]
        return "\n".join(kept).strip()

    def _without(self, line: Line) -> str:
        text = line.plain
        for mention in reversed(list(self._mention.finditer(mask(text)))):
            before, after = text[: mention.start()], text[mention.end() :]
            text = before.rstrip() + after if before.strip() else after.lstrip(" .,!?;:")
        return text


class _Reader:
    """Reads what follows each command, as the command takes it."""

    def __init__(self, agents: tuple[str, ...]) -> None:
        self._agents = {agent.lower(): agent for agent in agents}
        self._heard: set[str] = set()
        self._said: list[Command] = []
        self._mistakes: list[Mistake] = []

    def read(self, statements: Iterable[_Statement]) -> Said:
        for statement in statements:
            one = self._read(statement)
            if (key := key_of(one)) in self._heard:
                continue
            self._heard.add(key)
            if isinstance(one, Mistake):
                self._mistakes.append(one)
            elif len(self._said) < MOST:
                self._said.append(one)
            else:
                why = f"a comment holds at most {MOST} commands: this one, and all that follow it, were not followed"
                self._mistakes.append(statement.mistake(f"/{statement.word}", why))
                break
        return Said(tuple(self._said), tuple(self._mistakes[:MOST]))

    def _read(self, statement: _Statement) -> Command | Mistake:
        word = _word(statement.word)
        if word is None:
            return _no_command(statement)
        match COMMANDS[word].takes:
            case Takes.CHOICE:
                return self._choice(word, statement)
            case Takes.AGENT:
                return self._agent(word, statement)
            case Takes.BUDGET:
                return _approval(word, statement)
        return Command(word, text=statement.text(statement.rest), line=statement.line.number)

    def _choice(self, word: Word, statement: _Statement) -> Command | Mistake:
        """Read `[agent] [model] [text]`; without an agent, a model is the only word of its line."""
        first, rest = _split(statement.rest)
        agent = self._agents.get(_bare(first).lower())
        if agent is None:
            if nearest := _nearest(_bare(first).lower(), self._agents):
                return self._no_agent(statement, self._agents[nearest])
            model = None if rest else _model(first)
            return Command(
                word, None, model, text=statement.text("" if model else statement.rest), line=statement.line.number
            )
        return self._chosen(word, agent, rest, statement)

    def _agent(self, word: Word, statement: _Statement) -> Command | Mistake:
        first, rest = _split(statement.rest)
        agent = self._agents.get(_bare(first).lower())
        if agent:
            return self._chosen(word, agent, rest, statement)
        if not first:
            return statement.mistake(f"/{statement.word}", f"which agent? {self._choices()}")
        nearest = _nearest(_bare(first).lower(), self._agents)
        return self._no_agent(statement, self._agents[nearest] if nearest else None)

    def _chosen(self, word: Word, agent: str, rest: str, statement: _Statement) -> Command:
        first, after = _split(rest)
        model = _model(first)
        text = statement.text(after if model else rest)
        return Command(word, agent, model, text=text, line=statement.line.number)

    def _no_agent(self, statement: _Statement, nearest: str | None) -> Mistake:
        wrong, _ = _split(statement.rest)
        why = f"{code_span(wrong[:LONGEST_NAME])} is no agent here; {self._choices()}"
        if COMMANDS[Word(statement.word.lower())].takes is Takes.CHOICE:
            why += ". Text for the agent that begins with such a word goes onto the next line"
        return statement.mistake(wrong, why, nearest, statement.rest)

    def _choices(self) -> str:
        names = ", ".join(f"`{agent}`" for agent in self._agents.values())
        return f"the agents are {names}" if names else "no agent may be chosen here"


def _no_command(statement: _Statement) -> Mistake:
    wrong, name = f"/{statement.word}", statement.word.lower()
    nearest = _nearest(name, _NAMES)
    return statement.mistake(wrong, f"`{wrong}` is no command", f"/{nearest}")


def _approval(word: Word, statement: _Statement) -> Command | Mistake:
    first, rest = _split(statement.rest)
    name = _bare(first).lower()
    if name != BUDGET:
        if _nearest(name, (BUDGET,)) or _AMOUNT.match(first):
            return statement.mistake(first, "money is approved with `/approve budget AMOUNT`", BUDGET, statement.rest)
        return Command(word, text=statement.text(statement.rest), line=statement.line.number)
    amount, after = _split(rest)
    if not amount:
        return statement.mistake(first, "how much? `/approve budget 5` allows 5 US dollars more", None, statement.rest)
    dollars = _dollars(amount)
    if dollars is None:
        allowed = f"write more than 0 and at most {MOST_DOLLARS} US dollars, such as `5` or `5.50`"
        why = f"{code_span(amount[:LONGEST_NAME])} is no amount: {allowed}"
        return statement.mistake(amount, why, None, rest)
    return Command(word, amount=dollars, text=statement.text(after), line=statement.line.number)


def _dollars(word: str) -> Decimal | None:
    match = _AMOUNT.fullmatch(_bare(word))
    dollars = Decimal(match[1]) if match else Decimal(0)
    return dollars if 0 < dollars <= MOST_DOLLARS else None


def _word(written: str) -> Word | None:
    """Return the command meant; only one that changes nothing is meant by a question mark too."""
    name = written.lower().replace("_", "-")
    bare = name.removesuffix("?")
    if bare not in _NAMES:
        return None
    word = Word(bare)
    return word if bare == name or COMMANDS[word].power is Power.READ else None


def _nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name that somebody meant who wrote this; people get first letters right."""
    alike = [name for name in names if word and name[0] == word[0]]
    turned = [name for name in alike if sorted(name) == sorted(word)]
    return next(iter(turned or get_close_matches(word[:LONGEST_NAME], alike, 1, CLOSE)), None)


def _split(text: str) -> tuple[str, str]:
    first, _, rest = text.partition(" ")
    return first, rest.strip()


def _bare(word: str) -> str:
    """Take off what people put around a word."""
    return word.strip("`").rstrip("`.,;:!")


def _model(word: str) -> str | None:
    bare = _bare(word)
    return bare if _MODEL.fullmatch(bare) else None

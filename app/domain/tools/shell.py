"""A line of shell, taken apart as far as its text tells, into the simple commands that it may run.

Everything that is known only when it runs becomes a mark in a word (see globs.py); conditions and loops are left out,
for what stands in them may run. What is not understood is `Unreadable`, never guessed.
"""

import re
from dataclasses import dataclass, field, replace

from app.domain.tools.globs import ANY, MARKS, ONE, STAR, is_marked

LONGEST = 128 * 1024
DEEPEST = 12

_ALIEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff" + "".join(MARKS) + "]"
)
_BLANKS = re.compile(r"(?:[ \t]|\\\n)*(?:#[^\n]*)?")
_SEPARATOR = re.compile(r"&&|\|\||\|&|;;|;&|[;&|]")
_REDIRECTION = re.compile(r"[0-9]*(<<<|<<-|<<|<>|<&|&>>|&>|>>|>\||>&|<|>)")
_DELIMITER = re.compile(r"""[ \t]*(?:'([^'\n]+)'|"([^"\n$`\\]+)"|(\\?)([\w.-]+))(?=[\s;&|<>)]|$)""", re.ASCII)
_PLACE = re.compile(r"[0-9]*-?")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\+?=")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_NUMBER = re.compile(r"\$[?#$]")
_VARIABLE = re.compile(
    r"\$(?:[A-Za-z_][A-Za-z0-9_]*|[0-9@*!-]"
    r"|\{#?(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*])"
    r"(?:(?::?[-+?]|##?|%%?|//?)[A-Za-z0-9_./:,@%+*#~ -]*|:[0-9]+(?::[0-9]+)?)?\})"
)
_SUM = re.compile(r"\$\(\([A-Za-z0-9_\s+*/%<>=!&|^~?:,$-]*\)\)")
_BACKQUOTED = re.compile(r"`([^`\\]*)`")
_ESCAPED_TEXT = re.compile(r"\$'(?:[^'\\]|\\.)*'", re.DOTALL)
_PLAIN_BRACES = re.compile(r"\{[\w/:-]*\}|\{(?=[\s;&|<>()]|$)", re.ASCII)

_OPENERS = frozenset(("if", "then", "elif", "else", "while", "until", "do", "{", "!", "fi", "done", "}"))
_LOOPS = frozenset(("for", "while", "until"))
_NOT_TAKEN = frozenset(("case", "esac", "select", "function", "coproc"))


class Unreadable(Exception):
    """What a tool call would do cannot be told; the text says why, for people."""


@dataclass(frozen=True, slots=True)
class Simple:
    """One simple command: its words, the variables it sets as `NAME=value`, the files it is redirected from and to."""

    words: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Script:
    """Simple commands in the order of their text; `repeats` says that some may run again after later ones."""

    commands: tuple[Simple, ...]
    repeats: bool


@dataclass(frozen=True, slots=True)
class _Word:
    """A word without its quotes; `bare` characters at its beginning had none and are no mark, `keyword` if all."""

    text: str
    bare: int
    keyword: str


@dataclass(slots=True)
class _Draft:
    """A command in the making; behind a redirection, no word is a keyword any more."""

    words: list[_Word] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    redirected: bool = False
    over: bool = False


@dataclass(frozen=True, slots=True)
class _Document:
    """A here-document whose lines are still to come."""

    end: str
    quoted: bool
    indented: bool
    depth: int
    at: int


def read_script(text: str) -> Script:
    """Take the text of a shell script apart; raises Unreadable."""
    if len(text) > LONGEST:
        raise Unreadable("the command is too long")
    if _ALIEN.search(text):
        raise Unreadable("the command holds control characters")
    reader = _Reader(text)
    reader.read_commands("")
    return Script(tuple(reader.found), reader.repeats)


class _Reader:
    def __init__(self, text: str, depth: int = 0) -> None:
        self.text = text
        self.at = 0
        self.depth = depth
        self.found: list[Simple] = []
        self.repeats = False
        self.documents: list[_Document] = []

    # Commands

    def read_commands(self, closer: str) -> None:
        """Read up to the parenthesis that closes, or to the end of the text, and past it."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise Unreadable("the command is nested too deeply")
        draft = _Draft()
        while not self._closes(closer):
            draft = self._step(draft)
        self._finish(draft)
        if any(document.depth == self.depth for document in self.documents):
            raise Unreadable("a here-document does not end")
        self.at += len(closer)
        self.depth -= 1

    def _closes(self, closer: str) -> bool:
        self._take(_BLANKS)
        here = self._here()
        if here not in ("", ")"):
            return False
        if here != closer:
            raise Unreadable("a parenthesis does not fit")
        return True

    def _step(self, draft: _Draft) -> _Draft:
        here = self._here()
        if here == "\n":
            self.at += 1
            self._finish(draft)
            self._read_documents()
        elif here == "(":
            self._subshell(draft)
        elif not self._substitutes() and (redirection := self._take(_REDIRECTION)):
            draft.redirected = True
            draft.over |= redirection[1].startswith("&>")
            self._redirect(redirection[1], draft)
            return draft
        elif separator := self._take(_SEPARATOR):
            if separator[0] in (";;", ";&"):
                raise Unreadable("`case` is not taken apart")
            self._finish(draft)
        else:
            if draft.over:  # to a plain sh, `&` ends the command there
                raise Unreadable("shells differ on words behind `&>`")
            word = self._word()
            draft.words.append(replace(word, keyword="") if draft.redirected else word)
            return draft
        return _Draft()

    def _subshell(self, draft: _Draft) -> None:
        if self.text.startswith("((", self.at):
            raise Unreadable("`((` is not taken apart")
        if draft.redirected or not all(word.keyword in _OPENERS for word in draft.words):
            raise Unreadable("a parenthesis stands after a word")
        self._finish(draft)
        self.at += 1
        self.read_commands(")")

    def _finish(self, draft: _Draft) -> None:
        """Keep a command that is complete."""
        words = list(draft.words)
        while words and words[0].keyword in _OPENERS:
            self.repeats |= words.pop(0).keyword in _LOOPS
        sets = []
        if words and words[0].keyword == "for":
            sets, words = [self._loop_variable(words[1:])], []
        if words and words[0].keyword in _NOT_TAKEN:
            raise Unreadable(f"`{words[0].text}` is not taken apart")
        while words and (assigned := _ASSIGNMENT.match(words[0].text)) and assigned.end() <= words[0].bare:
            sets.append(words.pop(0).text)
        if words and is_marked(words[0].text):
            raise Unreadable("which program runs is known only when it does")
        if words or sets or draft.reads or draft.writes:
            texts = tuple(word.text for word in words)
            self.found.append(Simple(texts, tuple(sets), tuple(draft.reads), tuple(draft.writes)))

    def _loop_variable(self, words: list[_Word]) -> str:
        self.repeats = True
        if not words or not _NAME.fullmatch(words[0].keyword) or (words[1:] and words[1].keyword != "in"):
            raise Unreadable("a `for` is not understood")
        return f"{words[0].text}={ANY}"

    # Redirections

    def _redirect(self, operator: str, draft: _Draft) -> None:
        if operator in ("<<", "<<-"):
            self._open_document(operator)
            return
        self._take(_BLANKS)
        target = self._word().text
        if operator == "<<<" or (operator in (">&", "<&") and target and _PLACE.fullmatch(target)):
            return
        (draft.reads if operator in ("<", "<&") else draft.writes).append(target)

    def _open_document(self, operator: str) -> None:
        delimiter = self._take(_DELIMITER)
        if not delimiter:
            raise Unreadable("a here-document is not understood")
        end = delimiter[1] or delimiter[2] or delimiter[4]
        quoted = not delimiter[4] or bool(delimiter[3])
        self.documents.append(_Document(end, quoted, operator == "<<-", self.depth, self.at))

    def _read_documents(self) -> None:
        """Read the here-documents of a line that has ended; shells differ on where they begin if it went over more."""
        for document in self.documents:
            if document.depth != self.depth or "\n" in self.text[document.at : self.at - 1]:
                raise Unreadable("a here-document begins after more than a line")
        for document in self.documents:
            self._read_document(document)
        self.documents.clear()

    def _read_document(self, document: _Document) -> None:
        lines: list[str] = []
        while True:
            if self.at >= len(self.text):
                raise Unreadable("a here-document does not end")
            end = self.text.find("\n", self.at)
            line = self.text[self.at :] if end < 0 else self.text[self.at : end]
            self.at = len(self.text) if end < 0 else end + 1
            if (line.lstrip("\t") if document.indented else line) == document.end:
                break
            lines.append(line)
        if not document.quoted:
            self._expand_document(lines)

    def _expand_document(self, lines: list[str]) -> None:
        if any(line.endswith("\\") for line in lines):
            raise Unreadable("a line of a here-document goes on in the next")
        inner = _Reader("\n".join(lines), self.depth)
        while inner.at < len(inner.text):
            inner.quoted_piece()
        self.found += inner.found
        self.repeats |= inner.repeats

    # Words

    def _word(self) -> _Word:
        """Read one word; raises Unreadable if there is none."""
        begin, pieces, bare = self.at, [], 0
        while (here := self._here()) and (here not in " \t\n;&|<>()" or self._substitutes()):
            start = self.at
            piece = self._piece(here)
            pieces.append(piece)
            if bare == start - begin and piece == self.text[start : self.at]:
                bare += len(piece)
        if begin == self.at:
            raise Unreadable("a word is missing")
        text = "".join(pieces)
        return _Word(text, bare, text if bare == self.at - begin else "")

    def _piece(self, here: str) -> str:
        match here:
            case "\\":
                return self._escaped()
            case "'":
                return self._until_quote()
            case '"':
                return self._quoted()
            case "$" | "`":
                return self._expansion(quoted=False)
            case "<" | ">":
                return self._substitution()
        return self._wild(here)

    def _wild(self, here: str) -> str:
        """Read a character that is one outside quotes, or stands for others."""
        if here == "{":
            plain = self._take(_PLAIN_BRACES)
            return plain[0] if plain else self._one(ANY)
        if here == "[" and self.text[self.at + 1 : self.at + 2] not in ("", " ", "\t", "\n"):
            return self._one(ANY)
        return self._one({"*": STAR, "?": ONE}.get(here, here))

    def _one(self, piece: str) -> str:
        self.at += 1
        return piece

    def _escaped(self) -> str:
        following = self.text[self.at + 1 : self.at + 2]
        if not following:
            raise Unreadable("the command ends in a backslash")
        self.at += 2
        return "" if following == "\n" else following

    def _until_quote(self) -> str:
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise Unreadable("a quote does not end")
        inner, self.at = self.text[self.at + 1 : end], end + 1
        return inner

    def _quoted(self) -> str:
        self.at += 1
        pieces = []
        while (here := self._here()) != '"':
            if not here:
                raise Unreadable("a quote does not end")
            pieces.append(self.quoted_piece())
        self.at += 1
        return "".join(pieces)

    def quoted_piece(self) -> str:
        """Read what stands between double quotes, or in a here-document."""
        here = self._here()
        if here in "$`":
            return self._expansion(quoted=True)
        if here == "\\" and self.text[self.at + 1 : self.at + 2] in tuple('$`"\\\n'):
            return self._escaped()
        return self._one(here)

    # What a shell puts in place of something else

    def _expansion(self, *, quoted: bool) -> str:
        if self._take(_NUMBER):
            return "0"
        if self._take(_SUM) or self._take(_VARIABLE):
            return ANY
        if backquoted := self._take(_BACKQUOTED):
            return self._run_apart(backquoted[1])
        if self.text.startswith("$((", self.at):
            raise Unreadable("a sum is not understood")
        if self.text.startswith("$(", self.at):
            return self._substitution()
        return self._odd_dollar(quoted)

    def _odd_dollar(self, quoted: bool) -> str:
        if not quoted and self._take(_ESCAPED_TEXT):
            return ANY
        if self.text.startswith(("`", "${", "$["), self.at) or (not quoted and self.text.startswith('$"', self.at)):
            raise Unreadable("an expansion is not understood")
        return self._one("$")

    def _substitutes(self) -> bool:
        return self.text.startswith(("<(", ">("), self.at)

    def _substitution(self) -> str:
        self.at += 2
        self.read_commands(")")
        return ANY

    def _run_apart(self, text: str) -> str:
        inner = _Reader(text, self.depth)
        inner.read_commands("")
        self.found += inner.found
        self.repeats |= inner.repeats
        return ANY

    def _here(self) -> str:
        return self.text[self.at : self.at + 1]

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

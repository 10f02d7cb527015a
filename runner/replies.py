"""What is answered in review threads: what the agent says it did of each, held against what its commit changed."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from app.domain.facts import Thread
from app.domain.outcomes import ThreadReply
from app.domain.text import code_span, one_line

LONGEST = 500
"""Characters of what an agent says of one thread."""
_LINE = re.compile(
    r"^[\s>*+#_`-]*(?:\d+[.)]\s+)?[\s*_`]*(?:thread\s+)?T(?P<number>\d{1,3})\b[\s*_`:.)(\[\]–—-]*"  # noqa: RUF001 - dashes that models write
    r"(?P<status>(?:not|un)[\s_-]*done\b|done\b)?[\s*_:.,;)\]–—-]*(?P<words>.*)$",  # noqa: RUF001 - as above
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Said:
    """What an agent says of a thread: whether it is done (None: it does not say), and in which words."""

    done: bool | None
    words: str


def name_of(index: int) -> str:
    """Name a thread for the agent, counted from 0."""
    return f"T{index + 1}"


def read_threads(text: str) -> dict[str, Said]:
    """Find the last line on each thread, however it is marked up."""
    found = {}
    for line in text.splitlines():
        if told := _LINE.match(line):
            status = (told["status"] or "").lower()
            done = None if not status else status == "done"
            found[f"T{int(told['number'])}"] = Said(done, told["words"].strip(" *_"))
    return found


def replies_to(
    threads: Collection[Thread], text: str, sha: str | None, changed: Collection[str]
) -> tuple[ThreadReply, ...]:
    """Answer each thread; it is resolved only if the agent says so and the commit `sha` changes its file.

    Without a commit nothing was changed. A thread without comments cannot be answered.
    """
    said = read_threads(text)
    return tuple(
        _reply(thread, said.get(name_of(index)), sha, changed)
        for index, thread in enumerate(threads)
        if thread.comments
    )


def _reply(thread: Thread, said: Said | None, sha: str | None, changed: Collection[str]) -> ThreadReply:
    if sha is None:
        text, resolved = _of_nothing(said), False
    else:
        text, resolved = _of_commit(thread, said, sha[:7], thread.path in changed)
    return ThreadReply(thread=thread.id, text=text, resolved=resolved)


def _of_nothing(said: Said | None) -> str:
    words = _words(said)
    if said is None:
        return "Nothing was changed, and the agent did not say why for this thread."
    if said.done:
        return f"Nothing was changed. The agent says that this needs no change{words}"
    return f"Nothing was changed{words}"


def _of_commit(thread: Thread, said: Said | None, sha: str, touched: bool) -> tuple[str, bool]:
    where, words = code_span(thread.path), _words(said)
    does = f"Commit {sha} {'changes' if touched else 'does not change'} {where}"
    if said is None:
        return f"The agent did not say what it did about this. {does}; please look.", False
    if said.done is False:
        return f"Not done{words}", False
    if said.done is None:
        return f"The agent says{words} {does}; please look whether that settles it.", False
    if touched:
        return f"Done in {sha}{words}", True
    return f"The agent says that this is done{words} But {does[0].lower()}{does[1:]}; please look.", False


def _words(said: Said | None) -> str:
    """Return what follows a statement: the agent's words after a colon, or the end of the sentence."""
    words = one_line(said.words, LONGEST) if said else ""
    if not words:
        return "."
    return f": {words}" if words.endswith((".", "!", "?", "…")) else f": {words}."

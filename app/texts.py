"""Texts that people wrote, as they were when they counted: kept as artifacts under their digests."""

import json
from collections.abc import Iterable

from app.domain.instructions import LONGEST, Instruction, Told
from app.domain.names import digest_of
from app.log import log
from app.ports import Artifacts

ONLY_THREADS = "(The review says nothing more than its threads.)"


def text_key(digest: str) -> str:
    """Name the artifact that holds an admitted text."""
    return f"admitted/{digest}.json"


async def keep_text(artifacts: Artifacts, title: str, body: str) -> None:
    """Keep a text under its digest."""
    data = json.dumps({"title": title, "body": body}).encode()
    await artifacts.write(text_key(digest_of(title, body)), data)


async def read_text(artifacts: Artifacts, digest: str) -> tuple[str, str] | None:
    """Return title and body of a text that was kept, None if it is lost."""
    data = await artifacts.read(text_key(digest))
    if data is None:
        return None
    text = json.loads(data)
    return text["title"], text["body"]


async def tell(artifacts: Artifacts, instructions: Iterable[Instruction]) -> tuple[Told, ...]:
    """Return instructions with their texts; one whose text is lost is left out, and waits."""
    told: list[Told] = []
    for one in instructions:
        text = await read_text(artifacts, one.digest) if one.digest else ("", ONLY_THREADS)
        if text is None:
            log().warning("the text of an instruction is lost", instruction=one.key)
        else:
            told.append(Told(key=one.key, author=one.author, text=text[1][:LONGEST]))
    return tuple(told)

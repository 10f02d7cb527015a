"""Texts that people wrote, kept as they were when they counted."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from structlog.testing import capture_logs

from app.domain.instructions import LONGEST, Instruction, Told
from app.domain.names import digest_of
from app.ports import Artifacts
from app.texts import ONLY_THREADS, keep_text, read_text, tell, text_key
from tests.unit import build


@dataclass
class FakeArtifacts:
    """Blobs in a dictionary."""

    held: dict[str, bytes] = field(default_factory=dict)

    async def write(self, key: str, data: bytes) -> None:
        self.held[key] = data

    async def read(self, key: str) -> bytes | None:
        return self.held.get(key)


def said(text: str, key: str = "c-1") -> Instruction:
    return build.instruction(key, digest=digest_of("", text))


async def told(artifacts: FakeArtifacts, instructions: Iterable[Instruction]) -> tuple[Told, ...]:
    return await tell(cast(Artifacts, artifacts), instructions)


async def test_a_text_is_found_by_its_digest() -> None:
    artifacts = FakeArtifacts()
    port, digest = cast(Artifacts, artifacts), digest_of("Title\u2028", "Body\0é")
    assert await read_text(port, digest) is None
    await keep_text(port, "Title\u2028", "Body\0é")
    assert list(artifacts.held) == [text_key(digest)]
    assert await read_text(port, digest) == ("Title\u2028", "Body\0é")


async def test_instructions_are_told_with_their_texts_as_far_as_an_agent_reads() -> None:
    artifacts, long = FakeArtifacts(), "x" * (LONGEST + 1)
    for text in ("Hm.", long):
        await keep_text(cast(Artifacts, artifacts), "", text)
    expected = (Told(key="c-1", author="writer", text="Hm."), Told(key="c-2", author="writer", text="x" * LONGEST))
    assert await told(artifacts, (said("Hm."), said(long, "c-2"))) == expected


async def test_a_review_may_have_nothing_but_threads() -> None:
    review = build.instruction("review-4", digest="")
    assert await told(FakeArtifacts(), (review,)) == (Told(key="review-4", author="writer", text=ONLY_THREADS),)


async def test_an_instruction_whose_text_is_lost_waits_and_that_is_logged() -> None:
    with capture_logs() as logs:
        assert await told(FakeArtifacts(), (said("Hm."),)) == ()
    assert [entry["instruction"] for entry in logs] == ["c-1"]

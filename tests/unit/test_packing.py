"""Envelopes as bytes and as messages of SQS: what comes out is what went in."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.envelope import Envelope, Source
from infra.aws.messages import decode, encode, key_in, key_of_large, message_of, pointer_to
from infra.packing import pack, unpack

NOW = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
ENVELOPE = Envelope(
    id="d-1", group="repository:7/5", source=Source.GITHUB, name="issues", body=b"\x78\x01\n\xff", received_at=NOW
)
LATER = ENVELOPE.model_copy(update={"not_before": NOW + timedelta(hours=1), "source": Source.ORCH, "body": b""})


@pytest.mark.parametrize("envelope", [ENVELOPE, LATER])
def test_an_envelope_comes_out_as_it_went_in(envelope: Envelope) -> None:
    assert unpack(pack(envelope)) == envelope
    assert unpack(decode(message_of(envelope)["MessageBody"])) == envelope


def test_what_was_packed_by_an_earlier_version_is_read() -> None:
    assert unpack(b"%s\n%s" % (ENVELOPE.model_dump_json(exclude={"body"}).encode(), ENVELOPE.body)) == ENVELOPE


@pytest.mark.parametrize("data", [b"", b"7\n", b"{}\nbody", b"\xff\n", b"null"])
def test_what_is_no_envelope_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(data)


@pytest.mark.parametrize("text", ["", "e!", "AAAA", "gar\u00e7on", encode(b"x" * 100)[:-8]])
def test_a_text_that_is_no_message_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode(text)


@pytest.mark.parametrize(
    ("name", "kept"),
    [("repository:7/5", True), ("!~" * 64, True), ("x" * 129, False), ("a b", False), ("\u00e4", False), ("", False)],
)
def test_a_name_that_sqs_does_not_take_is_hashed(name: str, kept: bool) -> None:
    message = message_of(ENVELOPE.model_copy(update={"id": name, "group": name}))
    ids = {message["MessageGroupId"], message["MessageDeduplicationId"]}
    assert (ids == {name}, len(ids)) == (kept, 1)
    assert all(0 < len(each) <= 128 and each.isascii() for each in ids)


def test_a_pointer_points_to_its_key_and_no_message_is_one() -> None:
    key = key_of_large("text")
    assert (key_in(pointer_to(key)), key_of_large("text")) == (key, key)
    assert [key_in(text) for text in (encode(b"x"), "s3:runs/1", "large/1", "")] == [None] * 4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.markers import FORMAT, BadMarker, Keyring, key_id, parse_marker, render_marker
from app.domain.record import TaskRecord
from tests.unit import build
from tests.unit.build import KEYRING, TASK
from tests.unit.draw import examine, records, texts

HERE = (TASK.repository.id, TASK.number)
MARKER = render_marker(build.record(why="<!-- é --> 😀"), KEYRING)
STRANGE_KEYRING = Keyring((b"strange key",))


def read(body: str, repository_id: int = HERE[0], number: int = HERE[1]) -> TaskRecord | None:
    """Parse; a marker that does not count is as good as none."""
    try:
        return parse_marker(body, KEYRING, repository_id, number)
    except BadMarker:
        return None


@examine
@given(records())
def test_a_marker_gives_back_the_record(record: TaskRecord) -> None:
    assert parse_marker(render_marker(record, KEYRING), KEYRING, *HERE) == record


@examine
@given(records(), texts, texts)
def test_text_around_a_marker_does_not_matter(record: TaskRecord, before: str, after: str) -> None:
    body = f"{before}\n{render_marker(record, KEYRING)}\n{after}"
    assert parse_marker(body, KEYRING, *HERE) == record


@examine
@given(records())
def test_line_ends_of_the_web_do_not_matter(record: TaskRecord) -> None:
    body = render_marker(record, KEYRING).replace("\n", "\r\n")
    assert parse_marker(body, KEYRING, *HERE) == record


@examine
@given(records())
def test_a_marker_is_one_html_comment_from_its_start_to_its_end(record: TaskRecord) -> None:
    marker = render_marker(record, KEYRING)
    inside = marker.removeprefix("<!--").removesuffix("-->")
    assert (len(inside), [sign for sign in ("--", "<", ">") if sign in inside]) == (len(marker) - 7, [])


def test_the_comments_id_is_not_in_the_marker() -> None:
    marker = render_marker(build.record(comment_id=77), KEYRING)
    assert parse_marker(marker, KEYRING, *HERE) == build.record(comment_id=None)


def test_a_marker_with_a_changed_character_gives_no_record() -> None:
    changes = [(index, sign) for index in range(len(MARKER)) for sign in "1\x000a\uff11 \n>" if sign != MARKER[index]]
    accepted = [(index, sign) for index, sign in changes if read(MARKER[:index] + sign + MARKER[index + 1 :])]
    assert accepted == []


@examine
@given(st.data())
def test_a_marker_with_a_changed_byte_gives_no_record(data: st.DataObject) -> None:
    raw = bytearray(MARKER.encode())
    index = data.draw(st.integers(0, len(raw) - 1))
    raw[index] ^= data.draw(st.integers(1, 255))
    assert read(raw.decode(errors="replace")) is None


@examine
@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_a_marker_counts_only_where_it_was_written(repository_id: int, number: int) -> None:
    moved = read(MARKER, repository_id, number)
    assert (moved is None) == ((repository_id, number) != HERE)


@pytest.mark.parametrize("place", [(1, 112), (11, 2), (112, 1), (12, 1)])
def test_repository_and_number_do_not_run_together(place: tuple[int, int]) -> None:
    with pytest.raises(BadMarker, match=r"signature does not match: the comment was changed, or copied"):
        parse_marker(MARKER, KEYRING, *place)


def test_a_marker_signed_with_an_unknown_key_does_not_count() -> None:
    marker = render_marker(build.record(), STRANGE_KEYRING)
    with pytest.raises(BadMarker, match=rf"signed with key {key_id(b'strange key')}, which this Orch does not have"):
        parse_marker(marker, KEYRING, *HERE)


def test_a_known_keys_name_does_not_make_another_keys_signature_count() -> None:
    marker = render_marker(build.record(), STRANGE_KEYRING)
    borrowed = marker.replace(key_id(b"strange key"), key_id(KEYRING.keys[0]))
    with pytest.raises(BadMarker, match="signature does not match"):
        parse_marker(borrowed, KEYRING, *HERE)


def test_an_older_key_verifies_and_the_first_signs() -> None:
    old = render_marker(build.record(), Keyring(KEYRING.keys[1:]))
    assert parse_marker(old, KEYRING, *HERE) == build.record()
    assert f" key={key_id(KEYRING.keys[0])} " in render_marker(build.record(), KEYRING)


def test_another_format_does_not_count() -> None:
    with pytest.raises(BadMarker, match=f"the marker has format 2, this Orch reads {FORMAT}"):
        parse_marker(MARKER.replace(" v=1 ", " v=2 "), KEYRING, *HERE)


@pytest.mark.parametrize("version", ["01", "9" * 5000, "1" * 5000])
def test_a_format_is_read_to_the_letter(version: str) -> None:
    with pytest.raises(BadMarker, match="the marker has format "):
        parse_marker(MARKER.replace(" v=1 ", f" v={version} "), KEYRING, *HERE)


def test_a_signed_record_that_cannot_be_read_does_not_count() -> None:
    odd = build.record().model_copy(update={"attempt": "many", "admitted": None})
    with pytest.warns(UserWarning, match="serializer warnings"):
        marker = render_marker(odd, KEYRING)
    with pytest.raises(BadMarker, match="the marker's record cannot be read: 2 fields do not fit"):
        parse_marker(marker, KEYRING, *HERE)


def test_the_last_marker_counts() -> None:
    forged = MARKER.replace("Because", "Forged").replace("<!-- é", "x")
    newer = build.record(why="Newer.")
    body = "\n".join([forged, MARKER, "<!-- orch:record v=1 key=00000000 mac=0", render_marker(newer, KEYRING)])
    assert parse_marker(body, KEYRING, *HERE) == newer


@examine
@given(st.text(st.characters(), max_size=80))
def test_text_without_a_marker_gives_none(text: str) -> None:
    assert parse_marker(text, KEYRING, *HERE) is None


@examine
@given(st.text(st.characters(exclude_characters="\n\r"), max_size=80), st.sampled_from(KEYRING.keys), st.booleans())
def test_parse_raises_only_bad_marker(text: str, key: bytes, is_known: bool) -> None:
    identity = key_id(key) if is_known else "0" * 8
    with pytest.raises(BadMarker):
        parse_marker(f"<!-- orch:record v=1 key={identity} mac={'0' * 64}\n{text}\n-->", KEYRING, *HERE)


def test_a_keys_name_is_short_and_not_the_key() -> None:
    assert [len(name) for name in KEYRING.known] == [8, 8]
    assert KEYRING.current == (key_id(b"first key"), b"first key")

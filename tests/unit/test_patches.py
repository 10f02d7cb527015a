"""Lines of a patch: where a comment on one stands, and where it is after a change."""

import difflib

from hypothesis import given
from hypothesis import strategies as st

from infra.hub.patches import Anchor, anchor_at_line, anchor_at_position, line_after

PATCH = "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n@@ -9 +9,2 @@ def\n+eight\n nine"


def test_a_line_is_found_by_its_number_and_by_its_place() -> None:
    two = Anchor("RIGHT", 2, 3, "@@ -1,3 +1,3 @@\n one\n-two\n+2")
    assert (anchor_at_line(PATCH, "RIGHT", 2), anchor_at_position(PATCH, 3)) == (two, two)
    assert anchor_at_position(PATCH, 2) == anchor_at_line(PATCH, "LEFT", 2)
    assert anchor_at_line(PATCH, "RIGHT", 10) == Anchor("RIGHT", 10, 7, "@@ -9 +9,2 @@ def\n+eight\n nine")


def test_headers_and_lines_outside_a_hunk_are_no_places() -> None:
    assert [anchor_at_position(PATCH, n) for n in (-1, 0, 5, 8)] == [None] * 4
    assert (anchor_at_line(PATCH, "RIGHT", 5), anchor_at_line("", "LEFT", 1)) == (None, None)


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), max_size=8))
def test_a_line_that_stays_keeps_its_text_wherever_it_goes(old: list[str], new: list[str]) -> None:
    patch = "\n".join(difflib.unified_diff(old, new, n=0, lineterm=""))
    after = [line_after(patch, number + 1) for number in range(len(old))]
    kept = [(old[number], place) for number, place in enumerate(after) if place is not None]
    assert [new[place - 1] for _, place in kept] == [text for text, _ in kept]
    places = [place for _, place in kept]
    assert places == sorted(set(places))

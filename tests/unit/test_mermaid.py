import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.mermaid import COLOURS, LONGEST_LABEL, Box, draw, is_worth_drawing
from tests.unit.draw import examine, texts

NODE = re.compile(r'    n[0-9]+\["(?:#35;[0-9]+ |[^"#`<>\[\]{}|\\@&;%]*: )[^"#`<>\[\]{}|\\@&;%\n]*"\](:::[a-z]+)?')
ARROW = re.compile(r"    n[0-9]+ --> n[0-9]+")


def test_boxes_are_drawn_with_arrows_from_what_they_come_after() -> None:
    assert draw([Box("a", "First"), Box("b", "Second", after=("a", "unknown"))]).splitlines() == [
        "```mermaid",
        "graph LR",
        '    n1["a: First"]',
        '    n2["b: Second"]',
        "    n1 --> n2",
        "```",
    ]


def test_issues_have_their_numbers_and_colours() -> None:
    assert draw([Box("#7", "Done", number=7, kind="closed")]).splitlines()[2:4] == [
        '    n1["#35;7 Done"]:::closed',
        f"    classDef closed {COLOURS['closed'][1]}",
    ]


@pytest.mark.parametrize(
    ("count", "arrows", "drawn"), [(1, 0, False), (2, 1, True), (3, 150, True), (3, 151, False), (4, 0, False)]
)
def test_what_is_too_little_or_too_much_to_see_is_not_drawn(count: int, arrows: int, drawn: bool) -> None:
    boxes = [Box(str(index), "Title", after=("0",) * arrows) for index in range(count)]
    assert is_worth_drawing(boxes, most=3) is drawn


@pytest.mark.parametrize(
    ("title", "label"),
    [
        ('"]; click n1 "https://evil.example"; n9["x', "click n1 https evil.example n9 x"),
        ("a`b```c|d", "a b c d"),
        ("<script>x</script>", "script x /script"),
        ("www.evil.example", "evil.example"),
        ("@team closes #1", "team closes 1"),
        ("%%{init: {}}%%", "init:"),
        ("#quot; &lt;", "quot lt"),
        ("two\nlines\u2028three", "two lines three"),
        ("数据库 データ 😀 é", "数据库 データ 😀 é"),
        ("x" * 99, f"{'x' * (LONGEST_LABEL - 1)}…"),
    ],
)
def test_nothing_in_a_title_breaks_out_of_its_label(title: str, label: str) -> None:
    assert draw([Box("k", title)]).splitlines()[2] == f'    n1["k: {label}"]'


@examine
@given(st.lists(texts, min_size=1, max_size=4))
def test_whatever_titles_say_every_line_is_one_of_the_graph(titles: list[str]) -> None:
    boxes = [Box(str(index), title, after=("0",), number=index) for index, title in enumerate(titles)]
    lines = draw(boxes).splitlines()
    assert (lines[:2], lines[-1]) == (["```mermaid", "graph LR"], "```")
    assert all(NODE.fullmatch(line) for line in lines[2 : 2 + len(titles)])
    assert all(ARROW.fullmatch(line) for line in lines[2 + len(titles) : -1])

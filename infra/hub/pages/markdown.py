"""Markdown as GitHub shows it in comments, made safe to show."""

import re
from collections.abc import Callable, Iterator

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

FindLink = Callable[[str | None, int], str | None]

ALLOWED = (
    "a b blockquote br code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i ins kbd li ol p pre q s samp span "
    "strong sub summary sup table tbody td tfoot th thead tr tt ul var"
)
ATTRIBUTES = {
    "a": {"href", "title"},
    "details": {"open"},
    "ol": {"start"},
    "td": {"align", "colspan", "rowspan"},
    "th": {"align", "colspan", "rowspan"},
}
REFERENCE = re.compile(
    r"(?P<url>https?://[^\s<>\"']+)"
    r"|(?<![\w/&#.-])(?P<repository>[\w.-]+/[\w.-]+)?#(?P<number>[1-9]\d{0,8})\b"
)
TASK = re.compile(r"\[([ xX])\] ")
ALIGNED = re.compile(r"text-align:(left|right|center)")


def render_markdown(text: str, find_link: FindLink) -> str:
    """Render a text as HTML in which no script, style, form, image or comment is left.

    `find_link` gives the address behind `#12` or `owner/repo#12`, None if there is nothing. An image becomes a link
    to it, so that looking at a page asks no other server for anything.
    """
    return nh3.clean(
        _parser().render(text, {"find_link": find_link}),
        tags=set(ALLOWED.split()),
        attributes=ATTRIBUTES,
        allowed_classes={"li": {"task"}},
        url_schemes={"http", "https", "mailto"},
        link_rel="nofollow noopener noreferrer",
    )


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"breaks": True}).enable(["table", "strikethrough"])
    parser.core.ruler.push("github", _as_github)
    return parser


def _as_github(state: StateCore) -> None:
    for before, token in zip([None, None, *state.tokens], state.tokens, strict=False):
        if token.type in ("th_open", "td_open"):
            _align(token)
        if token.type == "inline" and token.children:
            if before is not None and before.type == "list_item_open":
                _check_box(before, token.children[0])
            token.children = list(_linked(token.children, state.env["find_link"]))


def _align(cell: Token) -> None:
    found = ALIGNED.match(str(cell.attrs.pop("style", "")))
    if found:
        cell.attrSet("align", found[1])


def _check_box(item: Token, first: Token) -> None:
    found = TASK.match(first.content) if first.type == "text" else None
    if found:
        item.attrSet("class", "task")
        first.content = f"{'☐' if found[1] == ' ' else '☑'} {first.content[found.end() :]}"


def _linked(tokens: list[Token], find_link: FindLink) -> Iterator[Token]:
    depth = 0
    for token in tokens:
        depth += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type == "text" and depth == 0:
            yield from _link_text(token.content, find_link)
        elif token.type == "image":
            yield from _link(str(token.attrs.get("src", "")), f"🖼 {token.content or 'image'}")
        else:
            yield token


def _link_text(text: str, find_link: FindLink) -> Iterator[Token]:
    done = 0
    for found in REFERENCE.finditer(text):
        shown = _without_tail(found[0]) if found["url"] else found[0]
        href = shown if found["url"] else find_link(found["repository"], int(found["number"]))
        if href is None:
            continue
        yield _text(text[done : found.start()])
        yield from _link(href, shown)
        done = found.start() + len(shown)
    yield _text(text[done:])


def _without_tail(url: str) -> str:
    """Leave out what ends the sentence rather than the address."""
    end, unopened = len(url), url.count(")") - url.count("(")
    while url[end - 1] in ".,:;!?*_~" or (url[end - 1] == ")" and unopened > 0):
        unopened -= url[end - 1] == ")"
        end -= 1
    return url[:end]


def _link(href: str, shown: str) -> Iterator[Token]:
    yield Token("link_open", "a", 1, attrs={"href": href})
    yield _text(shown)
    yield Token("link_close", "a", -1)


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)

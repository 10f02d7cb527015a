"""Pages that show hostile texts: nothing of them runs, looks like the page's own, or asks another server."""

import re
from collections.abc import Iterator

import pytest

from infra.hub.pages.markdown import render_markdown
from tests.contract.hub.browser import Browser, Shown
from tests.contract.hub.stage import Stage

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    '" autofocus onfocus="alert(1)',
    "</textarea></title></style><script>alert(1)</script>",
    "<!--><script>alert(1)</script>-->",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "<form action=//evil.example><input name=form_token><button>Merge</button></form>",
    "<meta http-equiv=refresh content=0;url=//evil.example><base href=//evil.example>",
    "<link rel=stylesheet href=//evil.example><style>*{display:none}</style>",
    "<p style=position:fixed>over</p><iframe src=//evil.example></iframe>",
    "\u202egnp.exe \x0b\u2028<script>alert(1)</script>",
]
NAMES = HOSTILE[:5]
OWN_ADDRESS = re.compile(r"[/#?](?![/\\])|data:,$")
SCHEME = re.compile(r"[^/?#]*?:")
KNOWN_FIELDS = {"form_token", "back", "person", "label", "body", "state", "title", "labels", "sha", "method"}
KNOWN_FIELDS |= {"edited", "review", "event", "file", "line", "side", "remark", "reply", "resolved"}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_do_nothing(stage: Stage, text: str) -> None:
    stage.ok("POST", "/labels", json={"name": text[:50], "description": text[:100]})
    stage.ok("POST", "/issues", json={"title": text, "body": text, "labels": [text[:50]]})
    stage.ok(
        "POST", "/issues/1/comments", json={"body": f"{text}\n\n> {text}\n\n[a]({text})\n\n![{text}](/x)\n\n`{text}`"}
    )
    stage.ok("PATCH", "/issues/1", json={"title": f"{text} again"})
    stage.branch("work", {"new.txt": f"{text}\n"})
    stage.ok("POST", "/pulls", json={"title": text, "head": "work", "base": "main", "body": text})
    remark = {"path": "new.txt", "line": 1, "body": text}
    review = {"event": "REQUEST_CHANGES", "body": text, "comments": [remark]}
    made = stage.ok("POST", "/pulls/2/reviews", "triage", json=review)
    stage.ok("PUT", f"/pulls/2/reviews/{made['id']}/dismissals", json={"message": text})
    look_everywhere(stage)


@pytest.mark.parametrize("text", NAMES)
def test_hostile_names_of_files_branches_and_commits_do_nothing(stage: Stage, text: str) -> None:
    path, branch = text.replace("/", "_"), re.sub(r"[\s?*\[~^:\\]", "_", text)
    main = stage.ok("GET", "/git/ref/heads/main")["object"]["sha"]
    stage.ok("POST", "/git/refs", json={"ref": f"refs/heads/{branch}", "sha": main})
    body = {"message": f"{text}\n\n{text}", "content": "bmV3Cg==", "branch": branch}
    written = stage.ok("PUT", f"/contents/{quoted(path)}", json=body)
    stage.ok("POST", "/pulls", json={"title": "One", "head": branch, "base": "main"})
    stage.ok("POST", "/pulls/1/comments", json={"path": path, "line": 1, "body": "Hm"})
    look_everywhere(stage)
    harmless(Browser(stage).get(f"/{stage.name}/commit/{written['commit']['sha']}"))


def look_everywhere(stage: Stage) -> None:
    browser = Browser(stage).act_as("write")
    paths = ["/", "/_hub/deliveries", f"{browser.home}/issues?state=all", f"{browser.home}/pulls?label=%3Cb%3E%22"]
    paths += [f"{browser.home}/{kind}/{n}" for kind, n in (("issues", 1), ("pull", 1), ("pull", 2))]
    paths += [href for href in browser.get("/_hub/deliveries").hrefs() if href.startswith("/_hub/deliveries/")][:8]
    shown = [page for path in paths if (page := browser.get(path)).status != 303]
    assert len(shown) >= 10
    for page in shown:
        harmless(page)


def harmless(shown: Shown) -> None:
    """Check that a page holds one script, its own, and no attribute, address or field that it should not."""
    nonce = re.search(r"'nonce-([^']+)'", shown.headers["Content-Security-Policy"])
    assert nonce is not None
    for tag, attributes in shown.elements():
        assert tag not in {"iframe", "object", "embed", "svg", "math", "img", "base", "style", "video", "audio"}
        assert not [name for name in attributes if name.startswith("on")]
        assert "http-equiv" not in attributes
        for name in ("href", "src", "action", "formaction"):
            assert is_safe(attributes.get(name, "/"), attributes.get("rel", "")), attributes
        if "style" in attributes:
            assert re.fullmatch(r"--paper:#[0-9a-f]{6};--ink:#(000|fff)", attributes["style"])
        assert attributes.get("name", "label") in KNOWN_FIELDS | {"viewport", "color-scheme"}
    scripts = [{"nonce": nonce[1]}] if shown.status == 200 else []
    assert [a for _, a in shown.elements("script")] == scripts
    assert [a["href"] for _, a in shown.elements("link")] == ["/_hub/style.css", "data:,"]
    assert "7 * 7" in shown.text or "49" not in shown.text.split()


def is_safe(address: str, rel: str) -> bool:
    """Tell whether an address is one of the page's own, or what a person wrote and not a scheme that runs."""
    if "nofollow" not in rel:
        return OWN_ADDRESS.match(address) is not None
    scheme = SCHEME.match(address)
    return scheme is None or scheme[0] in ("http:", "https:", "mailto:")


def quoted(path: str) -> str:
    return "".join(f"%{byte:02X}" for byte in path.encode())


def links() -> Iterator[tuple[str, str]]:
    yield "[a](javascript:alert(1))", "<p>[a](javascript:alert(1))</p>\n"
    yield "<a href='JaVaScRiPt:alert(1)' onclick=x target=_top>x</a>", f"<p><a {REL}>x</a></p>\n"
    yield "<a href='data:text/html,x'>x</a>", f"<p><a {REL}>x</a></p>\n"
    yield "![x](http://e.example/i.png)", f'<p><a href="http://e.example/i.png" {REL}>🖼 x</a></p>\n'
    yield (
        "(http://e.example/a_b_(c)).",
        f'<p>(<a href="http://e.example/a_b_(c)" {REL}>http://e.example/a_b_(c)</a>).</p>\n',
    )
    yield "see #5, a/b#6", f'<p>see <a href="/o/r/5" {REL}>#5</a>, <a href="/a/b/6" {REL}>a/b#6</a></p>\n'
    yield "#7 a#5 `#5` x/y/z#5", "<p>#7 a#5 <code>#5</code> x/y/z#5</p>\n"


REL = 'rel="nofollow noopener noreferrer"'


@pytest.mark.parametrize(
    ("text", "html"),
    [
        *links(),
        ("~~a~~\nb", "<p><s>a</s><br>\nb</p>\n"),
        ("- [ ] a\n- [x] b", '<ul>\n<li class="task">☐ a</li>\n<li class="task">☑ b</li>\n</ul>\n'),
        ("<!-- a\n<b> -->seen<!-- b -->", "seen"),
        (
            "<details open><summary>S</summary>\n\n*in*\n\n</details>",
            '<details open=""><summary>S</summary>\n<p><em>in</em></p>\n</details>',
        ),
        ("<b style='x' class=y id=z>a</b>", "<p><b>a</b></p>\n"),
        ("<form><input name=form_token><button>a</button></form>", "a"),
        ("<style>*{}</style><script>x</script>", ""),
        ("", ""),
    ],
)
def test_markdown_is_rendered_and_made_safe(text: str, html: str) -> None:
    assert render_markdown(text, lambda name, number: None if number == 7 else f"/{name or 'o/r'}/{number}") == html


def test_cells_of_a_table_keep_their_alignment() -> None:
    html = render_markdown("| a | b |\n| --- | --: |\n| c | d |", lambda name, number: None)
    assert re.findall(r"<t[hd](?: [^>]*)?>", html) == ["<th>", '<th align="right">', "<td>", '<td align="right">']

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.domain.approvals import (
    LONGEST_TEXT,
    MOST_ANSWERS,
    SHOWN,
    Answer,
    AskedCall,
    Question,
    describe_answer,
    describe_question,
    with_answer,
)
from app.domain.comment import LIMIT, render_comment
from app.domain.task import Status
from app.domain.text import code_span, spell
from tests.unit import build
from tests.unit.draw import examine, texts

MARKDOWN = MarkdownIt("commonmark")
JOINER = "\u2060"


def answer(key: str = "k1", allowed: bool = True, reason: str = "", text: str = "bash: git push") -> Answer:
    return Answer(key=key, text=text, allowed=allowed, reason=reason)


def test_the_last_answer_to_a_call_counts() -> None:
    assert with_answer((answer(), answer("k2")), answer(allowed=False)) == (answer("k2"), answer(allowed=False))


def test_i12_the_oldest_answers_are_forgotten() -> None:
    answers: tuple[Answer, ...] = ()
    for number in range(MOST_ANSWERS + 3):
        answers = with_answer(answers, answer(f"k{number}"))
    assert [each.key for each in answers] == [f"k{number}" for number in range(3, MOST_ANSWERS + 3)]


def test_the_longest_answers_fit_into_the_living_comment() -> None:
    answers: tuple[Answer, ...] = ()
    for number in range(MOST_ANSWERS):
        answers = with_answer(answers, answer(f"k{number}", reason="<" * LONGEST_TEXT, text="<" * 1000))
    question = Question(key="k", text="-" * 1000, at=build.NOW)
    record = build.record(Status.NEEDS_REVIEW, answers=answers, asked=question)
    assert len(render_comment(record, build.KEYRING)) < LIMIT / 2


def test_people_see_the_call_and_how_it_is_answered() -> None:
    said = describe_question(AskedCall(key="k1", text="bash: git push\nrm -rf ~"))
    assert said.startswith(r"It wants this: `` bash: git push\nrm -rf ~ ``" + "\n\n")
    assert "`/approve` allows exactly this call" in said
    assert "`/deny REASON` refuses it" in said


def test_people_are_told_of_what_they_do_not_see() -> None:
    said = describe_question(AskedCall(key="k1", text="x" * (SHOWN + 1)))
    assert "x" * SHOWN + " ``" in said
    assert "only its beginning" in said


def test_the_agent_is_told_what_became_of_what_it_asked_for() -> None:
    assert describe_answer(answer()).endswith("do it if it is still needed: bash: git push")
    assert describe_answer(answer(allowed=False)).endswith("bash: git push. Reason: not given")
    assert describe_answer(answer(allowed=False, reason="Not now.")).endswith("bash: git push. Reason: Not now.")


def test_nothing_in_a_call_is_unseen() -> None:
    assert spell("a\u202eb\u200bc\td\u2028e") == r"a\u202eb\u200bc\td\u2028e"


@examine
@given(st.one_of(texts, st.text(alphabet="`| @ax<>!-\\\n", max_size=30)))
def test_a_call_is_one_piece_of_code_and_nothing_else(text: str) -> None:
    [paragraph] = [token for token in MARKDOWN.parse(f"It: {code_span(text)} .") if token.type == "inline"]
    assert [child.type for child in paragraph.children or []] == ["text", "code_inline", "text"]
    code = (paragraph.children or [])[1].content
    assert code.replace(JOINER, "").strip() == spell(text).replace(JOINER, "").strip()


def test_a_call_mentions_nobody_and_closes_nothing() -> None:
    span = code_span("echo @writer fixes #12 <!-- ")
    assert ("@writer" in span, "fixes #12" in span, "<!--" in span) == (False, False, False)

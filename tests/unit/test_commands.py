from collections.abc import Callable
from decimal import Decimal
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.commands import (
    MOST,
    Command,
    Mistake,
    Said,
    Word,
    fresh,
    key_of,
    read_comment,
)
from tests.unit.draw import examine, texts

AGENTS = ("claude", "codex", "opencode")
NAMES = "the agents are `claude`, `codex`, `opencode`"
STOP = Command(Word.STOP)


def read(body: str) -> Said:
    return read_comment(body, bot="orch-app", agents=AGENTS)


def commands(body: str) -> tuple[Command, ...]:
    said = read(body)
    assert said.mistakes == ()
    return said.commands


def mistake(body: str) -> Mistake:
    said = read(body)
    assert said.commands == ()
    [one] = said.mistakes
    return one


def pointed(body: str) -> tuple[str, str | None]:
    """Return what a mistake points at, and what is near to it."""
    one = mistake(body)
    return one.line_text[one.column : one.column + one.length], one.nearest


@pytest.mark.parametrize("word", Word)
def test_every_command_is_known(word: Word) -> None:
    [said, *_] = read(f"/{word.value} claude").commands
    assert said.word is word


@pytest.mark.parametrize("body", ["/stop", "/STOP", "   /Stop", "/stop.", "/stop!", "/stop  ", "\n/stop\r\n"])
def test_a_command_is_the_first_word_of_a_line(body: str) -> None:
    assert [command.word for command in commands(body)] == [Word.STOP]


@pytest.mark.parametrize(
    "body",
    [
        *("", "please /stop", "/stop/this", "/stop.txt", "`/stop`", "\\/stop", "- /stop", "/ stop", "//stop"),
        "\uff0fstop",
        *(
            "    /stop",
            "\t/stop",
            "> /stop",
            "> said\n/stop",
            "<!-- /stop -->",
            "<!--\n/stop\n-->",
            "text <!-- a\n/stop",
        ),
        *(
            "```\n/stop\n```",
            "````\n```\n/stop\n````",
            "~~~ text\n/stop",
            "- ```\n  /stop\n  ```",
            "<pre>\n/stop\n</pre>",
        ),
    ],
)
def test_what_is_shown_otherwise_is_no_command(body: str) -> None:
    assert read(body) == Said()


@pytest.mark.parametrize(
    "before",
    [
        "```\ncode\n```",
        "> said\n",
        "<!--\nhidden\n-->",
        "<!-- hidden -->",
        "1. a\n   ```\n   b\n   ```",
        "``` a`b",
        "- a",
    ],
)
def test_what_comes_after_that_is_one(before: str) -> None:
    assert [command.word for command in commands(f"{before}\n/stop")] == [Word.STOP]


@pytest.mark.parametrize(
    "word",
    [
        *("lgtm", "assign", "unassign", "close", "hold", "test", "retest", "ok-to-test", "label", "cc", "retitle"),
        *("override", "deploy", "build", "run", "rerun", "recheck", "release", "reopen", "remove", "resolve", "reset"),
        *("unapprove", "unpause", "usr/bin/env", "tmp", "home", "code", "details", "table", "task", "x" * 200),
    ],
)
def test_words_of_others_are_left_to_them(word: str) -> None:
    assert read(f"/{word} it") == Said()


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [
        *(("/aprove", "/approve"), ("/retyr", "/retry"), ("/stpo", "/stop"), ("/canceled", "/cancel")),
        *(("/approved", "/approve"), ("/oktorun", "/ok-to-run"), ("/merge?", "/merge"), ("/Agents", "/agent")),
    ],
)
def test_a_word_that_is_nearly_a_command_is_a_mistake(wrong: str, nearest: str) -> None:
    assert pointed(f"{wrong} budget 5") == (wrong, nearest)


def test_a_mistake_says_what_is_wrong() -> None:
    assert mistake("  /retyr codex") == Mistake("  /retyr codex", 2, 6, "`/retyr` is no command", "/retry")


def test_what_is_to_be_planned_otherwise_is_said_behind_the_command() -> None:
    assert commands("/plan one for the docs") == (Command(Word.PLAN, text="one for the docs"),)


def test_a_question_mark_asks_and_does_nothing() -> None:
    assert commands("/why?") == (Command(Word.WHY),)
    assert pointed("/cancel?") == ("/cancel?", "/cancel")


def test_an_underscore_is_a_hyphen() -> None:
    assert commands("/ok_to_run") == (Command(Word.OK_TO_RUN),)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("/retry", Command(Word.RETRY)),
        ("/retry codex", Command(Word.RETRY, "codex")),
        ("/retry Codex,", Command(Word.RETRY, "codex")),
        ("/retry `codex` `gpt-5.1`", Command(Word.RETRY, "codex", "gpt-5.1")),
        ("/retry codex openai/o3 be quick", Command(Word.RETRY, "codex", "openai/o3", text="be quick")),
        ("/retry codex please also run the linter", Command(Word.RETRY, "codex", text="please also run the linter")),
        ("/retry codex please.", Command(Word.RETRY, "codex", text="please.")),
        ("/retry codex https://e.org/1", Command(Word.RETRY, "codex", text="https://e.org/1")),
        ("/retry gpt-5", Command(Word.RETRY, model="gpt-5")),
        ("/retry e.g. with tests", Command(Word.RETRY, text="e.g. with tests")),
        ("/retry 2", Command(Word.RETRY, text="2")),
        ("/retry\nclose the file", Command(Word.RETRY, text="close the file")),
        ("/review the errors", Command(Word.REVIEW, text="the errors")),
        ("/agent claude", Command(Word.AGENT, "claude")),
        ("/agent claude opus-4 it is better", Command(Word.AGENT, "claude", "opus-4", text="it is better")),
    ],
)
def test_agent_model_and_text_are_told_apart(body: str, said: Command) -> None:
    assert commands(body) == (said,)


@pytest.mark.parametrize(
    ("body", "wrong", "nearest"),
    [
        ("/retry codx do it", "codx", "codex"),
        ("/review `cluade`", "`cluade`", "claude"),
        ("/agent Opencod", "Opencod", "opencode"),
        ("/agent a", "a", None),
        ("/agent", "/agent", None),
    ],
)
def test_an_agent_that_is_none_is_a_mistake(body: str, wrong: str, nearest: str | None) -> None:
    assert pointed(body) == (wrong, nearest)
    assert NAMES in mistake(body).why


def test_a_mistaken_agent_that_was_meant_as_text_can_be_written_as_text() -> None:
    assert "goes onto the next line" in mistake("/retry code is wrong").why
    assert commands("/retry\ncode is wrong") == (Command(Word.RETRY, text="code is wrong"),)


def test_where_no_agent_may_be_chosen_that_is_said() -> None:
    [one] = read_comment("/agent codex", bot="", agents=()).mistakes
    assert one.why == "`` codex `` is no agent here; no agent may be chosen here"


@pytest.mark.parametrize(
    ("amount", "dollars"),
    [("5", "5"), ("$5.50", "5.50"), ("5.5", "5.5"), ("5$", "5"), ("0.01", "0.01"), ("10000", "10000"), ("`5`.", "5")],
)
def test_a_budget_is_an_amount_of_dollars(amount: str, dollars: str) -> None:
    assert commands(f"/approve Budget {amount}") == (Command(Word.APPROVE, amount=Decimal(dollars)),)


@pytest.mark.parametrize(
    "amount",
    [
        "-1",
        "0",
        "nan",
        "1e9",
        "inf",
        "10000.01",
        "99999999999",
        "5.555",
        "1,000",
        "5,50",
        "$",
        "five",
        "€5",
        "+5",
        "\u0665",
    ],
)
def test_what_is_no_amount_is_a_mistake(amount: str) -> None:
    assert pointed(f"/approve budget {amount}") == (amount, None)
    assert "is no amount" in mistake(f"/approve budget {amount}").why


def test_a_budget_without_an_amount_is_asked_for() -> None:
    assert mistake("/approve budget\n5").why == "how much? `/approve budget 5` allows 5 US dollars more"


@pytest.mark.parametrize(("body", "wrong"), [("/approve budgt 5", "budgt"), ("/approve $5", "$5"), ("/approve 5", "5")])
def test_money_is_not_taken_for_a_plain_approval(body: str, wrong: str) -> None:
    assert pointed(body) == (wrong, "budget")


@pytest.mark.parametrize("word", [Word.APPROVE, Word.DENY, Word.STOP, Word.MERGE])
def test_what_follows_a_command_belongs_to_it(word: Word) -> None:
    body = f"Well.\n/{word.value}  too broad \n\n> said\n```\n/stop\n```\n- a"
    assert commands(body) == (Command(word, text="too broad\n\n> said\n```\n/stop\n```\n- a", line=2),)


def test_the_text_after_an_amount_is_kept() -> None:
    assert commands("/approve budget 5 for tests") == (Command(Word.APPROVE, amount=Decimal(5), text="for tests"),)


def test_the_next_command_or_mistake_ends_it() -> None:
    said = read("/deny a\n/retry b\n/aprove\nc")
    assert said.commands == (Command(Word.DENY, text="a"), Command(Word.RETRY, text="b", line=2))
    assert [one.nearest for one in said.mistakes] == ["/approve"]


def test_a_command_has_the_power_that_it_asks_for() -> None:
    powers = [command.power.value for command in commands("/why\n/approve\n/approve budget 5\n/merge")]
    assert powers == ["read", "write", "budget", "merge"]


def test_what_is_said_twice_counts_once() -> None:
    assert commands("/stop\n/retry a\n/retry  a\n/Stop please") == (STOP, Command(Word.RETRY, text="a", line=2))


def test_i12_ten_commands_are_followed() -> None:
    said = read("\n".join(f"/retry {number} times" for number in range(MOST + 2)))
    assert [command.line for command in said.commands] == list(range(1, MOST + 1))
    assert [one.line_text for one in said.mistakes] == [f"/retry {MOST} times"]
    assert "at most 10 commands" in said.mistakes[0].why


def test_i12_ten_mistakes_are_told() -> None:
    assert len(read("\n".join(f"/retyr {number}" for number in range(20))).mistakes) == MOST


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("@orch-app please fix it", "please fix it"),
        ("@Orch-App[bot]: hi", "hi"),
        ("Could @orch-app look?", "Could look?"),
        ("a\n\n@orch-app, b\nc", "a\n\nb\nc"),
        ("> said\n\n@orch-app why?", "> said\n\nwhy?"),
        ("@orch-app", ""),
        ("@orch-app?", ""),
        ("@orch-app and @orch-app, hi", "and, hi"),
        ("@orch-app\n```\n@orch-app\n```", "```\n@orch-app\n```"),
    ],
)
def test_a_mention_is_the_text_beside_it(body: str, text: str) -> None:
    assert read(body) == Said(mention=text)


@pytest.mark.parametrize(
    "body",
    [
        *("@orch", "@orch-apps hi", "@orch-app/team", "@orch-app-2", "me@orch-app", "(@orch-app)", "`@orch-app` hi"),
        *("> @orch-app hi", "```\n@orch-app\n```", "    @orch-app hi <!-- b", "<!-- @orch-app -->", "@orch-app's"),
    ],
)
def test_what_is_no_mention_is_none(body: str) -> None:
    assert read(body) == Said()


@pytest.mark.parametrize("body", ["@orch-app /retry codex fix it", "@orch-app[bot]: /retry codex fix it"])
def test_a_command_may_follow_a_mention(body: str) -> None:
    assert read(body) == Said((Command(Word.RETRY, "codex", text="fix it"),))


@pytest.mark.parametrize("body", ["@orch-app hi\n/stop", "/stop\n@orch-app hi", "@orch-app hi\n/stpo"])
def test_a_command_wins_over_a_mention(body: str) -> None:
    assert read(body).mention is None


def test_an_edited_comment_says_only_what_is_new() -> None:
    heard = [key_of(command) for command in read("/stop\n/retry a").commands]
    assert fresh(read("/retry  a\n\n/stop now\n/retry b\n/stpo"), heard) == Said(
        (Command(Word.RETRY, text="b", line=4),), (mistake("/stpo"),)
    )
    assert fresh(read("/stpo"), [key_of(mistake("/stpo"))]) == Said()


def test_a_mention_that_was_heard_is_not_new() -> None:
    said = read("@orch-app fix it")
    assert [fresh(said, []), fresh(said, [key_of("fix  it")])] == [said, Said()]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/approve", "/approve thanks"),
        ("/approve budget 5", "/approve budget 5.00"),
        ("/deny", "/deny because"),
        ("/agent codex", "/agent codex as I said"),
        ("/retry a\nb", "/Retry  a b"),
    ],
)
def test_other_words_around_the_same_are_nothing_new(one: str, other: str) -> None:
    assert [key_of(each) for each in commands(one)] == [key_of(each) for each in commands(other)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/approve", "/approve budget 5"),
        ("/retry a", "/retry b"),
        ("/agent codex", "/retry codex"),
        ("/stop", "/pause"),
    ],
)
def test_what_asks_for_something_else_is_new(one: str, other: str) -> None:
    assert [key_of(each) for each in commands(one)] != [key_of(each) for each in commands(other)]


@examine
@given(texts, texts)
def test_what_was_heard_is_never_new(first: str, second: str) -> None:
    said = read(f"/retry {first}\n/aprove {second}\n@orch-app {first}\n/deny")
    keys = [*map(key_of, said.commands), *map(key_of, said.mistakes)]
    assert len(set(keys)) == len(keys)
    assert fresh(said, keys) == Said()


@examine
@given(st.text(alphabet=st.sampled_from("/retyapov@orch-cdx5 \n\t`~>-<!#1.$?"), max_size=80))
def test_every_mistake_points_into_its_line(body: str) -> None:
    for one in read(f"/{body}").mistakes:
        assert 0 <= one.column < one.column + one.length <= len(one.line_text)
        assert one.line_text[one.column : one.column + one.length].strip()


SLOW: tuple[Callable[[int], str], ...] = (
    lambda size: "/retry\n" * (size // 7),
    lambda size: "".join(
        f"/a{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}p{chr(97 + n // 676)}\n" for n in range(size // 6)
    ),
    lambda size: "@orch-app " * (size // 10),
    lambda size: "/retry codex " + "a-" * (size // 2),
    lambda size: " ".join("`" * length for length in range(int((2 * size) ** 0.5))),
    lambda size: "- " * (size // 2) + "`",
    lambda size: "<pre " * (size // 5),
)


@pytest.mark.parametrize("body_of", SLOW)
def test_the_longest_comment_takes_no_time(body_of: Callable[[int], str]) -> None:
    began = process_time()
    read(body_of(65_536))
    assert process_time() - began < 5

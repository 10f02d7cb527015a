"""The rules of ORCH_NOTIFY: what can be given, what cannot be right, and that no address is repeated."""

import json
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.domain.notices import Kind, Notice
from app.entry.configuration import is_secret, list_settings
from app.notify_rules import Rule, parse_rules
from app.settings import ServeSettings, check_settings
from app.sources import gather

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general"
MAIL = "mailto://me:hunter2@example.com"
ENOUGH = {"ORCH_APP_ID": "7", "ORCH_PRIVATE_KEY": "pem", "ORCH_WEBHOOK_SECRET": "hush", "ORCH_AGENTS": "script"}


def rule(name: str, to: str, *on: Kind) -> Rule:
    return Rule(name, SecretStr(to), on)


def given(folder: Path, notify: str = "", yaml: str = "") -> ServeSettings | list[str]:
    (folder / "orch.yml").write_text(yaml)
    return check_settings(
        ServeSettings, gather(ServeSettings.model_fields, ENOUGH | {"ORCH_NOTIFY": notify}, folder, None)
    )


WAYS = {
    "a list": ([{"to": MAIL, "on": ["done", "failed"]}], rule("1 (mailto)", MAIL, Kind.DONE, Kind.FAILED)),
    "names": ({"on call": {"to": MAIL, "on": "budget"}}, rule("on call", MAIL, Kind.BUDGET)),
    "one rule": ({"to": SLACK, "on": ["failed", "done", "failed"]}, rule("1 (slack)", SLACK, Kind.DONE, Kind.FAILED)),
    "YAML's own `on`": ([{"to": MAIL, True: ["done"]}], rule("1 (mailto)", MAIL, Kind.DONE)),
    "JSON": (json.dumps([{"to": MAIL, "on": ["done"]}]), rule("1 (mailto)", MAIL, Kind.DONE)),
    "YAML": (f"ops: {{to: '{SLACK}', on: done}}", rule("ops", SLACK, Kind.DONE)),
    "rules": ((rule("x", MAIL, Kind.DONE),), rule("x", MAIL, Kind.DONE)),
}


@pytest.mark.parametrize("way", WAYS)
def test_rules_can_be_given_as(way: str) -> None:
    value, found = WAYS[way]
    assert parse_rules(value) == (found,)


def test_nothing_is_no_rule() -> None:
    assert (parse_rules([]), parse_rules("null"), parse_rules({})) == ((), (), ())


WRONG = {
    "a word": ("canary", "must be a list of rules"),
    "no JSON": ('[{"to": "canary', "is neither JSON nor YAML"),
    "no mapping": (["mailto://canary"], "rule 1 must be `{to: URL, on: [WORD, ...]}`"),
    "no words": ([{"to": "mailto://canary"}], "rule 1 must be `{to: URL, on: [WORD, ...]}`"),
    "more": ({"ops": {"to": "json://b", "on": "done", "canary": 1}}, "rule ops must be `{to: URL, on: [WORD, ...]}`"),
    "an address for a name": ({"slack://canary": ["done"]}, "a name has at most 40 letters"),
    "another name": ({7: {"to": "mailto://canary", "on": "done"}}, "a name has at most 40 letters"),
    "no address": ([{"to": "json://b", "on": "done"}, {"to": "canary", "on": "done"}], "rule 2: `to` must be a URL"),
    "no text": ([{"to": 7, "on": "done"}], "rule 1: `to` must be a URL"),
    "unknown": ([{"to": "json://canary", "on": ["done", "canary"]}], "rule 1: `on` takes words out of needs_person,"),
    "no word": ([{"to": "json://canary", "on": []}], "rule 1: `on` takes words out of needs_person,"),
    "no text for a word": ([{"to": "json://canary", "on": [["done"]]}], "rule 1: `on` takes words out of"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_said_and_no_address_repeated(mistake: str) -> None:
    value, said = WRONG[mistake]
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        parse_rules(value)
    assert "canary" not in str(caught.value)


def test_a_rule_wants_what_it_asked_for() -> None:
    notice = Notice(kinds=(Kind.BUDGET, Kind.NEEDS_PERSON), title="", text="", url="")
    wants = [kind for kind in Kind if rule("x", MAIL, kind).wants(notice)]
    assert wants == [Kind.NEEDS_PERSON, Kind.BUDGET]


def test_what_may_be_a_token_is_secret_and_a_host_is_not() -> None:
    secret = {*rule("x", SLACK).secrets()}
    assert secret == {SLACK, "T1JJ3T3L2", "A1BRTD4JD", "TIiajkdnlazkcOXrIdevi7FQ"}
    assert {*rule("x", MAIL).secrets()} == {MAIL, "hunter2"}
    assert {*rule("x", "json://127.0.0.1:8080/notifications").secrets()} == {"json://127.0.0.1:8080/notifications"}


def test_an_address_in_the_file_is_a_setting_and_a_secret(tmp_path: Path) -> None:
    made = given(tmp_path, yaml=f"notify:\n  ops: {{to: '{SLACK}', on: [done]}}\n")
    assert isinstance(made, ServeSettings)
    assert made.notify == (rule("ops", SLACK, Kind.DONE),)
    assert {SLACK, "TIiajkdnlazkcOXrIdevi7FQ"} < {*made.secrets()}
    assert "T1JJ3T3L2" not in repr(made) + str(made) + made.model_dump_json()


def test_a_mistake_names_the_setting_and_its_place(tmp_path: Path) -> None:
    assert given(tmp_path, yaml="\nnotify: canary\n") == [
        "notify (from orch.yml, line 2): must be a list of rules `{to: URL, on: [WORD, ...]}`,"
        " or a mapping of names to rules"
    ]


def test_a_listing_of_settings_does_not_show_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCH_NOTIFY", json.dumps({"to": SLACK, "on": "done"}))
    rows, _ = list_settings(None)
    assert [row.value for row in rows if row.name == "ORCH_NOTIFY"] == ["(set, not shown)"]
    assert is_secret(ServeSettings.model_fields["notify"])

"""What `orch config explain` says of the operator's layers, and of a repository's file over them."""

from pathlib import Path

import pytest

from app.domain.config import RepoFile
from app.domain.config_check import FoundFile, Tree, follow
from app.domain.config_keys import KEYS
from app.domain.errors import UserError
from app.entry.explanation import Explained, Explanation, OperatorSettings, explain, lay
from app.settings import check_settings
from app.sources import gather

YAML = """agents: [script, claude]
agent_options:
  script: {model: small}
max_attempts: 7
max_cost: 5
mergers: [maintain]
"""
ENVIRON = {"ORCH_MAX_ATTEMPTS": "4", "ORCH_WALL_SECONDS": "60", "ORCH_MAX_COST": "5"}


def explained(folder: Path, **asked: object) -> dict[str, Explained]:
    """Explain what is in force where a repository asks for that, a line for each key."""
    found = over(folder, RepoFile(), **asked)
    return {one.key: one for one in found.values}


def over(folder: Path, known: RepoFile, **asked: object) -> Explanation:
    (folder / "orch.yml").write_text(YAML)
    sources = gather(OperatorSettings.model_fields, ENVIRON, folder, None)
    settings = check_settings(OperatorSettings, sources)
    assert not isinstance(settings, list)
    lines = {key: number for number, key in enumerate(asked, 1)}
    file = follow(known, FoundFile("text", Tree(asked, lines)), settings.agents)
    return lay("acme/widgets", settings, sources, file)


def test_each_key_is_explained_in_its_order(tmp_path: Path) -> None:
    assert tuple(explained(tmp_path)) == (*KEYS, "router")


@pytest.mark.parametrize(
    "row",
    [
        Explained("trigger", "orch", "default", "default", ""),
        Explained("agent", "script", "file", "orch.yml, line 1", ""),
        Explained("model", "small", "file", "orch.yml, line 2", ""),
        Explained(
            "max_attempts",
            "4",
            "environment",
            "ORCH_MAX_ATTEMPTS (environment)",
            "instead of 7 in orch.yml, line 4",
        ),
        Explained("wall_seconds", "60", "environment", "ORCH_WALL_SECONDS (environment)", ""),
        Explained("max_cost", "5", "environment", "ORCH_MAX_COST (environment)", ""),
        Explained("mergers", "maintain", "file", "orch.yml, line 6", ""),
    ],
)
def test_a_value_of_the_operators_says_where_it_stands_and_what_it_hides(tmp_path: Path, row: Explained) -> None:
    assert explained(tmp_path)[row.key] == row


ABOVE = "instead of 4 in ORCH_MAX_ATTEMPTS (environment), 7 in orch.yml, line 4"


@pytest.mark.parametrize(
    ("asked", "row"),
    [
        ({"trigger": "ai"}, Explained("trigger", "ai", "repository", ".orch.yml, line 1", "")),
        ({"max_attempts": 2}, Explained("max_attempts", "2", "repository", ".orch.yml, line 1", ABOVE)),
        (
            {"max_attempts": 4},
            Explained("max_attempts", "4", "repository", ".orch.yml, line 1", "instead of 7 in orch.yml, line 4"),
        ),
        ({"max_rounds": 0}, Explained("max_rounds", "0", "repository", ".orch.yml, line 1", "")),
        (
            {"model": "large"},
            Explained("model", "large", "repository", ".orch.yml, line 1", "instead of small in orch.yml, line 2"),
        ),
        ({"agent": "claude"}, Explained("model", None, "default", "default", "")),
        (
            {"trigger": "ai", "max_cost": 9},
            Explained(
                "max_cost",
                "5",
                "environment",
                "ORCH_MAX_COST (environment)",
                "`.orch.yml` line 2: `max_cost` is 9, more than the operator allows; 5 is used.",
            ),
        ),
    ],
)
def test_a_value_of_the_repositorys_says_what_it_is_laid_over(
    tmp_path: Path, asked: dict[str, object], row: Explained
) -> None:
    assert explained(tmp_path, **asked)[row.key] == row


def test_a_mistake_in_the_file_is_a_remark_and_what_was_good_stays(tmp_path: Path) -> None:
    known = follow(RepoFile(), FoundFile("text", Tree({"trigger": "ai"}, {"trigger": 3})), ["script"])
    found = over(tmp_path, known, triger="bot")
    [remark] = found.remarks
    assert remark.startswith("`.orch.yml` line 1: `triger` is not a key of this file; did you mean `trigger`?")
    assert found.values[0] == Explained("trigger", "ai", "repository", ".orch.yml, line 3", "")


async def test_the_operators_view_needs_no_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCH_MERGERS", "[]")
    found = await explain(None, None)
    rows = {one.key: one.value for one in found.values}
    assert (found.repository, rows["agent"], rows["mergers"]) == (None, None, "nobody")


@pytest.mark.parametrize(
    ("repository", "said"),
    [("widgets", "`widgets` is no repository: write OWNER/NAME"), ("acme/widgets", "settings: ORCH_AGENTS is not set")],
)
async def test_what_is_missing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, repository: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=said):
        await explain(None, repository)

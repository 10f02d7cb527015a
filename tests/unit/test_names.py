import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.groups import group_of
from app.domain.names import (
    SLUG_LENGTH,
    branch_of,
    digest_of,
    number_of_branch,
    run_ref,
    split_group,
)
from tests.unit import build
from tests.unit.draw import examine, examine_few, texts

numbers = st.integers(min_value=1, max_value=10**12)
titles = texts | st.lists(st.sampled_from(["a", "Z", "9", "-", ".", "..", ".lock", "@{", "/", "~", " ", "ß"])).map(
    "".join
)


def git_takes(branch: str) -> bool:
    done = subprocess.run(["git", "check-ref-format", "--branch", branch], capture_output=True, cwd="/", check=False)
    return done.returncode == 0


@examine_few
@given(st.lists(st.tuples(numbers, titles), min_size=3, max_size=3))
def test_git_takes_every_branch_name(cases: list[tuple[int, str]]) -> None:
    branches = [branch_of(number, title) for number, title in cases]
    assert [git_takes(branch) for branch in branches] == [True] * len(branches)


@pytest.mark.parametrize(
    ("title", "branch"),
    [
        ("Add a greeting", "orch/12-add-a-greeting"),
        ("", "orch/12"),
        ("日本語", "orch/12"),
        ("--force", "orch/12-force"),
        ("x.lock", "orch/12-x-lock"),
        ("refs/heads/../main@{0}", "orch/12-refs-heads-main-0"),
        ("a" * 39 + " b", "orch/12-" + "a" * 39),
    ],
)
def test_a_branch_is_named_for_number_and_title(title: str, branch: str) -> None:
    assert branch_of(12, title) == branch
    assert git_takes(branch)


@examine
@given(numbers, titles, st.sampled_from(["orch", "bot.x", "a+b"]))
def test_the_number_comes_back_out_of_the_branch(number: int, title: str, prefix: str) -> None:
    branch = branch_of(number, title, prefix)
    assert number_of_branch(branch, prefix) == number
    assert len(branch) <= len(f"{prefix}/{number}-") + SLUG_LENGTH


@pytest.mark.parametrize(
    "branch",
    [
        *(
            "main",
            "orch",
            "orch/",
            "orch/x",
            "orch/x-12",
            "orch/12x",
            "orch/12-",
            "orch/12--a",
            "orch/12-A",
            "orch/12/a",
        ),
        *("orch/012", "orch/0", "orch/-1", "orch/١٢", "my/orch/12", "orchard/12", "orch/12-a\n", "orch/" + "9" * 5000),
        *("refs/heads/orch/12", "orch/12-é", "orch/12.a", "Orch/12"),
    ],
)
def test_a_branch_that_people_made_has_no_number(branch: str) -> None:
    assert number_of_branch(branch) is None


@examine
@given(titles)
def test_only_what_branch_of_could_make_has_a_number(branch: str) -> None:
    number = number_of_branch(branch)
    assert number is None or branch_of(number, branch.partition("-")[2]) == branch


def test_a_prefix_is_no_pattern() -> None:
    assert number_of_branch("botxx/12", "bot.x") is None


@examine
@given(numbers, numbers)
def test_a_group_splits_into_partition_and_item(repository_id: int, number: int) -> None:
    group = group_of(repository_id, number)
    assert split_group(group) == (build.repository(repository_id).partition, str(number))


def test_a_task_is_shown_as_owner_repository_and_number() -> None:
    assert (str(build.TASK), build.TASK.group) == ("owner/project#12", "repository:1/12")


def test_a_run_ref_is_no_branch() -> None:
    assert run_ref("run-1") == "refs/orch/runs/run-1"


def test_the_digest_depends_on_title_and_body() -> None:
    digests = {digest_of("a", "b"), digest_of("a", "c"), digest_of("c", "b"), digest_of("ab", "")}
    assert [len(digest) for digest in digests] == [64] * 4

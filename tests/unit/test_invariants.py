"""Rules about the code itself, read from its syntax."""

import ast
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import app
import handlers

ROOTS = [Path(package.__path__[0]) for package in (app, handlers)]
COPIES = {"model_copy", "change", "advance", "model_construct", "replace", "TaskRecord"}
WRITES = {
    "add_labels",
    "remove_label",
    "change_labels",
    "create_comment",
    "edit_comment",
    "pin_comment",
    "create_missing_labels",
    "close_issue",
    "create_branch",
    "move_branch",
    "delete_ref",
    "create_pull",
    "write_file",
    "react",
    "reply",
    "create_review",
    "update_branch",
    "merge_pull",
    "enqueue_pull",
    "sign_commit",
    "create_sub_issue",
    "add_blocked_by",
}
WRITERS = {"app/apply.py", "app/plan_effects.py", "app/pull_effects.py", "app/signing.py", "app/onboarding.py"}


@cache
def calls() -> tuple[tuple[str, ast.Call], ...]:
    """List every call in the core with the function that it is in, named `<folder>/<file>:<function>`."""
    return tuple(
        (place, node) for place, function in functions() for node in ast.walk(function) if isinstance(node, ast.Call)
    )


def functions() -> Iterator[tuple[str, ast.AST]]:
    """Walk over every function of the core."""
    for root in ROOTS:
        for file in sorted(root.rglob("*.py")):
            place = f"{root.name}/{file.relative_to(root)}"
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{place}:{node.name}", node


def called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def sets_status(call: ast.Call) -> bool:
    """Say whether the call names a status, as an argument or as a key of what it passes."""
    keys = [key for node in ast.walk(call) if isinstance(node, ast.Dict) for key in node.keys]
    named = any(isinstance(key, ast.Constant) and key.value == "status" for key in keys)
    return called(call) in COPIES and (named or any(keyword.arg == "status" for keyword in call.keywords))


def writes_to_github(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and called(call) in WRITES


def callers(name: str) -> set[str]:
    return places(lambda call: called(call) == name)


def places(does: Callable[[ast.Call], bool]) -> set[str]:
    """Name the functions with such a call."""
    return {place for place, call in calls() if does(call)}


def test_i4_only_advance_moves_a_status_and_only_admission_makes_a_record() -> None:
    assert places(sets_status) == {"app/domain/record.py:advance", "app/domain/strategies/admitting.py:_new"}


def test_i4_only_apply_writes_to_github() -> None:
    files = {place.partition(":")[0] for place in places(writes_to_github)}
    assert {file for file in files if not file.startswith("app/github/")} == WRITERS  # those are the port itself
    assert callers("open_onboarding") == {"app/apply.py:_prepare"}
    assert callers("perform") == {"app/apply.py:_perform_for"}


def test_i4_a_new_record_is_new() -> None:
    (made,) = [
        keyword.value
        for place, function in functions()
        if place == "app/domain/strategies/admitting.py:_new"
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and called(node) == "TaskRecord"
        for keyword in node.keywords
        if keyword.arg == "status"
    ]
    assert ast.unparse(made) == "Status.NEW"


def test_i2_decisions_know_neither_clock_nor_chance() -> None:
    domain, families = ROOTS[0] / "domain", ROOTS[1]
    pure = [*domain.rglob("*.py"), *(file for file in families.glob("*.py") if file.name != "snapshot.py")]
    imported = {
        name.partition(".")[0]
        for file in pure
        for node in ast.walk(ast.parse(file.read_text()))
        for name in _imports(node)
        if not name.startswith("pathlib.Pure")  # it knows how paths are spelled, and no disk
    }
    assert imported & {"asyncio", "io", "os", "pathlib", "random", "secrets", "socket", "subprocess", "time"} == set()


def _imports(node: ast.AST) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            return [f"{node.module}.{alias.name}" for alias in node.names]
        case _:
            return []

"""What a tool call is, told in one way for all agents: the kind of its tool, and each thing that it would do."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ToolKind(StrEnum):
    """What a tool does, whatever an agent calls it; `plan` does nothing outside the model's own head."""

    SHELL = "shell"
    READ = "read"
    WRITE = "write"
    EDIT = "edit"
    SEARCH = "search"
    FETCH = "fetch"
    PLAN = "plan"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call that an agent wants to make: its own name of the tool (or the kind that ACP tells) and the raw input."""

    name: str
    input: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Access:
    """One thing that a call would do; `text` says it for people.

    A command has `words`, a variable that is set is `NAME=value`. `paths` are as they were written, or places that
    `locate` spelled. `kind` is None for a tool that nobody knows.
    """

    kind: ToolKind | None
    text: str
    words: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    variable: str = ""


def kind_of(name: str) -> ToolKind | None:
    """Return the kind of a tool by the name that an agent, or ACP, has for it; None if it is not known."""
    return _KINDS.get(_plain(name))


def searches_names(name: str) -> bool:
    """Say whether the pattern of a search tool is one of paths."""
    return _plain(name) in _BY_NAME


def _plain(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")


_NAMES = {
    ToolKind.SHELL: "shell execute bash exec_command local_shell container.exec unified_exec run_shell_command "
    "command_execution commandExecution item/commandExecution/requestApproval execCommandApproval run_command terminal",
    ToolKind.READ: "read read_file ReadManyFiles NotebookRead view_image image_view ReadMediaFile zoom_image",
    ToolKind.WRITE: "write write_file create_file",
    ToolKind.EDIT: "edit delete move multi_edit edit_file NotebookEdit str_replace_file replace patch apply_patch "
    "file_change fileChange item/fileChange/requestApproval applyPatchApproval",
    ToolKind.SEARCH: "search grep glob ls list list_directory list_dir grep_search search_file_content find_files",
    ToolKind.FETCH: "fetch WebFetch web_fetch WebSearch google_web_search SearchWeb FetchURL code_search",
    ToolKind.PLAN: "plan think TodoWrite TodoRead write_todos SetTodoList update_plan EnterPlanMode ExitPlanMode "
    "switch_mode TaskCreate TaskGet TaskList TaskUpdate get_goal update_goal",
    ToolKind.OTHER: "other task agent skill activate_skill BashOutput KillShell TaskOutput TaskStop AskUserQuestion "
    "ask_user question ToolSearch ListAgents SendMessage ReportFindings EnterWorktree ExitWorktree save_memory "
    "ScheduleWakeup loop_wakeup CronCreate CronDelete CronList record_artifact Workflow",
}
_KINDS = {_plain(name): kind for kind, names in _NAMES.items() for name in names.split()}
_BY_NAME = frozenset(("glob", "findfiles"))

"""Where settings come from: environment over `.env` over a YAML file. Names are checked here, values are not.

The command line counts before, and a secret on AWS after, all of them.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dotenv import dotenv_values

if TYPE_CHECKING:
    import yaml

PREFIX = "ORCH_"
CONFIG_FILE = "config_file"
DEFAULT_FILE = Path("orch.yml")
ENVIRONMENT, DOT_ENV, COMMAND_LINE, SECRET = "environment", ".env", "command line", "secret"
LARGEST = 1024 * 1024
"""Bytes of a configuration file."""


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was given; `label` is the setting's name as it is written there."""

    value: Any
    label: str
    origin: str

    @property
    def is_in_file(self) -> bool:
        """Say whether it stands in the configuration file, and not in a variable."""
        return self.origin not in (ENVIRONMENT, DOT_ENV, COMMAND_LINE, SECRET)


@dataclass(slots=True)
class Sources:
    """What was given, by setting, and what is wrong with how it was given; some is unread if a file cannot be read.

    `hidden` is what does not count because a higher source gave the setting too, the highest last.
    """

    given: dict[str, Given] = field(default_factory=dict)
    hidden: dict[str, list[Given]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    some_unread: bool = False

    def lay(self, layer: Mapping[str, Given]) -> None:
        """Put what a higher source gave over the rest."""
        for name in layer.keys() & self.given.keys():
            self.hidden.setdefault(name, []).append(self.given[name])
        self.given |= layer

    def lay_under(self, layer: Mapping[str, Given]) -> None:
        """Add what a lower source gave and none of those above it."""
        self.given = {**layer, **self.given}

    def give_up(self, problem: str) -> None:
        """Note that a whole file cannot be read."""
        self.problems.append(problem)
        self.some_unread = True


def gather(known: Collection[str], environ: Mapping[str, str], folder: Path, config: Path | None) -> Sources:
    """Read every source; of two values for one setting, the higher source's counts.

    `known` are the settings of all commands. An empty value in environment or `.env` counts as not given.
    """
    sources = Sources()
    names = {*known, CONFIG_FILE}
    variables = _variables(environ, ENVIRONMENT, names, sources)
    beside = _dot_env(folder / DOT_ENV, names, sources)
    asked = variables.get(CONFIG_FILE) or beside.get(CONFIG_FILE)
    wanted = config or (Path(asked.value) if asked else None)
    for layer in (_file(folder, wanted, known, sources), beside, variables):
        sources.lay(layer)
    sources.given.pop(CONFIG_FILE, None)
    return sources


def _variables(
    values: Mapping[str, str | None], origin: str, names: Collection[str], sources: Sources
) -> dict[str, Given]:
    found = {}
    for label, value in values.items():
        name = label.upper().removeprefix(PREFIX).lower()
        if not label.upper().startswith(PREFIX):
            continue
        if name not in names:
            sources.problems.append(_unknown(label, f"from {origin}", name, names, PREFIX))
        elif value is None:
            sources.problems.append(f"{label} (from {origin}) has no value: write {label}=...")
        elif value:
            found[name] = Given(value, label, origin)
    return found


def read_dot_env(path: Path) -> Mapping[str, str | None]:
    """Return what a `.env` holds, nothing if it cannot be read; Orch's own settings are read by `gather`."""
    try:
        return dotenv_values(path, encoding="utf-8") if path.is_file() else {}
    except (OSError, UnicodeDecodeError):
        return {}


def _dot_env(path: Path, names: Collection[str], sources: Sources) -> dict[str, Given]:
    if not path.is_file():
        return {}
    with _complaints() as complaints:
        try:
            values = dotenv_values(path, encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            sources.give_up(f".env cannot be read: {_say(error)}")
            return {}
    sources.problems += [f".env, line {line}, is not NAME=value" for line in complaints]
    return _variables(values, DOT_ENV, names, sources)


@contextmanager
def _complaints() -> Iterator[list[int]]:
    """Collect the lines that the parser of `.env` passes over: it says so in the log only."""
    lines: list[int] = []

    def take(record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and record.args and isinstance(record.args[0], int):
            lines.append(record.args[0])
        return False

    logger = logging.getLogger("dotenv.main")
    logger.addFilter(take)
    try:
        yield lines
    finally:
        logger.removeFilter(take)


def _file(folder: Path, wanted: Path | None, known: Collection[str], sources: Sources) -> dict[str, Given]:
    shown = wanted or DEFAULT_FILE
    path = folder / shown
    if wanted is None and not path.exists():
        return {}
    import yaml  # noqa: PLC0415 - 1 MB that nobody needs who has no such file

    try:
        if path.stat().st_size > LARGEST:
            raise yaml.YAMLError(f"it has more than {LARGEST} bytes")  # noqa: TRY301
        loader = yaml.SafeLoader(path.read_text())
        return _mapping(loader, loader.get_single_node(), str(shown), known, sources)
    except (OSError, UnicodeDecodeError) as error:
        sources.give_up(f"{shown} cannot be read: {_say(error)}")
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}," if error.problem_mark else ""
        sources.give_up(f"{shown}{line} is not YAML: {error.problem}")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        sources.give_up(f"{shown} is not YAML: {str(error).splitlines()[0]}")
    return {}


def _mapping(
    loader: "yaml.SafeLoader", node: "yaml.Node | None", shown: str, known: Collection[str], sources: Sources
) -> dict[str, Given]:
    import yaml  # noqa: PLC0415 - see above

    found: dict[str, Given] = {}
    if node is None:
        return found
    if not isinstance(node, yaml.MappingNode):
        sources.give_up(f"{shown} must be `setting: value` lines")
        return found
    for key, value in node.value:
        label, line = str(key.value), f"{shown}, line {key.start_mark.line + 1}"
        if label not in known:
            sources.problems.append(_unknown(label, line, label.lower().removeprefix(PREFIX.lower()), known, ""))
        elif label in found:
            sources.problems.append(f"{label} ({line}) was given before: {found[label].origin}")
        elif (built := loader.construct_object(value, deep=True)) is not None:
            found[label] = Given(built, label, line)
    return found


def _unknown(label: str, place: str, name: str, known: Collection[str], prefix: str) -> str:
    near = get_close_matches(name, sorted(known), n=1)
    spelled = prefix + (near[0].upper() if prefix else near[0]) if near else ""
    return f"{label} ({place}) is no setting" + (f"; did you mean {spelled}?" if near else "")


def _say(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else "it is not UTF-8 text"

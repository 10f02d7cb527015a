import re
from pathlib import Path

from app.domain.task import TRANSITIONS, Status

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCK = re.compile(r"<!-- states -->\n```mermaid\nstateDiagram-v2\n(.*?)```\n<!-- /states -->", re.DOTALL)
EDGE = re.compile(r"    (\S+) --> (\S+?)(?:: (\S+))?")


def drawn() -> list[tuple[str, str, str | None]]:
    """Read the diagram's edges; each line is one."""
    (block,) = BLOCK.findall(README)
    edges = []
    for line in block.splitlines():
        edge = EDGE.fullmatch(line)
        assert edge is not None, line
        edges.append((edge[1], edge[2], edge[3]))
    return edges


def test_the_readme_draws_exactly_the_transitions() -> None:
    inner = [edge for edge in drawn() if "[*]" not in edge]
    assert sorted(inner) == sorted((source, target, trigger) for (source, trigger), target in TRANSITIONS.items())


def test_the_readme_draws_where_a_task_begins_and_ends() -> None:
    ends = {status for status in TRANSITIONS.values() if status.is_final}
    outer = {edge for edge in drawn() if "[*]" in edge}
    assert outer == {("[*]", Status.NEW, None), *((status, "[*]", None) for status in ends)}

"""The templates, and what they may call."""

import re
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from infra.hub.pages.diff import diff_lines
from infra.hub.pages.markdown import render_markdown
from infra.hub.records import Issue, Repository, User
from infra.hub.world import World

TEMPLATES = Path(__file__).parent / "templates"
COLOR = re.compile(r"[0-9a-fA-F]{6}")
UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))
DAYS_COUNTED = 30 * 86400
# WCAG asks for a contrast of 4.5; where white has less than this, black has more.
READABLE = 4.5


def make_templates(world: World) -> Environment:
    """Load the templates of a hub's pages; everything is escaped that is not Markup."""
    templates = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {
        "ago": lambda moment: ago(world.now() - moment, moment),
        "chip_style": chip_style,
        "diff_lines": diff_lines,
        "linked": partial(_linked, world),
        "login": lambda user_id: world.state.load(User, user_id).login,
        "markdown": partial(_markdown, world),
        "moment": moment_text,
        "path": issue_path,
    }
    return templates


def ago(seconds: float, moment: float) -> str:
    """Say how long ago something was; the date once that is more than a month."""
    if seconds > DAYS_COUNTED:
        return datetime.fromtimestamp(moment, UTC).strftime("%d %b %Y")
    for size, name in UNITS:
        count = int(seconds // size)
        if count:
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def moment_text(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def chip_style(color: str) -> str:
    """Give a label's colours as CSS: its own, and for the text white where that is readable, else black."""
    paper = color.lower() if COLOR.fullmatch(color) else "ededed"
    readable = 1.05 / (_luminance(paper) + 0.05) >= READABLE
    return f"--paper:#{paper};--ink:#{'fff' if readable else '000'}"


def _luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def issue_path(issue: Issue, repository: Repository) -> str:
    return f"/{repository.full_name}/{'pull' if issue.is_pull else 'issues'}/{issue.number}"


def _linked(world: World, issue_id: int, repository: Repository | None) -> Markup:
    """Name an issue as a link to it, with its repository's name where that is another than the page's."""
    issue = world.state.get(Issue, issue_id)
    if issue is None:
        return Markup("(deleted)")
    home = world.state.load(Repository, issue.repository_id)
    name = "" if home == repository else home.full_name
    return Markup('<a href="{}">{}#{}</a>').format(issue_path(issue, home), name, issue.number)


def _markdown(world: World, text: str | None, repository: Repository) -> Markup:
    def find_link(full_name: str | None, number: int) -> str | None:
        named = repository if full_name is None else world.state.find(Repository, full_name)
        issue = world.state.find(Issue, str(number), named.id) if named else None
        return issue_path(issue, named) if named and issue else None

    return Markup(render_markdown(text or "", find_link))  # noqa: S704 - sanitised there

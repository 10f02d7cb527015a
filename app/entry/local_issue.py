"""Issues that a person writes on the command line."""

from collections.abc import Sequence

from app.domain.errors import UserError
from app.entry.local_person import open_person
from app.entry.local_place import Place

LONGEST_TITLE = 256


async def new_issue(place: Place, title: str, body: str, labels: Sequence[str]) -> str:
    """Open an issue and return a line about it. Raises UserError for a title that is none."""
    if not title.strip() or "\n" in title.strip() or len(title) > LONGEST_TITLE:
        raise UserError(f"a title is one line of at most {LONGEST_TITLE} characters")
    async with open_person(place.about()) as person:
        issue = await person.write_issue(title.strip(), body, list(labels))
    return f"#{issue['number']} {issue['title']} {issue['html_url']}"

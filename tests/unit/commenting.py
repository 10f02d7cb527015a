"""Comments as their readers read them."""

from app.domain.commands import read_comment
from app.domain.said import Command


def read(body: str) -> Command:
    """Return the one command of a comment."""
    [command] = read_comment(body, bot="orch", agents=("script", "claude")).commands
    return command

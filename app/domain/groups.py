"""Names of events groups that must be known before anything else is."""


def group_of(repository_id: int, number: int) -> str:
    """Name the events group of an issue or pull request: `<store partition>/<item>`."""
    return f"repository:{repository_id}/{number}"

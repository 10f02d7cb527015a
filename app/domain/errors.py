"""Errors cut by what the caller may do about them."""


class UserError(Exception):
    """Something a person did that cannot be done; the text is markdown for that person and says what to do."""


class Retryable(Exception):
    """Something that will pass: try again after `delay` seconds (None: the caller's own back-off)."""

    def __init__(self, message: str, delay: float | None = None) -> None:
        super().__init__(message)
        self.delay = delay


class Permanent(Exception):
    """Something that stays so until a person mends it; the text says what is missing and how to mend it."""


class Missing(Permanent):
    """What was asked for is not there (any more), or not to be seen with the rights we have."""


class HeadMoved(Permanent):
    """The head of the pull request is another one than was looked at."""


class NotMergeable(Permanent):
    """GitHub does not merge that: it conflicts, or a rule stands against it."""


class Unauthorized(Permanent):
    """Our own credential is not taken. It says nothing of what was asked: work waits until it is mended."""


class Unparsable(Exception):
    """A delivery that our parser does not understand; it is dead-lettered, never dropped."""

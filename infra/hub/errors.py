"""GitHub's error answers, as exceptions."""

from collections.abc import Sequence
from typing import Any

DOCS = "https://docs.github.com/rest"


class ApiError(Exception):
    """Answer the request with this status and GitHub's error body."""

    def __init__(
        self,
        status: int,
        message: str,
        errors: Sequence[dict[str, str] | str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body: dict[str, Any] = {"message": message}
        if errors is not None:
            self.body["errors"] = list(errors)
        self.body |= {"documentation_url": DOCS, "status": str(status)}


def bad_credentials() -> ApiError:
    return ApiError(401, "Bad credentials")


def not_found() -> ApiError:
    return ApiError(404, "Not Found")


def moved(method: str, location: str) -> ApiError:
    """Send the caller elsewhere, to do there what it was about to do here."""
    status, message = (301, "Moved Permanently") if method == "GET" else (307, "Temporary Redirect")
    return ApiError(status, message, headers={"Location": location})


def not_accessible() -> ApiError:
    return ApiError(403, "Resource not accessible by integration")


def invalid(resource: str, field: str, code: str = "invalid", message: str | None = None) -> ApiError:
    """Refuse one field; `code` is missing_field, invalid, already_exists, or custom with a message."""
    error = {"resource": resource, "code": code, "field": field}
    if message is not None:
        error["message"] = message
    return ApiError(422, "Validation Failed", [error])


def refused(resource: str, message: str) -> ApiError:
    """Refuse the whole request for a reason that belongs to no field."""
    return ApiError(422, "Validation Failed", [{"resource": resource, "code": "custom", "message": message}])


def unprocessable(message: str) -> ApiError:
    """Refuse a review or what belongs to one: GitHub gives such reasons as bare text."""
    return ApiError(422, "Unprocessable Entity", [message])

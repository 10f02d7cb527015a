"""Which errors of SQLite pass by themselves, or when a person mends the disk."""

import sqlite3

from app.domain.errors import Retryable

PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
PRIMARY = 0xFF


def fault_of(error: Exception) -> Exception:
    """Return Retryable for what is only the world's fault, else the error itself."""
    code = getattr(error, "sqlite_errorcode", None)  # not there on what Python itself raises
    if isinstance(error, sqlite3.OperationalError) and code is not None and code & PRIMARY in PASSING:
        fault = Retryable(f"{error}; is there room on the disk, and may Orch write there?")
        fault.__cause__ = error
        return fault
    return error

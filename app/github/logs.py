"""Logs of jobs, which GitHub keeps on another host: the end of one, as plain text."""

import re
from urllib.parse import urlsplit

import aiohttp

from app.domain.errors import Missing, Permanent, Retryable
from app.github.client import Transport

CHUNK = 64 * 1024
MOST_READ = 64 * 1024 * 1024
SECONDS = 60.0
# What is taken out of a line, its time and its colours, may well be longer than what is left.
BYTES_PER_CHARACTER = 8

TIME = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z ?", re.MULTILINE)
# ECMA-48: control sequences, and strings up to their end (titles, links); then what is left of control characters.
ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|\r$", re.MULTILINE)
OVERWRITTEN = re.compile(r"^.*\r", re.MULTILINE)
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


async def read_log(transport: Transport, url: str, most: int) -> str:
    """Read the end of the log at `url`, at most `most` characters, sending no credential.

    Raises Missing for one that is gone, Permanent where it would be fetched in the clear though GitHub is not.
    """
    if urlsplit(transport.base_url).scheme == "https" and urlsplit(url).scheme != "https":
        raise Permanent(f"the log is at {_name(url)}, which is not https")
    try:
        data, whole = await _read_end(transport.session, url, most * BYTES_PER_CHARACTER)
    except (aiohttp.ClientError, OSError) as error:
        # Not chained: the address alone lets anybody read the log.
        raise Retryable(f"GET {_name(url)}: {type(error).__name__}") from None
    text = plain_log(data.decode(errors="replace"))
    if not whole:
        text += f"\n(the log goes on: only its first {MOST_READ // 2**20} MiB were read)"
    return text[max(0, len(text) - most) :]


def plain_log(text: str) -> str:
    """Take the time off each line, colours and other control codes out, and what a progress bar wrote over."""
    for unwanted in (ESCAPES, OVERWRITTEN, TIME, CONTROL):
        text = unwanted.sub("", text)
    return text


async def _read_end(session: aiohttp.ClientSession, url: str, most: int) -> tuple[bytes, bool]:
    """Read on to the end, keeping only so much of it in memory; say whether the end was reached."""
    limit = aiohttp.ClientTimeout(total=SECONDS)
    kept, read = bytearray(), 0
    async with session.get(url, timeout=limit) as response:
        if response.status >= 400:
            raise _refused(url, response.status)
        async for chunk in response.content.iter_chunked(CHUNK):
            read += len(chunk)
            kept += chunk
            del kept[: max(0, len(kept) - most)]
            if read >= MOST_READ:
                return bytes(kept), False
    return bytes(kept), True


def _refused(url: str, status: int) -> Permanent | Retryable:
    if status in (404, 410):
        return Missing(f"GET {_name(url)}: {status}")
    return Retryable(f"GET {_name(url)}: {status}")


def _name(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"

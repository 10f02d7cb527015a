"""Small objects in a bucket of S3, read and written whole."""

from hashlib import sha256
from typing import Any
from urllib.parse import quote

from infra.aws.clients import Clients, RefusedByAws

GONE = {"404", "NoSuchKey", "NotFound"}
OTHERWISE = {"404", "409", "412", "ConditionalRequestConflict", "NoSuchKey", "PreconditionFailed"}
"""What S3 says of a conditional write when it is not, or may not be, as the condition has it."""

LONGEST_NAME = 300
"""Bytes of a name in a key; a key has 1,024 at most."""


class Objects:
    """The objects of one bucket. A role that may not list it is told 403 instead of 404 of what is not there."""

    def __init__(self, clients: Clients, bucket: str) -> None:
        self._clients, self._bucket = clients, bucket

    async def put(self, key: str, data: bytes, **more: Any) -> str:
        """Write an object and return its ETag; `more` is in boto3's words."""
        answer = await self._call("put_object", Key=key, Body=data, **more)
        return str(answer["ETag"])

    async def replace(self, key: str, data: bytes, etag: str, **more: Any) -> bool:
        """Write an object that still has that ETag; False if it has not, or is gone."""
        try:
            await self.put(key, data, IfMatch=etag, **more)
        except RefusedByAws as error:
            if error.code in OTHERWISE:
                return False
            raise
        return True

    async def get(self, key: str) -> bytes | None:
        """Read an object; None if there is none."""
        found = await self.read(key)
        return found[0] if found else None

    async def read(self, key: str) -> tuple[bytes, dict[str, str]] | None:
        """Read an object and what was written as `Metadata` with it; None if there is none."""
        try:
            answer = await self._call("get_object", Key=key)
        except RefusedByAws as error:
            if error.code in GONE:
                return None
            raise
        return bytes(answer["Body"]), dict(answer["Metadata"])

    async def metadata(self, key: str) -> dict[str, str] | None:
        """Read what was written as `Metadata` with an object; None if there is no such object."""
        try:
            answer = await self._call("head_object", Key=key)
        except RefusedByAws as error:
            if error.code in GONE:
                return None
            raise
        return dict(answer["Metadata"])

    async def delete(self, key: str) -> None:
        """Delete an object, which may be gone."""
        await self._call("delete_object", Key=key)

    async def keys(self, prefix: str) -> list[str]:
        """List the keys that start with a prefix, in order."""
        found, more = list[str](), dict[str, str]()
        while True:
            page = await self._call("list_objects_v2", Prefix=prefix, **more)
            found += [entry["Key"] for entry in page.get("Contents", ())]
            if not page.get("IsTruncated"):
                return found
            more = {"ContinuationToken": page["NextContinuationToken"]}

    async def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        return await self._clients.call("s3", operation, Bucket=self._bucket, **arguments)


def name_in_key(text: str) -> str:
    """Return a name as one part of a key, hashed where it is too long."""
    quoted = quote(text, safe="", errors="surrogatepass")
    return quoted if 0 < len(quoted) <= LONGEST_NAME else sha256(text.encode(errors="surrogatepass")).hexdigest()

"""Artifacts in a dictionary."""


class MemoryArtifacts:
    """Implement `app.ports.Artifacts`."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    async def write(self, key: str, data: bytes) -> None:
        self._blobs[key] = data

    async def append(self, key: str, data: bytes) -> None:
        self._blobs[key] = self._blobs.get(key, b"") + data

    async def read(self, key: str) -> bytes | None:
        return self._blobs.get(key)

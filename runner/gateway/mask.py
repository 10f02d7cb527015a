"""Keep a secret out of what passes by, without changing its length."""

SHORTEST = 16
"""Characters of a secret that is looked for: a shorter one is a placeholder, and a word that any text may hold."""


class Mask:
    """Puts asterisks in place of a secret, also where it is cut into pieces."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode() if len(secret) >= SHORTEST else b""
        self._held = b""

    def text(self, text: str) -> str:
        secret = self._secret.decode()
        return text.replace(secret, "*" * len(secret)) if secret else text

    def feed(self, chunk: bytes) -> bytes:
        """Return what can be passed on by now: all of it but an end that may be the beginning of the secret."""
        if not self._secret:
            return chunk
        data = (self._held + chunk).replace(self._secret, b"*" * len(self._secret))
        begun = self._begun(data)
        self._held = data[len(data) - begun :]
        return data[: len(data) - begun]

    def rest(self) -> bytes:
        """Return what was held back to the last."""
        return self._held

    def _begun(self, data: bytes) -> int:
        if data[-1:] not in self._secret:  # nearly always, and much faster
            return 0
        longest = min(len(self._secret) - 1, len(data))
        return next((size for size in range(longest, 0, -1) if data.endswith(self._secret[:size])), 0)

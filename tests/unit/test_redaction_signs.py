"""Text is only searched for secrets if it has a sign of one: no secret may be without."""

import re

from hypothesis import example, given
from hypothesis import strategies as st

from app import redaction
from app.redaction import HIDDEN, SHORTEST, Redaction

SECRET = redaction._SECRET
"""The patterns themselves: what must be found, whatever is looked for first."""

anything = st.text(max_size=20)


@given(anything, st.from_regex(SECRET), anything)
@example("", "ghp_a.-_______x", "")
@example("", "github_pat_" + "a" * 10, "")
@example("", "AUTHORIZATION: x", "")
def test_every_secret_has_a_sign(before: str, secret: str, after: str) -> None:
    text = before + secret + after
    assert Redaction().text(text) == SECRET.sub(redaction._hide, text)


@given(anything, st.text(min_size=SHORTEST).filter(lambda secret: len(secret.strip()) >= SHORTEST), anything)
@example("", "1234", "")
@example("", "+.*[", "")
def test_every_configured_secret_has_a_sign(before: str, secret: str, after: str) -> None:
    if not secret.startswith("-----") and "\n" not in secret:
        assert secret not in Redaction([secret]).text(before + secret + after).replace(HIDDEN, "")


def test_text_without_a_sign_stays_the_same_object() -> None:
    text = "nothing here, " * 1000
    assert Redaction(["a very secret word"]).text(text) is text


def test_many_configured_secrets_are_all_found() -> None:
    secrets = [f"{number:04}-Quite-secret" for number in range(50)]
    said = Redaction(secrets).text("\n".join(secrets))
    assert re.findall(r"\d+", said) == []

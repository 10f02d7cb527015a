"""What a request counts as against GitHub's limits on writing."""

import json

import pytest

from app.github.client import pace_of
from app.github.linking import CREATE_SUB_ISSUE, SUB_ISSUES
from app.github.pacing import Pace

REPO = "https://api.github.com/repos/acme/widgets"
GRAPHQL = "https://api.github.com/graphql"


def sent(document: str) -> bytes:
    return json.dumps({"query": document, "variables": {}}).encode()


@pytest.mark.parametrize(
    ("method", "url", "body", "pace"),
    [
        ("GET", f"{REPO}/issues/5", b"", Pace.READ),
        ("POST", f"{REPO}/issues/5/comments", b"{}", Pace.CREATE),
        ("POST", f"{REPO}/pulls/5/reviews", b"{}", Pace.CREATE),
        ("POST", f"{REPO}/pulls/5/comments/9/replies", b"{}", Pace.CREATE),
        ("POST", f"{REPO}/issues/5/dependencies/blocked_by", b"{}", Pace.CREATE),
        ("PATCH", f"{REPO}/issues/comments/9", b"{}", Pace.WRITE),
        ("POST", "https://api.github.com/app/installations/1/access_tokens", b"{}", Pace.READ),
        ("POST", GRAPHQL, sent("\nquery ReviewThreads { x }"), Pace.READ),
        ("POST", GRAPHQL, sent("\nmutation ResolveReviewThread { x }"), Pace.WRITE),
        ("POST", GRAPHQL, sent(CREATE_SUB_ISSUE), Pace.CREATE),
        ("POST", GRAPHQL, sent(SUB_ISSUES), Pace.READ),
    ],
)
def test_the_pace_of_a_request(method: str, url: str, body: bytes, pace: Pace) -> None:
    assert pace_of(method, url, body) is pace

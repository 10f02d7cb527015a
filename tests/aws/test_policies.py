"""The comparison of calls with policies finds what is missing, and what is there for nothing."""

import pytest

from tests.aws.policies import Allowed, missing, unused
from tests.aws.recorder import Call

SENDING = Allowed("web", "sqs:SendMessage", "EventsQueue")
WRITING = Allowed("web", "s3:PutObject", "Bucket/large/*")
LISTING = Allowed("web", "s3:ListBucket", "Bucket", ("runs/*",))
POLICIES = {SENDING, WRITING, LISTING}
SENT = Call("web", "sqs", "SendMessage", "EventsQueue")


@pytest.mark.parametrize(
    "call",
    [
        Call("runs", "sqs", "SendMessage", "EventsQueue"),
        Call("web", "sqs", "DeleteMessage", "EventsQueue"),
        Call("web", "sqs", "SendMessage", "JobsQueue"),
        Call("web", "s3", "PutObject", "Bucket/runs/1"),
        Call("web", "s3", "ListBucket", "Bucket", "admitted/"),
    ],
    ids=lambda call: f"{call.role} {call.operation} {call.resource}",
)
def test_a_call_that_nothing_allows_is_found(call: Call) -> None:
    assert missing({SENT, call}, POLICIES) == {call}


def test_what_nobody_does_is_found() -> None:
    written = Call("web", "s3", "PutObject", "Bucket/large/1")
    assert unused({SENT, written}, POLICIES) == {LISTING}

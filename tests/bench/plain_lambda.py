"""The limit: the least that a Lambda function can do with a delivery, its secret given, and one signed call to SQS."""

import hmac
import json
import os
import time
import zlib
from base64 import b64encode
from hashlib import sha256
from http.client import HTTPConnection
from typing import Any

LINES: list[HTTPConnection] = []


def web(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Check the signature, put the body on the queue, answer."""
    body = event["body"].encode()
    expected = "sha256=" + hmac.digest(os.environ["PLAIN_SECRET"].encode(), body, "sha256").hex()
    if not hmac.compare_digest(expected, event["headers"]["x-hub-signature-256"]):
        return {"statusCode": 401}
    payload = json.loads(body)
    message = {
        "QueueUrl": os.environ["PLAIN_QUEUE"],
        "MessageBody": b64encode(zlib.compress(body, 1)).decode(),
        "MessageGroupId": f"{payload['repository']['id']}/{payload['issue']['number']}",
        "MessageDeduplicationId": event["headers"]["x-github-delivery"],
    }
    return {"statusCode": 202 if _send(json.dumps(message).encode()) == 200 else 503}


def _send(body: bytes) -> int:
    host, region = os.environ["AWS_ENDPOINT_URL"].partition("://")[2], os.environ["AWS_REGION"]
    if not LINES:
        LINES.append(HTTPConnection(host))
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    headers = {
        "content-type": "application/x-amz-json-1.0",
        "host": host,
        "x-amz-date": moment,
        "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"],
        "x-amz-target": "AmazonSQS.SendMessage",
    }
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    scope = f"{moment[:8]}/{region}/sqs/aws4_request"
    asked = sha256(f"POST\n/\n\n{lines}\n{names}\n{sha256(body).hexdigest()}".encode()).hexdigest()
    key = b"AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{asked}".encode(), "sha256").hex()
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    LINES[0].request("POST", "/", body, headers)
    response = LINES[0].getresponse()
    response.read()
    return response.status

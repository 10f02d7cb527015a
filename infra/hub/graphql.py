"""The GraphQL operations that Orch sends, by name: no engine, and no field is picked out by the document."""

import re
from collections.abc import Awaitable, Callable

from infra.hub.api.issue_labels import change_labels
from infra.hub.api.issue_tree import create_child, list_children
from infra.hub.api.looking import issue_text
from infra.hub.api.merge_state import dequeue_pull, enqueue_pull, merge_view, queued_pull, ref_rule
from infra.hub.api.threads import answer_threads, resolve_review_thread, review_threads, unresolve_review_thread
from infra.hub.auth import Kind
from infra.hub.call import Call, Route
from infra.hub.errors import ApiError
from infra.hub.wire import JSON, Answer

Operation = Callable[[Call, JSON], Awaitable[JSON]]

# Each gets the variables and returns `data`; an ApiError it raises becomes GitHub's error under status 200.
OPERATIONS: dict[str, Operation] = {
    "ReviewThreads": review_threads,
    "ResolveReviewThread": resolve_review_thread,
    "ChangeLabels": change_labels,
    "AnswerThreads": answer_threads,
    "UnresolveReviewThread": unresolve_review_thread,
    "MergeView": merge_view,
    "EnqueuePull": enqueue_pull,
    "DequeuePull": dequeue_pull,
    "QueuedPull": queued_pull,
    "RefRule": ref_rule,
    "IssueText": issue_text,
    "SubIssues": list_children,
    "CreateSubIssue": create_child,
}

NAMED = re.compile(r"\s*(?:query|mutation)\s+(\w+)")
TYPES = {401: "UNAUTHENTICATED", 403: "FORBIDDEN", 404: "NOT_FOUND", 429: "RATE_LIMITED"}


async def post_graphql(call: Call) -> Answer:
    """Perform one named operation. Anonymous callers get 401; whatever else is wrong is told under status 200."""
    if call.principal.kind is Kind.ANONYMOUS:
        raise ApiError(401, "This endpoint requires you to be authenticated.")
    document = call.fields().get("query")
    if not isinstance(document, str) or not document.strip():
        return _refused({"message": "A query attribute must be specified and must be a string."})
    named = NAMED.match(document)
    operation = OPERATIONS.get(named[1]) if named else None
    if named is None or operation is None:
        field = named[1] if named else document.split("{", 1)[-1].split()[0]
        return _refused(_undefined(field))
    variables = call.fields().get("variables")
    try:
        return Answer(200, {"data": await operation(call, variables if isinstance(variables, dict) else {})})
    except ApiError as error:
        return _refused({"type": TYPES.get(error.status, "UNPROCESSABLE"), "message": _said(error)}, data=None)
    except KeyError as error:
        return _refused({"message": f"Variable ${error.args[0]} of required type was provided invalid value"})


def _refused(error: JSON, **data: None) -> Answer:
    return Answer(200, {**data, "errors": [{**error, "locations": [{"line": 1, "column": 1}]}]})


def _undefined(field: str) -> JSON:
    return {
        "path": ["query", field],
        "extensions": {"code": "undefinedField", "typeName": "Query", "fieldName": field},
        "message": f"Field '{field}' doesn't exist on type 'Query'",
    }


def _said(error: ApiError) -> str:
    details = [one if isinstance(one, str) else one.get("message", "") for one in error.body.get("errors", [])]
    return next(filter(None, details), str(error))


ROUTES: list[Route] = [("POST", "/graphql", post_graphql)]

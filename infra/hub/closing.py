"""Issues that a merged pull request closes."""

import re

from infra.hub.act import Act, set_state
from infra.hub.records import Issue, Pull

KEYWORD = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#(\d+)\b", re.IGNORECASE)


def close_mentioned(act: Act, issue: Issue, pull: Pull) -> None:
    """Close the issues that a merged pull request's body names after a closing keyword.

    Only for a merge into the default branch, and not with the `closing_keywords` switch off.
    """
    if not act.world.faults.on.closing_keywords or pull.base_ref != act.repository.default_branch:
        return
    for number in dict.fromkeys(KEYWORD.findall(issue.body or "")):
        named = act.world.state.find(Issue, number, act.repository.id)
        if named is not None and not named.is_pull:
            set_state(act, named, "closed", "completed")

"""Merging, for the GitHub port: what stands in its way, doing it, and the commits and rules that it turns on."""

from base64 import b64decode, b64encode

from app.domain.errors import HeadMoved, Missing, NotMergeable, Permanent, Retryable
from app.domain.facts import BranchRules, CommitData, MergeView, Pull
from app.domain.names import Repository
from app.github.answers import Json, read_pull
from app.github.asking import Asking
from app.github.faults import Rejected

MERGE_VIEW = """
query MergeView($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) {
    squashMergeAllowed
    mergeCommitAllowed
    rebaseMergeAllowed
    pullRequest(number: $number) {
      id
      headRefOid
      isDraft
      reviewDecision
      mergeStateStatus
      isMergeQueueEnabled
      isInMergeQueue
    }
  }
}
"""
ENQUEUE = """
mutation EnqueuePull($id: ID!, $sha: GitObjectID!) {
  enqueuePullRequest(input: {pullRequestId: $id, expectedHeadOid: $sha}) {
    mergeQueueEntry { id }
  }
}
"""
QUEUED = """
query QueuedPull($id: ID!) {
  node(id: $id) { ... on PullRequest { headRefOid isInMergeQueue } }
}
"""
REF_RULE = """
query RefRule($owner: String!, $name: String!, $ref: String!) {
  repository(owner: $owner, name: $name) {
    ref(qualifiedName: $ref) { refUpdateRule { requiresSignatures } }
  }
}
"""
METHODS = {"squash": "squashMergeAllowed", "merge": "mergeCommitAllowed", "rebase": "rebaseMergeAllowed"}
# Answered with 405 as well, and over a moment later.
PASSING = ("base branch was modified", "merge already in progress")


class MergingApi(Asking):
    """How a pull request gets into its base branch."""

    async def merge_view(self, repository: Repository, number: int) -> MergeView:
        asked = {"owner": repository.owner, "name": repository.name, "number": number}
        found = (await self._graphql(repository, MERGE_VIEW, **asked))["repository"]
        return read_merge_view(found)

    async def merge_pull(self, repository: Repository, number: int, sha: str, method: str) -> None:
        """Merge; nothing happens if that very head was merged before, by a request whose answer was lost."""
        wanted = {"sha": sha, "merge_method": method}
        try:
            await self._ask(repository, "PUT", "/pulls/{number}/merge", wanted, number=number)
        except Rejected as error:
            if error.status not in (405, 409):
                raise
            pull = await self._pull(repository, number)
            if pull.head_sha != sha:
                raise HeadMoved(error.said) from error
            if not pull.merged:
                raise _unmerged(error) from error

    async def enqueue_pull(self, repository: Repository, node_id: str, sha: str) -> None:
        """Queue; nothing happens if that head is in the queue already."""
        try:
            await self._graphql(repository, ENQUEUE, id=node_id, sha=sha)
        except Rejected as error:
            if "not accessible" in error.said:
                raise
            pull = (await self._graphql(repository, QUEUED, id=node_id))["node"]
            if pull["headRefOid"] != sha:
                raise HeadMoved(error.said) from error
            if not pull["isInMergeQueue"]:
                raise NotMergeable(error.said) from error

    async def update_branch(self, repository: Repository, number: int, sha: str) -> bool:
        """Update; a branch that has all of its base already is left as it is, which is True as well."""
        wanted = {"expected_head_sha": sha}
        try:
            await self._ask(repository, "PUT", "/pulls/{number}/update-branch", wanted, number=number)
        except Rejected as error:
            if error.status != 422:
                raise
            if "no new commits" in error.said:
                return True
            # The other refusals differ only in words that GitHub does not promise, so what is there decides.
            pull = await self._pull(repository, number)
            if pull.head_sha != sha:
                raise HeadMoved(error.said) from error
            if not pull.conflicts and "conflict" not in error.said.lower():
                raise
            return False
        return True

    async def commit(self, repository: Repository, sha: str) -> CommitData:
        return read_commit(await self._ask(repository, "GET", "/git/commits/{sha}", sha=sha))

    async def sign_commit(self, repository: Repository, commit: CommitData) -> str:
        """Make the commit anew; raises Permanent if GitHub made it and did not sign it."""
        # Without author and committer it is the App's own, and only those are signed
        # (docs.github.com, "About commit signature verification").
        wanted = {"message": commit.message, "tree": commit.tree, "parents": list(commit.parents)}
        made = await self._ask(repository, "POST", "/git/commits", wanted)
        if not made["verification"]["verified"]:
            raise Permanent(f"GitHub did not sign the commit that it made of {commit.sha}")
        return str(made["sha"])

    async def rules(self, repository: Repository, branch: str) -> BranchRules:
        """Ask the rulesets, which tell of branches that are not there yet too, and then the branch's protection."""
        found = await self._list(repository, "/rules/branches/{branch}{?per_page}", branch=branch)
        signatures = any(rule["type"] == "required_signatures" for rule in found)
        return BranchRules(signatures=signatures or await self._protected_by_signatures(repository, branch))

    async def write_file(self, repository: Repository, branch: str, path: str, content: bytes, message: str) -> None:
        blob, there = await self._blob(repository, branch, path)
        if there == content:
            return
        wanted = {"message": message, "content": b64encode(content).decode(), "branch": branch}
        try:
            await self._ask(repository, "PUT", "/contents/{+file}", wanted | ({"sha": blob} if blob else {}), file=path)
        except Rejected as error:
            # A request repeated after a lost answer meets what the first one wrote.
            if error.status not in (409, 422) or (await self._blob(repository, branch, path))[1] != content:
                raise

    async def _pull(self, repository: Repository, number: int) -> Pull:
        return read_pull(await self._ask(repository, "GET", "/pulls/{number}", number=number))

    async def _protected_by_signatures(self, repository: Repository, branch: str) -> bool:
        asked = {"owner": repository.owner, "name": repository.name, "ref": f"refs/heads/{branch}"}
        ref = (await self._graphql(repository, REF_RULE, **asked))["repository"]["ref"] or {}
        return bool((ref.get("refUpdateRule") or {}).get("requiresSignatures"))

    async def _blob(self, repository: Repository, branch: str, path: str) -> tuple[str | None, bytes | None]:
        """Find a file's blob on a branch, and what it says if GitHub shows that."""
        try:
            found = await self._ask(repository, "GET", "/contents/{+file}{?ref}", file=path, ref=branch)
        except Missing:
            return None, None
        if not isinstance(found, dict) or found["type"] != "file":
            raise Permanent(f"{path} on {branch} is no file")
        return found["sha"], b64decode(found["content"]) if found["encoding"] == "base64" else None


def read_merge_view(found: Json) -> MergeView:
    pull = found["pullRequest"]
    decision = pull["reviewDecision"]
    return MergeView(
        node_id=pull["id"],
        head_sha=pull["headRefOid"],
        is_draft=pull["isDraft"],
        decision=decision.lower() if decision else None,
        state=pull["mergeStateStatus"].lower(),
        has_queue=pull["isMergeQueueEnabled"],
        queued=pull["isInMergeQueue"],
        methods=tuple(method for method, allowed in METHODS.items() if found[allowed]),
    )


def read_commit(data: Json) -> CommitData:
    return CommitData(
        sha=data["sha"],
        tree=data["tree"]["sha"],
        parents=tuple(parent["sha"] for parent in data["parents"]),
        message=data["message"],
    )


def _unmerged(error: Rejected) -> Permanent | Retryable:
    if error.status == 409:
        return HeadMoved(error.said)
    if any(words in error.said.lower() for words in PASSING):
        return Retryable(error.said)
    return NotMergeable(error.said)

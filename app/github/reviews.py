"""Reviews of pull requests, and the threads that people talk in about its lines."""

from collections.abc import Sequence

from app.domain.facts import Review, Thread
from app.domain.names import Repository
from app.github.answers import read_review, read_thread
from app.github.asking import Asking

# `databaseId` of a comment ends at 32 bits, and GitHub's ids have passed that.
REVIEW_THREADS = """
query ReviewThreads($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      reviewThreads(first: 100) {
        nodes {
          id
          path
          line
          isResolved
          isOutdated
          comments(first: 50) {
            nodes {
              fullDatabaseId
              author { __typename login ... on Bot { databaseId } ... on User { databaseId } }
              body
              createdAt
              diffHunk
            }
          }
        }
      }
    }
  }
}
"""
RESOLVE_REVIEW_THREAD = """
mutation ResolveReviewThread($threadId: ID!) {
  resolveReviewThread(input: {threadId: $threadId}) { thread { isResolved } }
}
"""


class ReviewsApi(Asking):
    """The part of `ports.GitHub` that reads reviews and answers them."""

    async def reviews(self, repository: Repository, number: int) -> Sequence[Review]:
        found = await self._list(repository, "/pulls/{number}/reviews{?per_page}", number=number)
        return [read_review(review) for review in found if review["state"] != "PENDING"]

    async def threads(self, repository: Repository, number: int) -> Sequence[Thread]:
        pull = {"owner": repository.owner, "name": repository.name, "number": number}
        data = await self._graphql(repository, REVIEW_THREADS, **pull)
        return [read_thread(node) for node in data["repository"]["pullRequest"]["reviewThreads"]["nodes"]]

    async def reply(self, repository: Repository, number: int, comment_id: int, body: str) -> int:
        path = "/pulls/{number}/comments/{comment}/replies"
        made = await self._ask(repository, "POST", path, {"body": body}, number=number, comment=comment_id)
        return int(made["id"])

    async def resolve(self, repository: Repository, thread_id: str) -> None:
        await self._graphql(repository, RESOLVE_REVIEW_THREAD, threadId=thread_id)

    async def create_review(self, repository: Repository, number: int, body: str) -> int:
        said = {"event": "COMMENT", "body": body}
        made = await self._ask(repository, "POST", "/pulls/{number}/reviews", said, number=number)
        return int(made["id"])

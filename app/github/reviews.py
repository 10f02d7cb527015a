"""Reviews of pull requests, and the threads that people talk in about its lines."""

from collections.abc import Sequence

from app.domain.effects import ThreadAnswer
from app.domain.facts import Review, Thread
from app.domain.names import Repository
from app.github.answers import read_review, read_thread
from app.github.asking import Asking

# `databaseId` of a comment ends at 32 bits, and GitHub's ids have passed that.
REVIEW_THREADS = """
query ReviewThreads($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) {
    pullRequest(number: $number) {
      reviewThreads(last: 100) {
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
AT_ONCE = 20
_ANSWER = """
  said{n}: addPullRequestReviewThreadReply(input: {{pullRequestReviewThreadId: $thread{n}, body: $body{n}}}) {{
    comment {{ id }}
  }}
  done{n}: resolveReviewThread(input: {{threadId: $thread{n}}}) @include(if: $resolve{n}) {{
    thread {{ isResolved }}
  }}"""
_VARIABLES = "$thread{n}: ID!, $body{n}: String!, $resolve{n}: Boolean!"


class ReviewsApi(Asking):
    """The part of `ports.GitHub` that reads reviews and answers them."""

    async def reviews(self, repository: Repository, number: int) -> Sequence[Review]:
        found = await self._list(repository, "/pulls/{number}/reviews{?per_page}", number=number)
        return [read_review(review) for review in found if review["state"] != "PENDING"]

    async def threads(self, repository: Repository, number: int) -> Sequence[Thread]:
        pull = {"owner": repository.owner, "name": repository.name, "number": number}
        data = await self._graphql(repository, REVIEW_THREADS, **pull)
        return [read_thread(node) for node in data["repository"]["pullRequest"]["reviewThreads"]["nodes"]]

    async def answer_threads(self, repository: Repository, answers: Sequence[ThreadAnswer]) -> None:
        for start in range(0, len(answers), AT_ONCE):
            some = answers[start : start + AT_ONCE]
            variables = {
                name: value
                for n, one in enumerate(some)
                for name, value in ((f"thread{n}", one.thread), (f"body{n}", one.body), (f"resolve{n}", one.resolve))
            }
            await self._graphql(repository, answer_document(len(some)), **variables)

    async def create_review(self, repository: Repository, number: int, body: str) -> int:
        said = {"event": "COMMENT", "body": body}
        made = await self._ask(repository, "POST", "/pulls/{number}/reviews", said, number=number)
        return int(made["id"])


def answer_document(count: int) -> str:
    """Write the operation that answers so many threads; GitHub does its mutations in their order."""
    declared = ", ".join(_VARIABLES.format(n=n) for n in range(count))
    return f"mutation AnswerThreads({declared}) {{{''.join(_ANSWER.format(n=n) for n in range(count))}\n}}\n"

"""GitHub's endpoints, one module per kind of thing."""

from infra.hub.api import (
    apps,
    comments,
    deliveries,
    issue_labels,
    issues,
    labels,
    manifests,
    merges,
    pulls,
    reactions,
    refs,
    repositories,
    review_comments,
    reviews,
    users,
)
from infra.hub.call import Route

ROUTES: list[Route] = [
    *apps.ROUTES,
    *manifests.ROUTES,
    *deliveries.ROUTES,
    *users.ROUTES,
    *repositories.ROUTES,
    *refs.ROUTES,
    *issues.ROUTES,
    *labels.ROUTES,
    *issue_labels.ROUTES,
    *comments.ROUTES,
    *reactions.ROUTES,
    *pulls.ROUTES,
    *reviews.ROUTES,
    *review_comments.ROUTES,
    *merges.ROUTES,
]

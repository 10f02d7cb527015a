"""Settings of which the App's part is kept in a secret on AWS."""

from typing import TypeVar

from app.domain.errors import Permanent, Retryable, UserError
from app.settings import ServeSettings, StateSettings, check_settings, demand
from app.sources import SECRET, Given, Sources

OF_THE_APP = ("app_id", "private_key", "webhook_secret")
S = TypeVar("S", bound=StateSettings)


class _Place(StateSettings):
    """Where the secret is, if there is one."""


async def read_with_secret(kind: type[S], sources: Sources) -> S:
    """Return the settings of that kind, with what the secret has of the App that is not set otherwise.

    Raises UserError naming every problem.
    """
    if issubclass(kind, ServeSettings):
        await _add_secret(sources)
    return demand(kind, sources)


async def _add_secret(sources: Sources) -> None:
    place = check_settings(_Place, sources)
    if isinstance(place, list) or not place.is_on_aws or not place.aws_secret:
        return
    from app.entry.aws_parts import open_clients  # noqa: PLC0415 - boto3 is an extra, and memory is short
    from infra.aws.secrets import fetch  # noqa: PLC0415 - as above

    with open_clients() as clients:
        try:
            values = await fetch(clients, place.aws_secret)
        except (Permanent, Retryable) as error:
            raise UserError(f"ORCH_AWS_SECRET: {place.aws_secret} cannot be read: {error}") from error
    wanted = [name for name in OF_THE_APP if name != "private_key" or "private_key_file" not in sources.given]
    sources.lay_under({name: Given(values[name], f"`{name}`", SECRET) for name in wanted if name in values})

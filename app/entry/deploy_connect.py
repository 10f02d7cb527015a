"""Tell a stack on AWS of the App, and the App of the stack."""

import asyncio
import json
from pathlib import Path

from pydantic import Field

from app.entry.deploy import Stack
from app.github.hook import point_hook
from app.ports import Clock
from app.settings import ServeSettings, demand, find_sources
from infra.aws.clients import Clients
from infra.aws.secrets import SSM


class AppSettings(ServeSettings):
    """What is needed of the settings: the App's."""

    agents: list[str] = Field(default=[])


def app_settings(config: Path | None = None) -> AppSettings:
    """Read the App's id, key and webhook secret, as `orch setup` leaves them; raises UserError naming every problem."""
    return demand(AppSettings, find_sources(config))


async def connect(stack: Stack, settings: AppSettings, clients: Clients, clock: Clock) -> list[str]:
    """Put the App's secrets where the stack reads them, have GitHub deliver to it, and return what was done.

    The secrets come first, so that no delivery is refused for want of them.
    """
    place, url = stack.outputs["Secret"], stack.outputs["WebhookUrl"]
    secret = settings.webhook_secret.get_secret_value()
    values = {"app_id": str(settings.app_id), "private_key": settings.key(), "webhook_secret": secret}
    await _keep(clients, place, values)
    await point_hook(stack.outputs["GithubApiUrl"], settings.app_id, settings.key(), clock, url=url, secret=secret)
    return [f"{place} has {', '.join(values)} of the App", f"GitHub delivers to {url}"]


async def _keep(clients: Clients, place: str, values: dict[str, str]) -> None:
    if not place.startswith(SSM):
        await clients.call("secretsmanager", "put_secret_value", SecretId=place, SecretString=json.dumps(values))
        return
    path = place.removeprefix(SSM)
    await asyncio.gather(
        *(
            clients.call("ssm", "put_parameter", Name=path + name, Value=value, Type="SecureString", Overwrite=True)
            for name, value in values.items()
        )
    )

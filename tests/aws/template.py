"""The template: read, translated as CloudFormation does it, linted, and deployed into AWS on loopback."""

import asyncio
import copy
import io
import json
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.aws.clients import Clients
from tests.aws.stack import REGION, Stack, make_bucket, unique

PROJECT = Path(__file__).parents[2]
PACKAGES = ("app", "handlers", "infra", "runner")
Template = dict[str, Any]


def read_template() -> Template:
    """Read the template, its short forms spelled out."""
    from cfnlint.decode import decode  # noqa: PLC0415 - it takes long, and only these tests need it

    read, faults = decode(str(PROJECT / "template.yaml"))
    assert not faults
    template: Template = json.loads(json.dumps(read))
    return template


def translate(template: Template, code: str = "s3://bucket/key") -> Template:
    """Do what the SAM transform of CloudFormation does, with the functions' package at an address in S3."""
    from samtranslator.translator.transform import transform  # noqa: PLC0415 - as above

    changed = copy.deepcopy(template)
    changed["Globals"]["Function"]["CodeUri"] = code
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        translated: Template = transform(changed, {}, SimpleNamespace(load=dict))
    return translated


def lint(template: Template) -> set[str]:
    """Return what cfn-lint finds, as `rule path`."""
    from cfnlint.api import ManualArgs, lint  # noqa: PLC0415 - as above

    found = lint(json.dumps(template), config=ManualArgs(regions=[REGION]))
    return {f"{fault.rule.id} {'/'.join(map(str, fault.path or ()))}" for fault in found}


@dataclass(frozen=True, slots=True)
class Deployed:
    """A stack as it was deployed."""

    name: str
    outputs: dict[str, str]
    clients: Clients

    async def environment(self, function: str) -> dict[str, str]:
        """Return the environment of a function, by the end of its name."""
        said = await self.clients.call("lambda", "get_function_configuration", FunctionName=f"{self.name}-{function}")
        variables: dict[str, str] = said["Environment"]["Variables"]
        return variables

    async def container(self) -> dict[str, Any]:
        """Return the runner's container."""
        said = await self.clients.call("ecs", "describe_task_definition", taskDefinition=self.outputs["TaskDefinition"])
        (container,) = said["taskDefinition"]["containerDefinitions"]
        return dict(container)


@asynccontextmanager
async def deployed(stack: Stack, **parameters: str) -> AsyncIterator[Deployed]:
    """Deploy the template with the project's own code, and delete the stack at the end."""
    with stack.clients() as clients:
        given = {"RunnerImage": "example.org/orch-runner:1", **await _network(clients), **parameters}
        name, template = unique("orch"), read_template()
        template["Globals"]["Function"]["CodeUri"] = await _upload(clients)
        await clients.call(
            "cloudformation",
            "create_stack",
            StackName=name,
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
        )
        try:
            yield Deployed(name, await _outputs(clients, name), clients)
        finally:
            await clients.call("cloudformation", "delete_stack", StackName=name)


async def _network(clients: Clients) -> dict[str, str]:
    vpc = (await clients.call("ec2", "create_vpc", CidrBlock="10.0.0.0/16"))["Vpc"]["VpcId"]
    subnet = await clients.call("ec2", "create_subnet", VpcId=vpc, CidrBlock="10.0.0.0/24")
    return {"Vpc": vpc, "Subnets": subnet["Subnet"]["SubnetId"]}


async def _upload(clients: Clients) -> str:
    """Put the project's code where `sam deploy` would; what it needs is this process's own, in AWS on loopback."""
    bucket, packed = await make_bucket(clients), io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for package in PACKAGES:
            for file in sorted((PROJECT / package).rglob("*")):
                if file.is_file() and "__pycache__" not in file.parts:
                    archive.write(file, file.relative_to(PROJECT))
    await clients.call("s3", "put_object", Bucket=bucket, Key="code.zip", Body=packed.getvalue())
    return f"s3://{bucket}/code.zip"


async def _outputs(clients: Clients, name: str) -> dict[str, str]:
    while True:
        (found,) = (await clients.call("cloudformation", "describe_stacks", StackName=name))["Stacks"]
        if not found["StackStatus"].endswith("_IN_PROGRESS"):
            break
        await asyncio.sleep(0.05)
    events = await clients.call("cloudformation", "describe_stack_events", StackName=name)
    why = [event.get("ResourceStatusReason") for event in events["StackEvents"] if "FAILED" in event["ResourceStatus"]]
    assert found["StackStatus"] == "CREATE_COMPLETE", why
    return {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}

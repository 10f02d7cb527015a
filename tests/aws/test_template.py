"""The template has no fault that can be found without AWS, and what it deploys takes a delivery."""

import hmac
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from app.settings import RunnerSettings, ServeSettings
from infra.aws.clients import CONNECT_SECONDS, FUNCTION_ATTEMPTS, FUNCTION_SECONDS
from tests.aws.stack import Stack
from tests.aws.template import Template, deployed, lint, read_template, translate

SECRET = "of-the-app"
FREE_ALARMS = 10


@pytest.fixture(scope="module")
def template() -> Template:
    return read_template()


def test_no_fault_is_found_in_the_template_nor_in_what_becomes_of_it(template: Template) -> None:
    assert (lint(template), lint(translate(template))) == (set(), set())


def properties(template: Template, name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def test_faults_are_found_in_the_template(template: Template) -> None:
    broken = json.loads(json.dumps(template))
    properties(broken, "EventsDeadQueue")["FifoQueue"] = False
    properties(broken, "Table")["AttributeDefinitions"].pop()
    properties(broken, "Bucket")["PublicAccess"] = "never"
    properties(broken, "Cluster")["ClusterName"] = {"Ref": "Nothing"}
    assert {fault.split("/")[1] for fault in lint(broken)} >= {"EventsQueue", "Table", "Bucket", "Cluster"}


def test_faults_are_found_in_what_becomes_of_the_template(template: Template) -> None:
    broken = json.loads(json.dumps(template))
    broken["Globals"]["Function"]["Timeout"] = 100
    queue = properties(broken, "EventsFunction")["Events"]["Queue"]["Properties"]
    queue["BatchSize"] = 50
    queue["FunctionResponseTypes"] = ["ReportSomeFailures"]
    policy = properties(broken, "RunnerRole")["Policies"][0]["PolicyDocument"]
    policy["Statement"][0]["Action"] = "sqs:RecieveMessage"
    found = lint(translate(broken))
    assert {fault.split()[0] for fault in found} >= {"E3505", "E3705", "W3037", "E3030"}, found


def statements(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what each role may, with either branch of each condition."""
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::IAM::Role":
            for policy in resource["Properties"]["Policies"]:
                for statement in policy["PolicyDocument"]["Statement"]:
                    for branch in statement.get("Fn::If", ["", statement])[1:]:
                        if "Effect" in branch:
                            yield name, branch


def test_no_role_may_do_everything_and_few_things_may_be_done_to_everything(template: Template) -> None:
    found = list(statements(template))
    actions = {
        action for _, one in found for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }
    assert not [action for action in actions if "*" in action]
    on_all = {(name, one["Action"]) for name, one in found if one["Resource"] == "*"}
    assert on_all == {
        ("EventsRole", "ecs:ListTasks"),  # takes no narrower resource; its condition names the cluster
        ("SweepRole", "ecs:ListTasks"),
        ("TaskStartRole", "ecr:GetAuthorizationToken"),  # takes no resource
    }


def test_alarms_cost_nothing(template: Template) -> None:
    kinds = [resource["Type"] for resource in template["Resources"].values()]
    assert kinds.count("AWS::CloudWatch::Alarm") <= FREE_ALARMS


def test_nothing_that_costs_by_the_hour_is_made(template: Template) -> None:
    kinds = {resource["Type"] for resource in template["Resources"].values()}
    assert not kinds & {
        "AWS::EC2::NatGateway",
        "AWS::EC2::VPCEndpoint",
        "AWS::ECS::Service",
        "AWS::ElasticLoadBalancingV2::LoadBalancer",
    }


def test_an_event_stays_with_one_worker_for_longer_than_the_worker_may_take(template: Template) -> None:
    function = template["Globals"]["Function"]
    lease = properties(template, "EventsFunction")["Environment"]["Variables"]["ORCH_EVENT_LEASE"]
    assert function["Timeout"] < properties(template, "EventsQueue")["VisibilityTimeout"] == int(lease)


def test_a_function_is_asked_again_only_after_it_must_have_ended_and_a_job_outlasts_both(template: Template) -> None:
    (container,) = properties(template, "TaskDefinition")["ContainerDefinitions"]
    settings = {one["Name"]: one["Value"] for one in container["Environment"] if "Name" in one}
    assert template["Globals"]["Function"]["Timeout"] < FUNCTION_SECONDS
    assert float(settings["ORCH_JOB_LEASE"]) > FUNCTION_ATTEMPTS * (FUNCTION_SECONDS + CONNECT_SECONDS)


async def test_what_is_deployed_takes_a_delivery(stack: Stack) -> None:
    async with deployed(stack, GithubApiUrl="http://127.0.0.1:9", AlarmEmail="on-call@example.org") as here:
        secret = json.dumps({"app_id": "7", "private_key": "none", "webhook_secret": SECRET})
        await here.clients.call(
            "secretsmanager", "put_secret_value", SecretId=here.outputs["Secret"], SecretString=secret
        )
        assert await deliver(stack, here.outputs["WebhookUrl"], "wrong") == 401
        assert await deliver(stack, here.outputs["WebhookUrl"], SECRET) == 202
        queue = here.outputs["EventsQueue"]
        counts = await here.clients.call("sqs", "get_queue_attributes", QueueUrl=queue, AttributeNames=["All"])
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        assert sum(int(counts["Attributes"][name]) for name in names) == 1
        for function in ("events", "sweep", "runs"):
            settings(ServeSettings, await here.environment(function), app_id=7, private_key="none", webhook_secret="s")
        container = await here.container()
        settings(RunnerSettings, {entry["name"]: entry["value"] for entry in container["environment"]})


def settings(kind: Callable[..., object], environment: dict[str, str], **more: object) -> object:
    """Make settings of an environment: all of what is there must be known, and all that is needed be there."""
    values = {name.lower().removeprefix("orch_"): value for name, value in environment.items() if name[:5] == "ORCH_"}
    return kind(**values, **more)


async def deliver(stack: Stack, address: str, secret: str) -> int:
    """Deliver as GitHub does, to a function URL whose host is found at the stack."""
    url = urlsplit(address)
    body = json.dumps(
        {"action": "labeled", "repository": {"id": 7, "full_name": "acme/widgets"}, "issue": {"number": 5}}
    )
    headers = {
        "host": url.netloc,
        "content-type": "application/json",
        "x-github-delivery": "1-2-3",
        "x-github-event": "issues",
        "x-hub-signature-256": "sha256=" + hmac.digest(secret.encode(), body.encode(), "sha256").hex(),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(stack.endpoint + url.path, data=body, headers=headers) as answer,
    ):
        return answer.status

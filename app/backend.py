"""Where queues, store and artifacts are: on this machine, or on AWS; and what of AWS must be named."""

import json
import re
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

PREFIX = "aws_"
ADDRESS = r"https?://\S+"


def listed(value: object) -> object:
    """Take `script,other` as well as a JSON list."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [name.strip() for name in value.split(",") if name.strip()]


class BackendSettings(BaseModel):
    """Which back end, and its parts. `ON_AWS` are the settings that a kind of settings cannot do without on AWS."""

    ON_AWS: ClassVar[frozenset[str]] = frozenset()
    WITH_CLUSTER: ClassVar[frozenset[str]] = frozenset({"aws_task_definition", "aws_subnets", "aws_security_groups"})

    backend: Literal["local", "aws"] = Field(
        default="local",
        description="where queues, store and artifacts are: `local` (in `ORCH_STATE_DIR`) or `aws`, where the"
        " `ORCH_AWS_` settings name them; region and credentials are found as boto3 finds them",
    )
    aws_events_queue: str | None = Field(
        default=None, validate_default=True, description="address of the SQS FIFO queue of events"
    )
    aws_jobs_queue: str | None = Field(
        default=None, validate_default=True, description="address of the SQS queue of jobs"
    )
    aws_table: str | None = Field(default=None, validate_default=True, description="name of the DynamoDB table")
    aws_bucket: str | None = Field(default=None, validate_default=True, description="name of the S3 bucket")
    aws_runs_function: str | None = Field(
        default=None, validate_default=True, description="the Lambda function that a runner reports to"
    )
    aws_secret: str | None = Field(
        default=None,
        validate_default=True,
        description="where the App's id, key and webhook secret are, if they are not set here: name or ARN of a JSON"
        " object in Secrets Manager, or `ssm:/path/` of parameters; keys are `app_id`, `private_key`, `webhook_secret`"
        " and, while that is changed, `webhook_secret_before`",
    )
    aws_cluster: str | None = Field(
        default=None,
        validate_default=True,
        description="the ECS cluster in which runners are started when there are jobs",
    )
    aws_task_definition: str | None = Field(
        default=None, validate_default=True, description="the task definition of those runners"
    )
    aws_subnets: list[str] = Field(default=[], validate_default=True, description="subnets of those runners")
    aws_security_groups: list[str] = Field(
        default=[], validate_default=True, description="security groups of those runners"
    )
    aws_public_ip: bool = Field(
        default=True, description="give those runners a public address, which they need where there is no NAT"
    )
    aws_spot: bool = Field(
        default=False,
        description="start those runners as Spot tasks, which cost less and may be ended with two minutes' notice:"
        " another goes on from what their agents did by then",
    )
    aws_max_runners: int = Field(default=4, ge=1, description="runners at the same time in that cluster")

    @property
    def is_on_aws(self) -> bool:
        return self.backend == "aws"

    @field_validator("aws_subnets", "aws_security_groups", mode="before")
    @classmethod
    def _split_ids(cls, value: object) -> object:
        return listed(value)

    @field_validator("aws_events_queue", "aws_jobs_queue")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(ADDRESS, value):
            raise ValueError("must be the queue's address, as in https://sqs.eu-central-1.amazonaws.com/1234/name")
        return value

    @field_validator("*")
    @classmethod
    def _is_named(cls, value: Any, info: ValidationInfo) -> Any:
        """Ask for what is needed; that it is empty is all that is looked at."""
        name = info.field_name or ""
        if value or not name.startswith(PREFIX) or info.data.get("backend") != "aws":
            return value
        if name in cls.ON_AWS:
            raise ValueError("must be set where ORCH_BACKEND is aws")
        if name in cls.WITH_CLUSTER and info.data.get("aws_cluster"):
            raise ValueError("must be set where ORCH_AWS_CLUSTER is")
        return value

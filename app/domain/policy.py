"""What the operator allows: limits and names that decisions go by."""

from decimal import Decimal

from pydantic import InstanceOf

from app.domain.base import Value
from app.domain.router import NO_ROUTER, RouterPolicy


class RunLimits(Value):
    """What one run may use, whatever agent it is of; None is no limit. Times are in seconds, `cost` in US dollars.

    `turns` are answers of the model, `stall_calls` tool calls without a changed file or anything new said.
    """

    wall_seconds: float = 3600
    silence_seconds: float = 900
    tool_calls: int | None = 1000
    turns: int | None = 500
    tokens: int | None = 50_000_000
    cost: Decimal | None = Decimal(20)
    stall_calls: int = 40


class Policy(Value):
    """The operator's settings that decisions depend on. Times are in seconds.

    `agents` are the names of the agents that may run, the first being the default; `profile` names the rules on their
    tool calls, and `isolated` says that agents are kept apart from the machine. `onboarding` says that repositories
    where Orch is new are shown what can be configured. `max_begins` bounds how often one job is begun again after its
    runner was lost, `max_returns` how often because it could not go on for now (at the longest back-off that is two
    hours). `settle` is how long the first status waits to be shown, so that a task which starts at once is shown once.
    `claim_after` is how long a redelivery has to start a task before people are told that its label was missed.
    `list_lag` is how long GitHub's lists may not show what was just made. `retry_base` and `retry_cap` bound the
    back-off after passing faults. `run_lease` is how long a run counts as alive after its last beat. `max_parallel`
    bounds the runs at the same time, the three `max_per_*` those of one installation, repository or agent (None: no
    further limit). `max_rounds` bounds how often a delivered task is reworked. `max_task_cost` is US dollars of one
    task within `task_window_days`, `max_day_cost` of one repository in a day, `max_month_cost` of one installation in a
    month. `outsiders` says what becomes of comments by people without write access in prompts: `quote` or `omit`.
    `budget_approvers` and `mergers` are roles and `@login`s of people who may approve spending and merges; nobody, if
    empty. `bots` are logins of bots that may instruct. `keep_failed` is how long a failed attempt's worktree is kept.
    `model` is the first agent's, None leaves it to how that agent is set up. `router` chooses an agent where nobody
    names one; `provider_pause` is how long an agent is left alone whose provider takes no more calls and does not say
    until when. `autonomy` says what waits for a person: with `manual` plans and each sub-issue, with `checkpoint`
    plans, with `full` nothing; `integration` that a parent is checked as a whole at its end. `stated` are the settings
    that the operator set, `in_file` those of them in his file; the others are Orch's defaults.
    """

    trigger: str = "orch"
    branch_prefix: str = "orch"
    agents: tuple[str, ...] = ()
    model: str | None = None
    max_attempts: int = 3
    max_parallel: int = 4
    max_per_installation: int | None = None
    max_per_repository: int | None = None
    max_per_agent: int | None = None
    max_begins: int = 10
    max_returns: int = 60
    limits: RunLimits = RunLimits()
    profile: str = "headless-permissive"
    isolated: bool = True
    onboarding: bool = True
    settle: float = 2
    claim_after: float = 60
    list_lag: float = 5
    max_rounds: int = 5
    max_task_cost: Decimal = Decimal(100)
    task_window_days: float = 30
    max_day_cost: Decimal = Decimal(200)
    max_month_cost: Decimal = Decimal(2000)
    outsiders: str = "quote"
    merge_method: str = "squash"
    budget_approvers: tuple[str, ...] = ("write",)
    mergers: tuple[str, ...] = ("write",)
    bots: tuple[str, ...] = ()
    keep_failed: float = 3600
    retry_base: float = 5
    retry_cap: float = 120
    run_lease: float = 30
    router: InstanceOf[RouterPolicy] = NO_ROUTER
    provider_pause: float = 3600
    autonomy: str = "checkpoint"
    integration: bool = True
    stated: frozenset[str] = frozenset()
    in_file: frozenset[str] = frozenset()

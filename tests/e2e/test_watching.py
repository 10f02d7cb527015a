"""What is seen of a task from outside: one trace through all processes, metrics, and the ids in the log."""

import json
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.collector import Collector, collecting
from tests.e2e.processes import free_port
from tests.e2e.world import SCRIPT, World

SLOW = SCRIPT.replace("echo", "sleep 1; echo")
IN_A_HURRY = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_METRIC_EXPORT_INTERVAL": "200"}


async def test_each_task_is_one_trace_and_is_counted_and_logged_by_its_ids(world: World) -> None:
    """The second one waits for the first one's slot, and is in no trace but its own."""
    async with collecting() as collector:
        world.environment |= IN_A_HURRY | {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}
        port = free_port()
        await world.start_orch("serve", "--no-runner", METRICS_PORT=port, LOG_JSON="true", MAX_PARALLEL=1)
        await world.start_orch("runner", wait=False, LOG_JSON="true")
        numbers = [await world.open_issue(body=body) for body in (SLOW, SCRIPT)]
        for number in numbers:
            await world.until_status(number, "in_review")
        await world.until_idle()
        assert_counted(await metrics(world, port))
        for child in world.orch:
            await child.stop()
    traces = [traced_whole(collector, f"acme/widgets#{number}") for number in numbers]
    assert len({*traces}) == 2
    assert {"orch_runs", "orch_event_seconds", "orch_webhook_seconds", "orch_queue_messages"} <= collector.metrics
    for number, trace in zip(numbers, traces, strict=True):
        assert_logged(world, number, trace)


async def metrics(world: World, port: int) -> dict[tuple[str, str], float]:
    """Fetch all values as Prometheus does, by name and labels."""
    async with world.session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        families = [*text_string_to_metric_families(await answer.text())]
    return {
        (sample.name, ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def assert_counted(found: dict[tuple[str, str], float]) -> None:
    """Check what two delivered tasks have to show."""
    expected = {
        ("orch_runs_total", "agent=script,outcome=delivered"): 2,
        ("orch_run_seconds_count", "agent=script"): 2,
        ("orch_label_to_start_seconds_count", ""): 2,
        ("orch_decisions_total", "event=run_finished"): 2,
        ("orch_tokens_total", "agent=script,kind=out"): 0,
        ("orch_cost_dollars_total", "agent=script"): 0,
        ("orch_dead_letters", "queue=events"): 0,
        ("orch_dead_letters", "queue=jobs"): 0,
    }
    assert {key: found.get(key) for key in expected} == expected
    assert {("orch_queue_messages", f"queue=jobs,state={state}") for state in ("waiting", "in_flight", "later")} <= {
        *found
    }
    assert found["orch_webhook_seconds_count", "status=202"] >= 3
    assert found["orch_event_seconds_count", "result=handled"] >= 3
    assert 0 < found["orch_label_to_start_seconds_sum", ""] < 60
    assert 0 < found["orch_github_quota_left", "resource=core"] <= 5000


def traced_whole(collector: Collector, task: str) -> str:
    """Check that the task's parts are in one trace, each where it was caused; return that."""
    [run] = [span for span in collector.spans if span.words.get("orch.task") == task]
    mine = {span.name: span for span in collector.spans if span.trace == run.trace}
    above = ["handle slot_wanted", "apply", "handle issues", "webhook"]
    assert collector.ancestry(run) == ["run", *above]
    for name in ("begin", "prepare", "agent", "push", "finish"):
        assert (mine[name].process, collector.ancestry(mine[name])) == ("runner", [name, "run", *above])
    ended = mine["handle run_finished"]
    assert (ended.process, collector.ancestry(ended)) == ("serve", ["handle run_finished", "finish", "run", *above])
    assert run.words["orch.agent"] == "script"
    return run.trace


def assert_logged(world: World, number: int, trace: str) -> None:
    """Check that the ids lead from the webhook to the push and back."""
    lines: list[dict[str, Any]] = [json.loads(line) for line in world.log.read_text().splitlines()]
    own = [line for line in lines if line.get("trace") == trace]
    [pushed] = [line for line in own if line["event"] == "pushed"]
    [ended] = [line for line in own if line.get("name") == "run_finished"]
    [wanted] = [line for line in own if line.get("name") == "slot_wanted"]
    [labeled] = [line for line in own if line.get("name") == "issues"]
    task = f"acme/widgets#{number}"
    assert wanted["delivery"].startswith(labeled["delivery"])
    assert [line["task"] for line in (labeled, wanted, pushed, ended)] == [task] * 4
    assert len({line["job"] for line in (wanted, pushed, ended)}) == 1
    assert pushed["run"] == ended["run"]

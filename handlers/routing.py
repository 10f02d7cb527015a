"""What a model said of a new task."""

from app.domain.routing_events import TaskRouted
from app.domain.snapshot import Handler, Need
from app.domain.strategies.choosing import take_advice

HANDLERS = (Handler(TaskRouted, frozenset({Need.RECORD, Need.ISSUE, Need.CONFIG, Need.POOL}), take_advice),)

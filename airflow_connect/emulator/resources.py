"""
What a new instance of the local Amazon Connect has: flows, queues, agents, quick connects, task templates.

The IDs are the same in every emulator, so that DAGs and tests can name them. Wherever Amazon takes a
resource's ID it also takes its ARN; so does the emulator.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

R = TypeVar("R", "Queue", "User", "Flow", "QuickConnect", "TaskTemplate")

#: The account number that Amazon's documentation uses in its examples.
ACCOUNT = "111122223333"
DEFAULT_INSTANCE_ID = "b1000000-0000-4000-8000-000000000001"
DEFAULT_INSTANCE_ALIAS = "local"
DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Queue:
    """
    A queue in which contacts wait for an agent.

    :param phone_number: the number that is shown to a person who is called for this queue.
    """

    id: str
    name: str
    phone_number: str


@dataclass(frozen=True, slots=True)
class User:
    """An agent."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Flow:
    """
    A flow, which sends each of its contacts to one queue, or ends it at once when it has none.

    :param kind: Amazon's ContactFlowType; ``CONTACT_FLOW`` is an inbound flow.
    """

    id: str
    name: str
    kind: str
    queue_id: str | None = None


@dataclass(frozen=True, slots=True)
class QuickConnect:
    """A short way to a queue or a user, by the flow that it names."""

    id: str
    name: str
    flow_id: str
    queue_id: str | None = None
    user_id: str | None = None


@dataclass(frozen=True, slots=True)
class TaskTemplate:
    """A task template; without a flow a task cannot be started from it alone."""

    id: str
    name: str
    flow_id: str | None = None


TASKS_QUEUE = Queue("c1000000-0000-4000-8000-000000000001", "Tasks", "+12065550101")
BILLING_QUEUE = Queue("c1000000-0000-4000-8000-000000000002", "Billing", "+12065550102")
CALLS_QUEUE = Queue("c1000000-0000-4000-8000-000000000003", "Calls", "+12065550103")

ALEX = User("a1000000-0000-4000-8000-000000000001", "alex")
SAM = User("a1000000-0000-4000-8000-000000000002", "sam")

TASKS_FLOW = Flow("f1000000-0000-4000-8000-000000000001", "Route tasks", "CONTACT_FLOW", TASKS_QUEUE.id)
BILLING_FLOW = Flow("f1000000-0000-4000-8000-000000000002", "Route billing", "CONTACT_FLOW", BILLING_QUEUE.id)
TO_QUEUE_FLOW = Flow("f1000000-0000-4000-8000-000000000003", "To a queue", "QUEUE_TRANSFER", TASKS_QUEUE.id)
TO_AGENT_FLOW = Flow("f1000000-0000-4000-8000-000000000004", "To an agent", "AGENT_TRANSFER", TASKS_QUEUE.id)
ENDING_FLOW = Flow("f1000000-0000-4000-8000-000000000005", "End at once", "CONTACT_FLOW")
WHISPER_FLOW = Flow("f1000000-0000-4000-8000-000000000006", "Agent whisper", "AGENT_WHISPER")
CALLS_FLOW = Flow("f1000000-0000-4000-8000-000000000007", "Route calls", "CONTACT_FLOW", CALLS_QUEUE.id)

BILLING_QUICK_CONNECT = QuickConnect(
    "d1000000-0000-4000-8000-000000000001", "Billing", TO_QUEUE_FLOW.id, queue_id=BILLING_QUEUE.id
)
ALEX_QUICK_CONNECT = QuickConnect("d1000000-0000-4000-8000-000000000002", "Alex", TO_AGENT_FLOW.id, user_id=ALEX.id)

TEMPLATE = TaskTemplate("e1000000-0000-4000-8000-000000000001", "Check an order", TASKS_FLOW.id)
TEMPLATE_WITHOUT_FLOW = TaskTemplate("e1000000-0000-4000-8000-000000000002", "Free form")


@dataclass(frozen=True)
class Instance:
    """
    The one instance of an emulator, and its resources by ID.

    :param id: instance ID.
    :param alias: the name in the instance's address, ``https://<alias>.my.connect.aws``.
    :param region: AWS region, seen in ARNs.
    """

    id: str = DEFAULT_INSTANCE_ID
    alias: str = DEFAULT_INSTANCE_ALIAS
    region: str = DEFAULT_REGION
    flows: dict[str, Flow] = field(
        default_factory=lambda: _by_id(
            TASKS_FLOW, BILLING_FLOW, TO_QUEUE_FLOW, TO_AGENT_FLOW, ENDING_FLOW, WHISPER_FLOW, CALLS_FLOW
        )
    )
    queues: dict[str, Queue] = field(default_factory=lambda: _by_id(TASKS_QUEUE, BILLING_QUEUE, CALLS_QUEUE))
    users: dict[str, User] = field(default_factory=lambda: _by_id(ALEX, SAM))
    quick_connects: dict[str, QuickConnect] = field(
        default_factory=lambda: _by_id(BILLING_QUICK_CONNECT, ALEX_QUICK_CONNECT)
    )
    task_templates: dict[str, TaskTemplate] = field(default_factory=lambda: _by_id(TEMPLATE, TEMPLATE_WITHOUT_FLOW))

    @property
    def arn(self) -> str:
        """The instance's Amazon Resource Name."""
        return f"arn:aws:connect:{self.region}:{ACCOUNT}:instance/{self.id}"

    def contact_arn(self, contact_id: str) -> str:
        """The Amazon Resource Name of a contact of this instance."""
        return f"{self.arn}/contact/{contact_id}"


def _by_id(*resources: R) -> dict[str, R]:
    return {resource.id: resource for resource in resources}

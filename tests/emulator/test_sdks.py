"""The AWS CLI and the AWS SDK for JavaScript against the emulator, as they are when somebody installs them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.emulator.resources import TASKS_QUEUE, TO_QUEUE_FLOW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_connect.emulator.server import Emulator

pytest_plugins = ("tests.sdks",)


@pytest.fixture
def aws(aws_cli: Path, emulator: Emulator, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """``aws connect …`` as in a shell: options as keyword arguments, the answer as JSON, an error as text."""
    env = os.environ | {
        "HOME": str(tmp_path),
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_DEFAULT_REGION": emulator.region,
        "AWS_MAX_ATTEMPTS": "1",
    }
    env.pop("PYTHONPATH", None)
    program = Path(__file__).with_name("aws_cli.py")
    process = subprocess.Popen(
        [aws_cli, program], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )

    def aws(command: str, **options: Any) -> Any:
        given = {"instance-id": emulator.instance_id, "endpoint-url": emulator.url, "output": "json"} | options
        words = [
            word
            for name, value in given.items()
            for word in (f"--{name.replace('_', '-')}", value if isinstance(value, str) else json.dumps(value))
        ]
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(["connect", command, *words]) + "\n")
        process.stdin.flush()
        code, out, err = json.loads(process.stdout.readline())
        return err.strip() if code else json.loads(out or "null")

    with process:
        yield aws
        assert process.stdin
        process.stdin.close()
    assert process.returncode == 0


def test_aws_cli(aws: Callable[..., Any], emulator: Emulator) -> None:
    """Create, describe, tag, fill in, search, transfer, list and stop, each by its command."""
    contact_id = aws(
        "create-contact",
        channel="TASK",
        initiation_method="API",
        client_token="cli-1",
        name="Zoë’s order",
        attributes={"city": "Zürich"},
        segment_attributes={"plan": {"ValueString": "gold"}},
    )["ContactId"]
    contact = aws("describe-contact", contact_id=contact_id)["Contact"]
    assert (contact["Name"], contact["Channel"]) == ("Zoë’s order", "TASK")
    assert aws("tag-contact", contact_id=contact_id, tags={"team": "billing"}) is None
    assert aws("update-contact-attributes", initial_contact_id=contact_id, attributes={"decision": "approve"}) is None
    attributes = aws("get-contact-attributes", initial_contact_id=contact_id)
    assert attributes == {"Attributes": {"city": "Zürich", "decision": "approve"}}

    at = int(emulator.clock.now())
    found = aws(
        "search-contacts",
        time_range=f"Type=INITIATION_TIMESTAMP,StartTime={at - 3600},EndTime={at + 3600}",
        search_criteria={
            "ContactTags": {"TagCondition": {"TagKey": "team", "TagValue": "billing"}},
            "SearchableSegmentAttributes": {"Criteria": [{"Key": "plan", "Values": ["gold"]}]},
        },
    )
    assert [contact["Id"] for contact in found["Contacts"]] == [contact_id]
    nothing = aws("search-contacts", time_range=f"Type=INITIATION_TIMESTAMP,StartTime={at - 9},EndTime={at - 9}")
    assert nothing == {"Contacts": [], "TotalCount": 0}

    successor = aws(
        "transfer-contact", contact_id=contact_id, contact_flow_id=TO_QUEUE_FLOW.id, queue_id=TASKS_QUEUE.id
    )["ContactId"]
    chain = aws("list-associated-contacts", contact_id=contact_id)["ContactSummaryList"]
    assert [contact["ContactId"] for contact in chain] == [contact_id, successor]
    assert aws("stop-contact", contact_id=successor) is None
    assert "(ContactNotFoundException)" in aws("stop-contact", contact_id=successor)
    assert [contact["disconnect_reason"] for contact in emulator.contacts()] == ["TRANSFERRED", "API"]


def test_javascript_sdk(javascript_sdk: Path, emulator: Emulator) -> None:
    """The same in one program; what it sees is asserted there, and what arrived here."""
    program = Path(__file__).with_name("javascript_sdk.cjs")
    arguments = (emulator.url, emulator.region, emulator.instance_id, TO_QUEUE_FLOW.id, TASKS_QUEUE.id)
    done = subprocess.run(
        ["node", program, *arguments],
        check=False,
        env=os.environ | {"NODE_PATH": str(javascript_sdk)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    made, successor = emulator.contacts()
    assert json.loads(done.stdout) == [made["id"], successor["id"]]
    assert made["attributes"] == {"city": "Zürich", "decision": "approve"}
    assert (made["tags"], made["client_token"]) == ({"team": "billing"}, "javascript-1")
    assert made["references"] == {"order": {"Value": "https://example.com/1", "Type": "URL"}}
    assert successor["disconnect_reason"] == "API"

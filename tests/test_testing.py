"""The fixture for DAG authors, used as they use it: in a project of their own, with nothing but the plugin."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError

from tests.until import until

if TYPE_CHECKING:
    from airflow_connect.testing import LocalConnect

pytest_plugins = ("pytester",)


@pytest.fixture
def task(amazon_connect: LocalConnect) -> dict[str, str]:
    """The least that CreateContact needs."""
    return {"InstanceId": amazon_connect.instance_id, "Channel": "TASK", "InitiationMethod": "API"}


def test_each_test_starts_with_an_empty_connect(pytester: pytest.Pytester) -> None:
    """Contacts, faults, quotas and time of one test are not there in the next, and one server serves both."""
    pytester.makeconftest("pytest_plugins = ('airflow_connect.testing',)")
    pytester.makepyfile(
        """
        import time

        urls = set()

        def use(connect):
            urls.add(connect.url)
            assert len(urls) == 1
            assert connect.contacts() == [] and connect.calls() == []
            assert abs(connect.clock.now() - time.time()) < 5
            for _ in range(20):  # more than Amazon's quota lets through at once
                connect.client.create_contact(
                    InstanceId=connect.instance_id, Channel="TASK", InitiationMethod="API", Name="Check"
                )
            assert [contact["name"] for contact in connect.contacts()] == ["Check"] * 20
            connect.clock.advance(3600)
            connect.faults("error_500")
            connect.throttle(1, 1)

        def test_one(amazon_connect):
            use(amazon_connect)

        def test_two(amazon_connect):
            use(amazon_connect)
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=2)


def test_environment_leads_to_the_emulator_and_is_put_back(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a test has the fixture, nothing of the person's own AWS is in the environment; afterwards all of it is."""
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://example.com")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", "aws://of-the-person")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    pytester.makepyfile(
        """
        import json
        import os

        import boto3

        before = dict(os.environ)

        def test_inside(amazon_connect):
            connection = json.loads(os.environ["AIRFLOW_CONN_AWS_DEFAULT"])
            assert connection == amazon_connect.connection
            assert connection["extra"]["endpoint_url"] == amazon_connect.url
            assert "AWS_PROFILE" not in os.environ and "AWS_ENDPOINT_URL" not in os.environ
            assert boto3.Session().region_name == "eu-central-1"
            assert boto3.Session().get_credentials().access_key == "local"
            amazon_connect.client.describe_instance(InstanceId=amazon_connect.instance_id)  # by no proxy
            assert [call.operation for call in amazon_connect.calls()] == ["DescribeInstance"]

        def test_outside():
            changed = {name for name in before | os.environ if before.get(name) != os.environ.get(name)}
            assert changed <= {"PYTEST_CURRENT_TEST"}
        """
    )
    pytester.runpytest_subprocess("-p", "airflow_connect.testing").assert_outcomes(passed=2)


def test_missing_extra_is_named(pytester: pytest.Pytester) -> None:
    """Without Starlette the test fails with one sentence that says what to install."""
    pytester.makeconftest(
        """
        import sys
        sys.modules["starlette"] = None
        pytest_plugins = ("airflow_connect.testing",)
        """
    )
    pytester.makepyfile("def test_it(amazon_connect): pass")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['*needs starlette*pip install "airflow-provider-amazon-connect?testing?"'])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_plugin_imports_neither_airflow_nor_the_emulator() -> None:
    """A test session that does not use the fixture pays nothing for it."""
    program = "import sys, airflow_connect.testing; print([n for n in sys.modules if n in ('airflow', 'starlette')])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_people_complete_contacts(amazon_connect: LocalConnect, task: dict[str, str]) -> None:
    """A test can do what a person does: accept a contact, fill in attributes and complete it."""
    contact_id = amazon_connect.client.create_contact(**task, Attributes={"order": "7"})["ContactId"]
    assert amazon_connect.accept(contact_id, "sam")["state"] == "CONNECTED"
    amazon_connect.complete(contact_id, {"approved": "yes"})
    contact = amazon_connect.contact(contact_id)
    assert (contact["state"], contact["disconnect_reason"]) == ("ENDED", "AGENT_COMPLETED")
    assert contact["attributes"] == {"order": "7", "approved": "yes"}
    assert amazon_connect.contacts("CREATED", "QUEUED", "CONNECTED") == []


def test_agent_completes_what_arrives(amazon_connect: LocalConnect, task: dict[str, str]) -> None:
    """While the agent is there every contact is completed, with attributes that may depend on the contact."""
    with amazon_connect.agent(lambda contact: {"seen": contact["name"]}):
        ids = [amazon_connect.client.create_contact(**task, Name=name)["ContactId"] for name in ("a", "b")]
        until(lambda: not amazon_connect.contacts("CREATED"))
    seen = [amazon_connect.contact(contact_id)["attributes"] for contact_id in ids]
    assert seen == [{"seen": "a"}, {"seen": "b"}]
    amazon_connect.client.create_contact(**task)
    assert len(amazon_connect.contacts("CREATED")) == 1


def test_agent_failure_is_the_tests(amazon_connect: LocalConnect, task: dict[str, str]) -> None:
    """Attributes that break a rule fail the test, and leave the contact as it was."""
    amazon_connect.client.create_contact(**task)
    asked: list[object] = []

    def fill_in(contact: dict[str, object]) -> dict[str, str]:
        asked.append(contact["id"])
        return {"not a key": "x"}

    with pytest.raises(Exception, match="only letters"), amazon_connect.agent(fill_in):
        until(lambda: asked)
    assert [contact["attributes"] for contact in amazon_connect.contacts("CREATED")] == [{}]


def test_faults_end_with_their_block(amazon_connect: LocalConnect, task: dict[str, str]) -> None:
    """Faults and quotas are in force at once, and end with the ``with`` block."""
    with amazon_connect.faults("CreateContact:error_503"), pytest.raises(ClientError) as caught:
        amazon_connect.client.create_contact(**task)
    assert caught.value.response["Error"]["Code"] == "ServiceUnavailableException"
    with amazon_connect.throttle(rate=0.001, burst=1):
        amazon_connect.client.create_contact(**task)
        with pytest.raises(amazon_connect.client.exceptions.ThrottlingException):
            amazon_connect.client.create_contact(**task)
    amazon_connect.client.create_contact(**task)
    assert len(amazon_connect.contacts()) == 2


def test_unknown_fault_changes_nothing(amazon_connect: LocalConnect, task: dict[str, str]) -> None:
    """A plan that cannot be read is refused by name, and the plan before it stays."""
    amazon_connect.faults("CreateContact@1:error_500")
    with pytest.raises(ValueError, match="unknown kind 'thunder'"):
        amazon_connect.faults("thunder=0.5")
    with pytest.raises(ClientError):
        amazon_connect.client.create_contact(**task)
    amazon_connect.client.create_contact(**task)
    assert [call.fault for call in amazon_connect.calls()] == ["error_500", None]


def test_time_is_the_tests(amazon_connect: LocalConnect, task: dict[str, str]) -> None:
    """A contact expires when the test's clock says so."""
    contact_id = amazon_connect.client.create_contact(**task, ExpiryDurationInMinutes=60)["ContactId"]
    amazon_connect.clock.advance(59 * 60)
    assert amazon_connect.contact(contact_id)["state"] == "CREATED"
    amazon_connect.clock.advance(60)
    assert amazon_connect.contact(contact_id)["disconnect_reason"] == "EXPIRED"


def test_connection_is_ours_only_during_a_test() -> None:
    """A test without the fixture has no connection of it."""
    assert "AIRFLOW_CONN_AWS_DEFAULT" not in os.environ

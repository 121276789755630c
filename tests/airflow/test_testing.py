"""The fixture for DAG authors in a real Airflow: a project with a DAG, a test of it, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

pytest_plugins = ("pytester",)

DAG = """
import time
from datetime import datetime

from airflow.providers.common.compat.sdk import DAG, task

from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.operators.connect import CreateContactOperator


@task
def answer(contact_id):
    hook = ConnectHook()
    while "DisconnectTimestamp" not in hook.describe_contact(contact_id):
        time.sleep(0.05)
    assert hook.get_contact_attributes(contact_id)["approved"] == "yes"


with DAG("approval", schedule=None, start_date=datetime(2026, 1, 1)) as dag:
    ask = CreateContactOperator(
        task_id="ask", channel="TASK", name="Approve invoice 7731", attributes={"invoice": "7731"}
    )
    answer(ask.output)
"""
TEST = """
from approval import dag


def test_a_person_is_asked(amazon_connect):
    with amazon_connect.agent({"approved": "yes"}):
        assert dag.test().state == "success"
    (contact,) = amazon_connect.contacts()
    assert contact["name"] == "Approve invoice 7731"
    assert contact["attributes"] == {"invoice": "7731", "approved": "yes"}


def test_the_contact_is_made_once_when_its_answer_is_lost(amazon_connect):
    with amazon_connect.faults("CreateContact@1:cut_after"), amazon_connect.agent({"approved": "yes"}):
        assert dag.test().state == "success"
    assert len(amazon_connect.calls("CreateContact")) == 2
    assert len(amazon_connect.contacts()) == 1
"""


def test_author_tests_a_dag_that_waits_for_people(
    airflow_db: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``dag.test()`` runs against the local Amazon Connect, while an agent completes what arrives and calls fail."""
    dags = pytester.mkdir("dags")
    (dags / "approval.py").write_text(DAG)
    monkeypatch.setenv("AIRFLOW__CORE__DAGS_FOLDER", str(dags))
    monkeypatch.setenv("PYTHONPATH", str(dags))
    pytester.makeconftest("pytest_plugins = ('airflow_connect.testing',)")
    pytester.makepyfile(TEST)
    pytester.runpytest_subprocess().assert_outcomes(passed=2)

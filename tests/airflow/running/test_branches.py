"""Branches for each contact of a list, as a scheduler takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_connect._compat import MAPPED_GROUPS_RUN_ALL_BRANCHES

if TYPE_CHECKING:
    from airflow_connect.testing import LocalConnect
    from tools.local_airflow import LocalAirflow


@pytest.mark.parametrize("dag_id", ["branch_in_mapped_group", "mapped_branch"])
def test_branch_of_each_contact(local_airflow: LocalAirflow, amazon_connect: LocalConnect, dag_id: str) -> None:
    """A mapped operator takes each contact's branch on every version, one in a mapped task group before 3.2 only."""
    task = {"InstanceId": amazon_connect.instance_id, "Channel": "TASK", "InitiationMethod": "API"}
    ids = [amazon_connect.client.create_contact(**task)["ContactId"] for _ in range(2)]
    for contact_id, decision in zip(ids, ("approve", "refuse"), strict=True):
        amazon_connect.complete(contact_id, {"decision": decision})
    run_id = local_airflow.trigger(dag_id, conf={"contact_ids": ids})
    assert local_airflow.wait(dag_id, run_id) == "success"
    run = {
        (one.task_id.removeprefix("decide."), one.map_index): one.state
        for one in local_airflow.task_instances(dag_id, run_id)
    }
    others = "success" if dag_id == "branch_in_mapped_group" and MAPPED_GROUPS_RUN_ALL_BRANCHES else "skipped"
    assert run["ship", 0] == run["cancel", 1] == "success"
    assert run["ship", 1] == run["cancel", 0] == others

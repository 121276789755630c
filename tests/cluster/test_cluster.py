"""
One contact for each row on two workers that share no disk, whatever breaks: counted at the local Amazon Connect.

Airflow with CeleryExecutor, Redis, PostgreSQL, scheduler, API server, triggerer, Dag processor; results in an S3.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from airflow_connect.record.results import read_results
from tests.cluster.conftest import ROWS, WORKERS
from tests.cluster.dags.bulk import PARTS
from tests.until import until

if TYPE_CHECKING:
    from tests.cluster.conftest import Cluster

IN_FLIGHT = 32  # of the Dags
#: Seconds that a task takes in which nothing breaks: longer than Airflow waits for a worker that is silent.
SECONDS = 40
SLOW = f"slow({1_000 * SECONDS * IN_FLIGHT // ROWS})=1"


def test_worker_dies(cluster: Cluster) -> None:
    """The machine of a worker is gone at half of the rows: the other one sends what is missing."""
    cluster.connect.emulator.set_faults(SLOW)
    run_id = cluster.airflow.trigger("bulk", conf={"path": cluster.rows()})
    first = cluster.worker_of("bulk", run_id)
    cluster.sent(ROWS // 2)
    cluster.airflow.crash(first)

    cluster.ends("bulk", run_id)
    assert cluster.airflow.task_instance("bulk", run_id, "bulk").hostname == ({*WORKERS} - {first}).pop()
    cluster.assert_each_once([cluster.reported("bulk", run_id)])
    # What was in flight, and what was answered within the last second: an object store cannot append.
    assert cluster.repeats() <= IN_FLIGHT + 3 * ROWS // SECONDS


@pytest.mark.usefixtures("namespaces")
def test_worker_is_cut_off(cluster: Cluster) -> None:
    """A worker that Airflow does not reach goes on sending, until it sees that another one has begun the task anew."""
    cluster.connect.emulator.set_faults(SLOW)
    run_id = cluster.airflow.trigger("bulk", conf={"path": cluster.rows()})
    first = cluster.worker_of("bulk", run_id)
    cluster.sent(ROWS // 10)
    cluster.airflow.machines.cut_off(first)
    before = cluster.calls
    until(lambda: cluster.calls > before + IN_FLIGHT)

    cluster.ends("bulk", run_id)
    assert cluster.airflow.task_instance("bulk", run_id, "bulk").hostname != first
    cluster.airflow.machines.connect(first)
    cluster.assert_each_once([cluster.reported("bulk", run_id)])


def test_worker_is_suspended(cluster: Cluster) -> None:
    """A worker that is suspended, declared dead and woken up sends no more than it had in flight."""
    cluster.connect.emulator.set_faults(SLOW)
    run_id = cluster.airflow.trigger("bulk", conf={"path": cluster.rows()})
    first = cluster.worker_of("bulk", run_id)
    cluster.sent(ROWS // 10)
    cluster.airflow.signal(first, signal.SIGSTOP)
    until(lambda: cluster.airflow.task_instance("bulk", run_id, "bulk").hostname not in (first, ""), timeout=90)
    cluster.airflow.signal(first, signal.SIGCONT)

    cluster.ends("bulk", run_id)
    cluster.assert_each_once([cluster.reported("bulk", run_id)])


@pytest.mark.parametrize("name", ["postgres", "redis", "scheduler", "api-server", "dag-processor"])
def test_component_restarts(cluster: Cluster, name: str) -> None:
    """A component that is killed and comes back after some seconds costs nothing but time."""
    cluster.connect.emulator.set_faults(SLOW)
    run_id = cluster.airflow.trigger("bulk", conf={"path": cluster.rows()})
    cluster.worker_of("bulk", run_id)
    cluster.sent(ROWS // 10)
    cluster.airflow.crash(name)
    before = cluster.calls
    until(lambda: cluster.calls > before + IN_FLIGHT)
    cluster.airflow.start_component(name)
    cluster.airflow.await_component(name)

    cluster.ends("bulk", run_id)
    cluster.assert_each_once([cluster.reported("bulk", run_id)])


def test_triggerer_dies(cluster: Cluster) -> None:
    """A triggerer that is killed while a thousand contacts are awaited: each outcome is reported once."""
    count = 1_000
    run_id = cluster.airflow.trigger("waits", conf={"path": cluster.rows(count)})
    cluster.airflow.wait_for_state("waits", run_id, "wait", states=["deferred"], timeout=180)
    contacts = [contact["id"] for contact in cluster.connect.contacts()]
    for contact_id in contacts[: count // 2]:
        cluster.connect.complete(contact_id)
    cluster.airflow.crash("triggerer")
    for contact_id in contacts[count // 2 :]:
        cluster.connect.complete(contact_id)
    cluster.airflow.start_component("triggerer")

    cluster.ends("waits", run_id)
    cluster.assert_each_once([cluster.reported("waits", run_id)], count)
    reported = cluster.airflow.xcom("waits", run_id, "wait")
    assert (reported["contacts"], reported["completed"]) == (count, count)
    outcomes = [result["outcome"] for result in read_results(cluster.reported("waits", run_id))]
    assert outcomes == ["completed"] * count


@pytest.mark.parametrize("faults", [{"delay": 0.5}, {"errors": 0.3}, {"errors": 1.0}], ids=["slow", "failing", "out"])
def test_store_fails(cluster: Cluster, faults: dict[str, float]) -> None:
    """While the object store is slow or fails, the task waits or is retried, and then goes on where it was."""
    cluster.connect.emulator.set_faults(SLOW)
    run_id = cluster.airflow.trigger("bulk", conf={"path": cluster.rows()})
    cluster.worker_of("bulk", run_id)
    cluster.sent(ROWS // 10)
    cluster.store.fail(**faults)
    time.sleep(20)
    cluster.store.fail()

    cluster.ends("bulk", run_id)
    cluster.assert_each_once([cluster.reported("bulk", run_id)])


def test_store_shows_late_what_was_written(cluster: Cluster) -> None:
    """A task whose record is not to be seen at once ends, and says what to do; its next attempt makes nothing twice."""
    cluster.connect.emulator.set_faults(SLOW)
    run_id = cluster.airflow.trigger("bulk", conf={"path": cluster.rows()})
    cluster.worker_of("bulk", run_id)
    cluster.sent(ROWS // 10)
    cluster.store.fail(late=5)
    cluster.sent(ROWS // 5)
    cluster.airflow.wait("bulk", run_id, timeout=240)
    cluster.store.fail()
    if cluster.airflow.task_instance("bulk", run_id, "bulk").state == "failed":
        assert "is not complete any more" in cluster.airflow.logs("bulk", run_id, "bulk")
        cluster.airflow.clear("bulk", run_id, "bulk")
    cluster.ends("bulk", run_id)
    cluster.assert_each_once([cluster.reported("bulk", run_id)])


def test_tasks_share_a_quota(cluster: Cluster) -> None:
    """Eight mapped bulk tasks on two workers use one quota together, and each ends."""
    count, rate = 4_000, 100
    cluster.connect.emulator.set_rate(rate, rate)
    began = time.monotonic()
    run_id = cluster.airflow.trigger("shared_quota", conf={"path": cluster.rows(count, parts=PARTS)})
    cluster.ends("shared_quota", run_id)
    hosts = {one.hostname for one in cluster.airflow.task_instances("shared_quota", run_id)}
    assert hosts == set(WORKERS)
    cluster.assert_each_once([cluster.reported("shared_quota", run_id, index) for index in range(PARTS)], count)
    calls = cluster.connect.calls("CreateContact")
    throttled = sum(call.status == 429 for call in calls)
    print(f"{count} rows in {time.monotonic() - began:.0f} s at a quota of {rate}/s; {throttled} throttled")
    assert throttled < count / 5


def test_rolling_restart(cluster: Cluster) -> None:
    """All components are restarted one after the other while a task sends."""
    cluster.connect.emulator.set_faults(SLOW)
    run_id = cluster.airflow.trigger("bulk", conf={"path": cluster.rows()})
    cluster.worker_of("bulk", run_id)
    cluster.sent(ROWS // 20)
    for name in cluster.airflow.names:
        cluster.airflow.restart(name, timeout=120)

    cluster.ends("bulk", run_id)
    cluster.assert_each_once([cluster.reported("bulk", run_id)])


@pytest.mark.usefixtures("namespaces")
def test_results_on_the_disk_of_a_worker(cluster: Cluster) -> None:
    """A retry on another worker does not see them: it says so, and repeats what Amazon Connect still knows."""
    cluster.connect.emulator.set_faults(SLOW)
    count = ROWS // 4
    # A folder that each machine has by itself.
    results = str(cluster.airflow.home / "amazon_connect" / "contacts")
    run_id = cluster.airflow.trigger("on_a_disk", conf={"path": cluster.rows(count), "results": results})
    first = cluster.worker_of("on_a_disk", run_id)
    cluster.sent(count // 2)
    cluster.airflow.crash(first)

    cluster.ends("on_a_disk", run_id)
    logs = cluster.airflow.logs("on_a_disk", run_id, "bulk")
    assert f"recorded its results in {results}" in logs
    assert f"on the worker {first}" in logs
    assert len(cluster.connect.contacts()) == count
    assert cluster.repeats() >= count // 2 - IN_FLIGHT

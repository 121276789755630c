"""An Airflow on two workers that share neither a network nor a disk, started once for the tests of this folder."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import tempfile
import uuid
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from airflow_connect.emulator.server import Emulator
from airflow_connect.testing import LocalConnect
from tests.cluster.store import Store
from tests.until import until
from tools.local_airflow import LocalAirflowError, free_port
from tools.local_cluster import LocalCluster
from tools.machines import Machines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: The workers, each on a machine of its own.
WORKERS = ("worker-one", "worker-two")
BUCKET = "cluster"
#: How many rows a test sends that does not say otherwise.
ROWS = int(os.environ.get("AIRFLOW_CONNECT_CLUSTER_ROWS", "20000"))


@dataclasses.dataclass
class Cluster:
    """
    What a test has.

    :param airflow: on several machines
    :param connect: the local Amazon Connect, without contacts
    :param store: the local S3, which has the results
    """

    airflow: LocalCluster
    connect: LocalConnect
    store: Store
    s3: Any

    @property
    def calls(self) -> int:
        """How many contacts somebody asked for."""
        return len(self.connect.calls("CreateContact"))

    def rows(self, count: int = ROWS, *, parts: int = 0) -> str:
        """
        Write rows to the store, and return their path.

        :param count: how many in all
        :param parts: over how many files; 0 for one, whose path is returned
        """
        folder = uuid.uuid4().hex
        size = count // (parts or 1)
        for part in range(parts or 1):
            lines = "".join(f"{row},Row {row}\n" for row in range(part * size + 1, (part + 1) * size + 1))
            name = f"part-{part}.csv" if parts else "rows.csv"
            self.s3.put_object(Bucket=BUCKET, Key=f"rows/{folder}/{name}", Body=f"order,name\n{lines}")
        return f"s3://store@{BUCKET}/rows/{folder}{'' if parts else '/rows.csv'}"

    def worker_of(self, dag_id: str, run_id: str, task_id: str = "bulk") -> str:
        """Return the worker that runs a task instance, once one does."""

        def found() -> str | None:
            one = self.airflow.task_instance(dag_id, run_id, task_id)
            return one.hostname if one.state == "running" else None

        host = until(lambda: _or_none(found), timeout=90)
        assert host in WORKERS
        return host

    def sent(self, count: int) -> None:
        """Wait until so many contacts were asked for."""
        until(lambda: self.calls >= count, timeout=180)

    def ends(self, dag_id: str, run_id: str, *, timeout: float = 240) -> None:
        """Wait until a run succeeds."""
        state = self.airflow.wait(dag_id, run_id, timeout=timeout)
        assert state == "success", self.airflow.logs(dag_id, run_id, "bulk")[-4_000:]

    def reported(self, dag_id: str, run_id: str, map_index: int = -1) -> dict[str, Any]:
        """Return what the bulk task returned."""
        return dict(self.airflow.xcom(dag_id, run_id, "bulk", map_index))

    def repeats(self) -> int:
        """Return how many calls had a client token that was sent before."""
        tokens = Counter(call.client_token for call in self.connect.calls("CreateContact") if call.status < 400)
        return tokens.total() - len(tokens)

    def results(self, path: str) -> list[dict[str, Any]]:
        """Return what is on record below a path."""
        from airflow_connect.record.results import read_results

        return list(read_results(path))

    def assert_each_once(self, summaries: list[dict[str, Any]], count: int = ROWS) -> None:
        """Nothing is lost, nothing is there twice, and the record names each contact."""
        contacts = self.connect.contacts()
        found = Counter(contact["name"] for contact in contacts)
        lost = [row for row in range(1, count + 1) if f"Row {row}" not in found]
        twice = [name for name, number in found.items() if number > 1]
        assert (len(lost), len(twice)) == (0, 0), f"lost: {lost[:5]}, twice: {twice[:5]}"
        assert len(found) == count
        results = [result for summary in summaries for result in self.results(summary["results"])]
        assert {result["contact_id"] for result in results} == {contact["id"] for contact in contacts}
        assert len(results) == count


def _or_none(look: Callable[[], Any]) -> Any:
    try:
        return look()
    except LocalAirflowError:
        return None


@pytest.fixture(scope="session")
def _home() -> Iterator[Path]:
    # Not a folder of pytest's, which only its user can enter: PostgreSQL is another.
    home = Path(tempfile.mkdtemp(prefix="cluster-"))
    home.chmod(0o755)
    yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def _cluster(_home: Path) -> Iterator[Cluster]:
    shutil.copytree(Path(__file__).parent / "dags", _home / "dags", ignore=shutil.ignore_patterns("__pycache__"))
    with (
        Machines(*WORKERS) as machines,
        Store(machines.world, free_port()) as store,
        Emulator(host=machines.world, rate=None) as emulator,
    ):
        connect = LocalConnect(emulator)
        extra = {"region_name": "us-east-1", "endpoint_url": store.url}
        of_store = {"conn_type": "aws", "login": "local", "password": "local", "extra": extra}
        os.environ["AIRFLOW_CONN_STORE"] = json.dumps(of_store)  # this process reads the results too
        s3 = boto3.client(
            "s3",
            endpoint_url=store.url,
            region_name="us-east-1",
            aws_access_key_id="local",
            aws_secret_access_key="local",
        )
        s3.create_bucket(Bucket=BUCKET)
        airflow = LocalCluster(
            _home,
            _home / "dags",
            machines,
            env={
                "AIRFLOW_CONN_AWS_DEFAULT": json.dumps(connect.connection),
                "AIRFLOW_CONN_STORE": json.dumps(of_store),
            },
            config={"amazon_connect.results_path": f"s3://store@{BUCKET}/results"},
        )
        with airflow:
            yield Cluster(airflow, connect, store, s3)


@pytest.fixture
def cluster(_cluster: Cluster) -> Iterator[Cluster]:
    """The cluster with all of its components up, and an empty Amazon Connect."""
    _cluster.connect.emulator.reset()
    _cluster.connect.emulator.set_faults("")
    _cluster.connect.emulator.set_rate(None)
    yield _cluster
    _cluster.store.fail()
    _cluster.airflow.bring_up()


@pytest.fixture
def namespaces(_cluster: Cluster) -> None:
    """Fail in CI, and skip elsewhere, a test that needs machines with networks and disks of their own."""
    if _cluster.airflow.machines.are_namespaces:
        return
    message = "namespaces are not allowed here: workers are users with folders of their own, and share a network"
    pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)

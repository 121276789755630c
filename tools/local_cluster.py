"""
An Airflow on several machines for tests: Celery workers on machines of their own, with PostgreSQL and Redis.

Each component can be killed, stopped, restarted or cut off by itself; one that ends by itself is started again, as
Kubernetes and systemd do. Knows nothing of Amazon Connect.
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
import signal
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.local_airflow import LocalAirflow, LocalAirflowError, free_port
from tools.local_postgres import make_database, server_command
from tools.programs import Programs, descendants

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tools.machines import Machines

#: The programs of Airflow's services, which have to be there before its components.
SERVICES = ("postgres", "redis")


def machine_name() -> str:
    """Return the name of the machine that this process runs on, if machines are users."""
    return os.environ["MACHINE"]


class LocalCluster(LocalAirflow):
    """
    An Airflow with CeleryExecutor, PostgreSQL, Redis, and a worker on each machine.

    What Airflow knows of a worker that is dead, it knows after some seconds, and not after some minutes. Redis keeps
    nothing over a restart.

    :param home: As for :class:`LocalAirflow`. Logs are in it whatever machine a task ran on.
    :param dags: The folder of Dag files, which all machines see.
    :param machines: Where workers run; the worker on a machine is called as the machine is.
    :param concurrency: How many task instances a worker runs at a time.
    :param env: Environment variables of all components.
    :param config: Settings of Airflow over those chosen here.
    """

    def __init__(
        self,
        home: Path,
        dags: Path,
        machines: Machines,
        *,
        concurrency: int = 4,
        env: Mapping[str, str] | None = None,
        config: Mapping[str, str] | None = None,
    ) -> None:
        self.machines = machines
        self._postgres_port, self._redis_port = free_port(), free_port()
        database = f"airflow@{machines.house}:{self._postgres_port}/airflow"
        settings = {
            "core.executor": "CeleryExecutor",
            "core.fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "api.secret_key": secrets.token_hex(16),
            "api_auth.jwt_secret": secrets.token_hex(32),
            "database.sql_alchemy_conn": f"postgresql+psycopg2://{database}",
            "celery.broker_url": f"redis://{machines.house}:{self._redis_port}/0",
            "celery.result_backend": f"db+postgresql+psycopg2://{database}",
            "celery.worker_concurrency": str(concurrency),
            "celery.worker_prefetch_multiplier": "1",
            "logging.base_log_folder": str(home.resolve() / "logs"),
            "logging.file_task_handler_new_folder_permissions": "0o777",
            "logging.file_task_handler_new_file_permissions": "0o666",
            # How soon somebody who is dead is missed.
            "scheduler.task_instance_heartbeat_timeout": "20",
            "scheduler.task_instance_heartbeat_timeout_detection_interval": "1",
            "scheduler.task_queued_timeout": "60",
            "scheduler.task_queued_timeout_check_interval": "2",
            "scheduler.orphaned_tasks_check_interval": "5",
            "scheduler.scheduler_health_check_threshold": "10",
            "triggerer.job_heartbeat_sec": "1",
            "triggerer.triggerer_health_check_threshold": "5",
        }
        super().__init__(
            home, dags, host=machines.house, triggerer=True, parallelism=32, env=env, config=settings | (config or {})
        )
        self._data = self.home / "postgres"
        if not machines.are_namespaces:
            # Workers are other users, who write logs where this one reads them.
            (self.home / "logs").mkdir(parents=True, exist_ok=True)
            (self.home / "logs").chmod(0o777)
        self._sets: dict[str, Programs] = {}
        self._commands: dict[str, Sequence[str]] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        #: Components that are to be down.
        self._down: set[str] = set()
        #: What ended by itself and was started again.
        self.revived: list[str] = []

    # -- life -----------------------------------------------------------------------------------------

    def start(self, *, timeout: float = 400, detached: bool = False) -> None:
        """Start services, components and workers, and wait until they are healthy; it ends with this process."""
        super().start(timeout=timeout, detached=detached)

    def stop(self) -> None:
        """End Airflow, its services and every process they started."""
        self._stopped.set()
        with self._lock:
            # At once: each takes the time that it needs, and none waits for another.
            ends = [threading.Thread(target=programs.stop) for programs in reversed(self._sets.values())]
            for end in ends:
                end.start()
            for end in ends:
                end.join()
            self._sets.clear()

    def stop_component(self, name: str) -> None:
        """End a component as a deployment does: it is asked to, and killed after ten seconds."""
        with self._lock:
            self._down.add(name)
            self._sets[name].stop()

    def crash(self, name: str) -> None:
        """Kill (SIGKILL) a component and all that it started, and leave it so: a worker's machine is gone."""
        self.signal(name, signal.SIGKILL)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a component and all that it started; one that is killed stays down."""
        with self._lock:
            keeper = self._sets[name].running_pid()
            if number is signal.SIGKILL:
                self._down.add(name)
            for pid in descendants(keeper) if keeper else ():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if number is signal.SIGKILL:
                self._sets[name].stop()

    def start_component(self, name: str) -> None:
        """Start a component that was killed or stopped, and return at once."""
        with self._lock:
            self._down.discard(name)
            self._start_set(name)

    @property
    def names(self) -> list[str]:
        """Services, components and workers, by their names."""
        return list(self._commands)

    def bring_up(self, *, timeout: float = 120) -> None:
        """Start what is down, wake what is suspended, and connect what is cut off; wait until all is healthy."""
        for name in [name for name in self.names if name in self._down]:
            self.start_component(name)
        for machine in self.machines.names:
            if self.machines.are_namespaces:
                self.machines.connect(machine)
            self.signal(machine, signal.SIGCONT)
        self._until(self._is_healthy, timeout, "Airflow is not up again")

    def restart(self, name: str, *, timeout: float = 60) -> None:
        """Restart a component, and wait until it is healthy if it is one that reports that."""
        self.stop_component(name)
        self.start_component(name)
        self.await_component(name, timeout=timeout)

    def await_component(self, name: str, *, timeout: float = 60) -> None:
        """Wait until a component has come up."""
        self._until(lambda: self._is_up(name), timeout, f"{name} has not come up")

    # -- how Airflow is set up --------------------------------------------------------------------------

    def _services(self) -> dict[str, list[str]]:
        redis = f"redis-server --bind {self.host} --port {self._redis_port} --protected-mode no --appendonly no"
        return {
            "postgres": server_command(self._data, self.host, self._postgres_port),
            "redis": [*redis.split(), "--save", "", "--dir", str(self.home)],
        }

    def _components(self) -> dict[str, list[str]]:
        workers = {
            machine: ["celery", "worker", "--celery-hostname", f"{machine}@{machine}", "--skip-serve-logs"]
            for machine in self.machines.names
        }
        return {**super()._components(), **workers}

    def _migrate(self) -> None:
        make_database(self._data, "airflow", network=self.host.rpartition(".")[0] + ".0/24")
        self._commands.update(self._services())
        for name in SERVICES:
            self.start_component(name)
        for name in SERVICES:
            self.await_component(name)
        self.cli("db", "migrate")

    def _launch(self, commands: Mapping[str, Sequence[str]], *, detached: bool) -> None:
        assert not detached, "a cluster ends with the process that started it"
        for name, command in commands.items():
            is_worker = name in self.machines.names
            self._commands[name] = self.machines.command(name, command, disk=self.disk(name)) if is_worker else command
            self.start_component(name)
        threading.Thread(target=self._keep_alive, daemon=True).start()

    def disk(self, machine: str) -> Path:
        """Return what a machine alone has: where results are recorded by default, or all of its AIRFLOW_HOME."""
        return self.home / "amazon_connect" if self.machines.are_namespaces else self.home / "machines" / machine

    def _start_set(self, name: str) -> None:
        programs = self._sets.setdefault(name, Programs(self.home / "programs" / name))
        env = dict(self.env)
        if name in self.machines.names and not self.machines.are_namespaces:
            env |= {
                "AIRFLOW_HOME": str(self.disk(name)),
                # Machines that are users have one host name.
                "AIRFLOW__CORE__HOSTNAME_CALLABLE": "tools.local_cluster.machine_name",
                "MACHINE": name,
                "PYTHONPATH": str(Path(__file__).parents[1]),
            }
        programs.start({name: self._commands[name]}, env=env)

    def _keep_alive(self) -> None:
        while not self._stopped.wait(0.5):
            with self._lock:
                for name in [name for name, one in self._sets.items() if name not in self._down and one.failure()]:
                    if not self._stopped.is_set():
                        self.revived.append(name)
                        self._sets[name].stop()
                        self._start_set(name)

    # -- waiting ----------------------------------------------------------------------------------------

    def _until(self, met: Callable[[], bool], timeout: float, complaint: str, pause: float = 0.2) -> None:
        def met_or_out_of_reach() -> bool:
            # While something is down, the API may be so too.
            try:
                return met()
            except LocalAirflowError as error:
                if "importErrors" in str(error):
                    raise
                return False

        super()._until(met_or_out_of_reach, timeout, complaint, pause)

    def _failure(self) -> str | None:
        return None  # what fails is started again

    def _log_tail(self, name: str, lines: int = 40) -> str:
        return self._sets[name].log_tail(name, lines) if name in self._sets else f"({name} was not started)"

    def _is_healthy(self) -> bool:
        return all(self._is_up(name) for name in self.machines.names) and super()._is_healthy()

    def _is_up(self, name: str) -> bool:
        match name:
            case "postgres" | "redis":
                port = self._postgres_port if name == "postgres" else self._redis_port
                with contextlib.suppress(OSError), socket.create_connection((self.host, port), 1):
                    return True
                return False
            case _ if name in self.machines.names:
                started = self._log_tail(name, 10_000).rpartition("-------------- ")[2]
                return " ready." in started
        return self._is_component_healthy(name)

    def _is_component_healthy(self, name: str) -> bool:
        health: dict[str, Any] = self.api("GET", "/monitor/health")
        return name == "api-server" or health[name.replace("-", "_")]["status"] == "healthy"

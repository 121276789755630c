"""A triggerer of a local Airflow that can be killed, apart from the other components."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING

from tools.programs import descendants

if TYPE_CHECKING:
    from tools.local_airflow import LocalAirflow


class Triggerer:
    """
    A triggerer that runs until it is ended.

    :param airflow: The Airflow that it belongs to.
    """

    def __init__(self, airflow: LocalAirflow) -> None:
        log = (airflow.home / f"triggerer-{time.monotonic_ns()}.log").open("wb")
        command = [airflow.python, "-m", "airflow", "triggerer", "--skip-serve-logs"]
        self._process = subprocess.Popen(command, env=airflow.env, stdout=log, stderr=log, start_new_session=True)

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Kill the triggerer and all that it started."""
        for pid in [self._process.pid, *descendants(self._process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        self._process.wait()

"""What tests of the waiting have all: paces that say when the simulated time may continue."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from airflow_connect.hooks.connect import ConnectHook
from airflow_connect.testing import LocalConnect
from tests.waiting.scene import CountedPace, Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_connect.emulator.server import Emulator


@pytest.fixture(autouse=True)
def _counted_paces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_connect.calls.each.Pace", CountedPace)


@pytest.fixture
def scene_of(monkeypatch: pytest.MonkeyPatch) -> Callable[[Emulator], Scene]:
    """The scene of an emulator that a test started itself."""

    def scene(emulator: Emulator) -> Scene:
        monkeypatch.setenv("AIRFLOW_CONN_AWS_OWN", json.dumps(LocalConnect(emulator).connection))
        return Scene(emulator, ConnectHook("aws_own"))

    return scene

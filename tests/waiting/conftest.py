"""What tests of the waiting have all: paces that tell the simulated time when it may go on."""

from __future__ import annotations

import pytest

from tests.waiting.scene import CountedPace


@pytest.fixture(autouse=True)
def _counted_paces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_connect.calls.each.Pace", CountedPace)

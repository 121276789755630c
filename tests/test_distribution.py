"""The wheel and the sdist: what is in them, and what PyPI shows. ``.ci/wheel.py`` installs them."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path, PurePosixPath
from typing import Final

import pytest

import airflow_connect

CHECKOUT: Final = Path(__file__).parents[1]
PACKAGE: Final = CHECKOUT / "airflow_connect"
#: What Python, npm and their tools leave beside the sources.
LEFT_BEHIND: Final = {"__pycache__", "node_modules"}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the sdist of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--target", "sdist", "-d", str(folder)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def _sources(folder: Path) -> set[str]:
    return {
        path.relative_to(CHECKOUT).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and LEFT_BEHIND.isdisjoint(path.parts)
    }


def test_wheel_holds_the_package_and_nothing_else(distributions: tuple[Path, Path]) -> None:
    """Each file of the package, the desk's pages and py.typed among them; the license; no test, no tool."""
    with zipfile.ZipFile(distributions[0]) as wheel:
        names = set(wheel.namelist())
    assert len(names) == len(set(map(str.lower, names)))
    package = {name for name in names if name.startswith("airflow_connect/")}
    assert package == _sources(PACKAGE)
    assert {"airflow_connect/py.typed", "airflow_connect/emulator/desk/templates/desk.html"} <= package
    info = f"airflow_provider_amazon_connect-{airflow_connect.__version__}.dist-info"
    files = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")
    assert names - package == {f"{info}/{name}" for name in files}


def test_sdist_holds_what_the_tests_need(distributions: tuple[Path, Path]) -> None:
    """Package, examples, pages, tests and tools as they are in the checkout, and the files of the project."""
    with tarfile.open(distributions[1]) as sdist:
        paths = [PurePosixPath(member.name) for member in sdist.getmembers() if member.isfile()]
    names = {path.relative_to(path.parts[0]).as_posix() for path in paths}
    folders = ("airflow_connect", "dags", "docs", "tests", "tools")
    expected = set().union(*(_sources(CHECKOUT / folder) for folder in folders))
    assert {name for name in names if name.startswith(tuple(f"{folder}/" for folder in folders))} == expected
    others = {"README.md", "CHANGELOG.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"}
    assert names - expected == others


def test_metadata_is_what_an_index_shows(distributions: tuple[Path, Path]) -> None:
    """``twine check`` accepts both, and the metadata names license, Python, Airflow and the entry point."""
    # Its warnings are errors; it asks for no terminal and no network.
    command = [sys.executable, "-W", "ignore", "-m", "twine", "check", "--strict", *map(str, distributions)]
    env = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    assert (done.returncode, done.stdout.count("PASSED")) == (0, 2), done.stdout + done.stderr
    with zipfile.ZipFile(distributions[0]) as wheel:
        [metadata] = [name for name in wheel.namelist() if name.endswith("METADATA")]
        message = message_from_bytes(wheel.read(metadata))
    assert message["License-Expression"] == "Apache-2.0"
    assert message["Requires-Python"] == "<3.14,>=3.11"
    requirements = message.get_all("Requires-Dist") or []
    assert "apache-airflow>=2.11" in requirements
    assert {"docs", "emulator", "openlineage", "parquet", "testing"} <= set(message.get_all("Provides-Extra") or [])

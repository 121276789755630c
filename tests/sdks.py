"""
The AWS CLI, the AWS SDK for JavaScript and what builds the bundle of ``tools/ui/``, each in a folder of ``.sdks``.

The first test that needs one installs it, and later runs find it there. The AWS CLI pins a botocore, so it has a
virtual environment of its own.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

AWS_CLI = ("awscli", "1.46.2")
JAVASCRIPT_SDK = ("@aws-sdk/client-connect", "3.1136.0")
CHECKOUT = Path(__file__).resolve().parents[1]
_SDKS = CHECKOUT / ".sdks"


@pytest.fixture(scope="session")
def aws_cli() -> Path:
    """The Python that has the AWS CLI: ``python -m awscli``."""
    package, version = AWS_CLI
    return _installed(f"{package}-{version}", lambda folder: _install_aws_cli(folder, f"{package}=={version}")) / (
        "bin/python"
    )


@pytest.fixture(scope="session")
def javascript_sdk() -> Path:
    """The folder ``node_modules`` that has Amazon Connect's client."""
    _need_npm()
    package, version = JAVASCRIPT_SDK
    return _installed(f"javascript-{version}", lambda folder: _install_javascript(folder, f"{package}@{version}")) / (
        "node_modules"
    )


@pytest.fixture(scope="session")
def ui_packages() -> Path:
    """The folder ``node_modules`` with what ``tools/ui/package.json`` names: esbuild, TypeScript, axe-core."""
    _need_npm()
    lock = hashlib.sha256((CHECKOUT / "tools" / "ui" / "package.json").read_bytes()).hexdigest()[:16]
    return _installed(f"ui-{lock}", _install_ui) / "node_modules"


def _need_npm() -> None:
    if not shutil.which("npm"):
        message = "there is no npm; install it (as root, make npm does) to run these tests"
        # Where tests have to run, none is left out in silence.
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)


def _installed(name: str, install: Callable[[Path], None]) -> Path:
    """A folder that is there whole or not at all, also when its installation is killed."""
    folder = _SDKS / name
    if not folder.exists():
        _SDKS.mkdir(exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=_SDKS))
        try:
            install(unfinished)
            unfinished.rename(folder)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _install_aws_cli(folder: Path, requirement: str) -> None:
    python = str(folder / "bin" / "python")
    if shutil.which("uv"):
        _run(folder, "uv", "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder))
        _run(folder, "uv", "pip", "install", "--quiet", "--python", python, requirement)
    else:
        _run(folder, sys.executable, "-m", "venv", str(folder))
        _run(folder, python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement)


def _install_javascript(folder: Path, requirement: str) -> None:
    (folder / "package.json").write_text('{"private": true}\n')
    _run(folder, "npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", requirement)


def _install_ui(folder: Path) -> None:
    for name in ("package.json", ".npmrc"):
        shutil.copy(CHECKOUT / "tools" / "ui" / name, folder)
    _run(folder, "npm", "install", "--ignore-scripts")


def _run(folder: Path, *command: str) -> None:
    # The constraints of Airflow are not the AWS CLI's.
    env = {name: value for name, value in os.environ.items() if name not in ("PIP_CONSTRAINT", "UV_CONSTRAINT")}
    done = subprocess.run(
        command, check=False, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"

"""
Installs the wheel into clean environments, with its declared dependencies only, on the oldest and the newest Airflow.

In each of them every module that needs no extra is imported, Airflow is asked for the provider, and an example is read
as a Dag. Needs uv.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]

CHECK = """
import importlib.util, json, pkgutil, subprocess, sys
import airflow_connect
assert "site-packages" in airflow_connect.__file__, airflow_connect.__file__
from airflow_connect._compat import UI_HAS_TABS
needs_an_extra = ("airflow_connect.emulator", "airflow_connect.testing")
if not UI_HAS_TABS:  # nothing loads the API of the tab where there are no tabs, and Airflow 2 brings no FastAPI
    needs_an_extra += tuple(f"airflow_connect.plugins.{name}" for name in ("app", "metadata", "records", "summary"))
names = [one.name for one in pkgutil.walk_packages(airflow_connect.__path__, "airflow_connect.", onerror=None)
         if not one.name.startswith(needs_an_extra)]
for name in names:
    importlib.import_module(name)
assert len(names) > 40, names
for module in ("pyarrow", "pytest"):
    assert importlib.util.find_spec(module) is None, f"{module} is there, and is declared in an extra only"
done = subprocess.run([sys.executable, "-m", "airflow", "providers", "list", "--output", "json"],
                      capture_output=True, text=True, check=True)
listed = {row["package_name"] for row in json.loads(done.stdout.splitlines()[-1])}
assert "airflow-provider-amazon-connect" in listed, listed
example = importlib.util.spec_from_file_location("example", sys.argv[1])
module = importlib.util.module_from_spec(example)
example.loader.exec_module(module)
print(len(names), "modules imported, the provider is listed, an example is read")
"""


def main() -> None:
    """Build, install, check; exit with 1 where something is missing."""
    matrix = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["airflow_connect"]["matrix"]
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder)
        _run("uv", "build", "--quiet", "--wheel", "--out-dir", str(directory / "dist"), str(CHECKOUT))
        [wheel] = (directory / "dist").glob("*.whl")
        for row in (matrix[0], matrix[-1]):
            _check(row["airflow"], row["python"][0], wheel, directory / row["airflow"])


def _check(airflow: str, version: str, wheel: Path, directory: Path) -> None:
    print(f"== {wheel.name} on Airflow {airflow}, Python {version}", flush=True)
    python = directory / "bin" / "python"
    constraints = CHECKOUT / ".ci" / "constraints" / f"airflow-{airflow}.txt"
    _run("uv", "venv", "--quiet", "--python", version, str(directory))
    wanted = ["-c", str(constraints), f"apache-airflow=={airflow}", str(wheel)]
    _run("uv", "pip", "install", "--quiet", "--python", str(python), *wanted)
    _run("uv", "pip", "check", "--quiet", "--python", str(python))
    home = {"AIRFLOW_HOME": str(directory / "home"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    # Not in the checkout, where the package would be found without being installed.
    example = CHECKOUT / "dags" / "example_call_back.py"
    _run(str(python), "-c", CHECK, str(example), cwd=directory, env={**os.environ, **home})


def _run(*command: str, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, env=env, check=False)
    if done.returncode:
        sys.exit(f"This failed with exit code {done.returncode}: {' '.join(command[:4])} …")


if __name__ == "__main__":
    main()

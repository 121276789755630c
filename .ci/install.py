"""
Makes a virtual environment with one version of Airflow and this checkout in it; quick when nothing changed.

Needs Python and nothing else: takes uv where it is there, else venv and pip. What is installed is fixed by
.ci/constraints/, one file per version of Airflow; the versions are the table ``matrix`` in pyproject.toml.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
MATRIX: dict[str, list[str]] = {
    row["airflow"]: row["python"]
    for row in tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["airflow_connect"]["matrix"]
}
NEWEST = list(MATRIX)[-1]


def main() -> None:
    """Read the command line and install."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?", help="the virtual environment")
    parser.add_argument("--airflow", default=NEWEST, choices=MATRIX, help="default: %(default)s")
    parser.add_argument(
        "--extra", default="dev", choices=["examples", "dev", "docs", "cluster"], help="default: %(default)s"
    )
    parser.add_argument("--list", action="store_true", help="print the versions of the matrix, and do nothing")
    arguments = parser.parse_args()
    if arguments.list:
        print(" ".join(MATRIX))
    elif arguments.directory is None:
        parser.error("which directory?")
    else:
        _install(arguments.directory.absolute(), arguments.airflow, arguments.extra)


def _install(directory: Path, airflow: str, extra: str) -> None:
    ours = ".".join(platform.python_version_tuple()[:2])
    uv = shutil.which("uv")
    version = ours if ours in MATRIX[airflow] else MATRIX[airflow][-1]
    if version != ours and not uv:
        sys.exit(
            f"Airflow {airflow} is tested on Python {', '.join(MATRIX[airflow])}; this is {ours}."
            f" Call make with PYTHON=python{version}, or install uv."
        )
    constraints = CHECKOUT / ".ci" / "constraints" / f"airflow-{airflow}.txt"
    digest = hashlib.sha256((CHECKOUT / "pyproject.toml").read_bytes() + constraints.read_bytes())
    digest.update(f"{CHECKOUT} {version}".encode())
    stamp = directory / ".installed.json"
    extras = _installed_extras(stamp, digest.hexdigest())
    if extra in extras:
        return

    started = time.monotonic()
    with_what = "uv" if uv else "pip, which takes longer than uv"
    print(f"Installing Airflow {airflow} into {_short(directory)} with {with_what} …", flush=True)
    python = directory / "bin" / "python"
    # Other projects' constraints are none of ours.
    env = {name: value for name, value in os.environ.items() if name not in ("PIP_CONSTRAINT", "UV_CONSTRAINT")}
    wanted = ["-c", str(constraints), f"apache-airflow=={airflow}", "-e", f"{CHECKOUT}[{extra}]"]
    if not _works(python, version):
        shutil.rmtree(directory, ignore_errors=True)
        interpreter = sys.executable if version == ours else version
        if uv:
            _run([uv, "venv", "--quiet", "--python", interpreter, str(directory)], env)
        else:
            _run([sys.executable, "-m", "venv", str(directory)], env)
    if uv:
        # Compiled now by all cores, and not by each of Airflow's processes when it starts.
        _run([uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *wanted], env)
    else:
        _run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted], env)
    stamp.write_text(json.dumps({"digest": digest.hexdigest(), "extras": sorted({*extras, extra, "examples"})}))
    print(f"Installed in {time.monotonic() - started:.0f} seconds.", flush=True)


def _installed_extras(stamp: Path, digest: str) -> list[str]:
    try:
        found = json.loads(stamp.read_text())
    except (OSError, ValueError):
        return []
    return found["extras"] if found["digest"] == digest else []


def _works(python: Path, version: str) -> bool:
    """Tell whether an environment is there, whole, and of a version of Python."""
    code = "import sys; print('.'.join(map(str, sys.version_info[:2])))"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout.strip() == version


def _run(command: list[str], env: dict[str, str]) -> None:
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        hint = ""
        if command[1:3] == ["-m", "venv"]:
            hint = " On Debian and Ubuntu the module venv is a package of its own: apt-get install python3-venv."
        sys.exit(f"This failed with exit code {done.returncode}: {' '.join(command)}.{hint}")


def _short(path: Path) -> str:
    return str(path.relative_to(CHECKOUT)) if path.is_relative_to(CHECKOUT) else str(path)


if __name__ == "__main__":
    main()

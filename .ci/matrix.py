"""
Runs the tests in a real Airflow on versions of the matrix, one after the other, and prints what came of each.

What stands behind the versions goes to pytest, as in ``python .ci/matrix.py 2.11.2 -- -k operators``.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

CHECKOUT = Path(__file__).resolve().parents[1]
COLUMNS = "{:<10} {:<8} {:>7} {:>7} {:>8} {:>8}"
VERSION = "import platform; print(platform.python_version())"


def main() -> None:
    """Read the command line, run, print the table, and exit with 1 where a test failed."""
    end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    versions, arguments = sys.argv[1:end], sys.argv[end + 1 :]
    matrix = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["airflow_connect"]["matrix"]
    rows = [run(version, arguments) for version in versions or [row["airflow"] for row in matrix]]
    print()
    print(COLUMNS.format("Airflow", "Python", "passed", "failed", "skipped", "seconds"))
    for row in rows:
        print(COLUMNS.format(*row))
    sys.exit(any(row[3] != 0 for row in rows))


def run(version: str, arguments: list[str]) -> tuple[str, str, int, int | str, int, int]:
    """Install a version of Airflow, run the tests on it, and return a line of the table."""
    directory = CHECKOUT / ".matrix" / version
    python = directory / "bin" / "python"
    report = directory / "report.xml"
    install = [sys.executable, CHECKOUT / ".ci" / "install.py", directory, "--airflow", version]
    if subprocess.run(install, check=False).returncode:
        return version, "", 0, "no venv", 0, 0
    print(f"== Airflow {version}", flush=True)
    report.unlink(missing_ok=True)
    pytest = [python, "-m", "pytest", "-n", "2", f"--junit-xml={report}", "tests/airflow"]
    code = subprocess.run([*pytest, *arguments], cwd=CHECKOUT, check=False).returncode
    number = subprocess.run([python, "-c", VERSION], capture_output=True, text=True, check=True).stdout.strip()
    if not report.exists():
        return version, number, 0, f"exit {code}", 0, 0
    suite = ElementTree.parse(report).getroot()[0].attrib  # noqa: S314  # pytest wrote it a moment ago
    failed, skipped = int(suite["failures"]) + int(suite["errors"]), int(suite["skipped"])
    passed = int(suite["tests"]) - failed - skipped
    return version, number, passed, failed or (f"exit {code}" if code else 0), skipped, round(float(suite["time"]))


if __name__ == "__main__":
    main()

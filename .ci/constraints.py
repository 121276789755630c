"""
Writes .ci/constraints/ anew: what is installed with each version of Airflow, names and versions alone. Needs uv.

What is there already keeps its version as long as it fits, so that a change of pyproject.toml changes no more than it
has to; ``--upgrade`` takes the newest of all. The bounds on versions that break an Airflow which does not bound them
itself stand in the table ``matrix`` in pyproject.toml, under ``hold``.
"""

from __future__ import annotations

import argparse
import subprocess
import tomllib
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Read the command line and write a file for each version of Airflow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []
    configuration = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    for row in configuration["tool"]["airflow_connect"]["matrix"]:
        file = CHECKOUT / ".ci" / "constraints" / f"airflow-{row['airflow']}.txt"
        subprocess.run(
            [
                *("uv", "pip", "compile", "--quiet", "--universal", "--python-version", row["python"][0]),
                *(
                    "--no-header",
                    "--no-annotate",
                    "--extra",
                    "cluster",
                    "--extra",
                    "docs",
                    *upgrade,
                    "--output-file",
                    file,
                ),
                *("pyproject.toml", "-"),
            ],
            cwd=CHECKOUT,
            input="\n".join([f"apache-airflow=={row['airflow']}", *row.get("hold", [])]),
            text=True,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        print(file.relative_to(CHECKOUT))


if __name__ == "__main__":
    main()

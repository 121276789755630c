"""
The import of our operators in a DAG file, compared with that of an operator of the Amazon provider.

Every DAG file is imported again and again by the DAG processor. Each import happens in a fresh interpreter, the two
modules in turn, in an order that changes; what is compared is the CPU time of the whole process.

    python benchmarks/import_cost.py [--runs 15]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile

MODULES = {
    "SqsPublishOperator": "from airflow.providers.amazon.aws.operators.sqs import SqsPublishOperator",
    "CreateContactOperator": "from airflow_connect.operators.connect import CreateContactOperator",
}


def cpu_seconds(statement: str, env: dict[str, str]) -> float:
    """Return the CPU seconds of an interpreter that runs the statement."""
    before = os.times()
    subprocess.run([sys.executable, "-W", "ignore", "-c", statement], check=True, env=env, stdout=subprocess.DEVNULL)
    after = os.times()
    return (after.children_user - before.children_user) + (after.children_system - before.children_system)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15, help="imports of each module (default: 15)")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "AIRFLOW_HOME": home}
        taken: dict[str, list[float]] = {name: [] for name in MODULES}
        for statement in MODULES.values():
            cpu_seconds(statement, env)  # compiles what is not compiled yet
        for run in range(runs):
            names = list(MODULES) if run % 2 else list(reversed(MODULES))
            for name in names:
                taken[name].append(cpu_seconds(MODULES[name], env))
    base = statistics.median(taken["SqsPublishOperator"])
    print(f"{'import of':<24}{'median CPU s':>14}{'min':>8}{'max':>8}{'ratio':>8}")
    for name, seconds in taken.items():
        median = statistics.median(seconds)
        print(f"{name:<24}{median:>14.3f}{min(seconds):>8.3f}{max(seconds):>8.3f}{median / base:>8.2f}")


if __name__ == "__main__":
    main()

"""
What it takes to check many rows before the first contact, compared with reading the same CSV alone.

The dry run of a task (the first reading: read, render, check, remember) and the second reading (read, render, check
again, compare, sign with a token) stand beside ``csv.DictReader`` over the same file, in turns, in one process and on
one core. Then the most memory that a process holds for a thousand and for a million rows, each in a process of its own.

    python benchmarks/bulk_check.py [--rows 1000000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import csv
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_connect.bulk.plan import Plan

INSTANCE_ID = "b1000000-0000-4000-8000-000000000001"
CONTACT = {
    "channel": "TASK",
    "name": "Order {{ row.order }}",
    "description": "Call {{ row.customer }} in {{ row.city }} about the order of {{ row.day }}.",
    "attributes": {"order": "{{ row.order }}", "amount": "{{ row.amount }}", "language": "{{ row.language }}"},
    "references": {"Order": "https://example.com/orders/{{ row.order }}"},
}
COLUMNS = ("id", "order", "customer", "city", "day", "amount", "language", "phone")
KEYS = {"with a key": "{{ row.id }}", "without a key": None}
FEW = 1_000


def write_rows(path: Path, rows: int) -> None:
    """Write a CSV file of orders."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number in range(rows):
            order = f"A-{number % 977}-{number:07}"
            amount = f"{number % 10_000 / 100:.2f}"
            phone = f"+49221{number:07}"
            writer.writerow((number, order, "Erika Mustermann", "Köln", "2026-11-24", amount, "de", phone))


def plan(path: Path, key: str | None) -> Plan:
    from airflow_connect.api.operations import CreateContact
    from airflow_connect.bulk.plan import Plan, TaskInstance
    from airflow_connect.bulk.sources import FileRows
    from airflow_connect.bulk.template import compile_contact, compile_text

    return Plan(
        FileRows(str(path)),
        CreateContact,
        compile_contact(CONTACT, CreateContact, {}),
        key=None if key is None else compile_text(key, {}, operation=CreateContact.name),
        instance_id=INSTANCE_ID,
        asked_by=TaskInstance("orders", "manual__2026-11-24", "call"),
        region="us-east-1",
        now=time.time(),
    )


def read_alone(path: Path) -> int:
    with path.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))


def timed(what: Callable[[], object]) -> float:
    """Return the CPU seconds that something takes."""
    start = time.process_time()
    what()
    return time.process_time() - start


def readings(path: Path) -> Iterator[tuple[str, float]]:
    """Yield the CPU seconds of each way to read the rows."""
    yield "csv.DictReader alone", timed(lambda: read_alone(path))
    for name, key in KEYS.items():
        start = time.process_time()
        with plan(path, key) as checked:
            yield f"dry run, {name}", time.process_time() - start
            yield f"second reading, {name}", timed(lambda: sum(1 for _ in checked.contacts()))


def measure_memory(path: Path, key: str | None) -> None:
    """Check and read again in this process, and print the most memory that it held, in MB."""
    with plan(path, key) as checked:
        assert sum(1 for _ in checked.contacts()) == checked.rows
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def memory_of(path: Path, name: str) -> float:
    command = [sys.executable, __file__, "--memory", str(path), "--key", name]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the CSV file (default: 1,000,000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each reading (default: 3)")
    parser.add_argument("--memory", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--key", choices=KEYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        measure_memory(options.memory, KEYS[options.key])
        return
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few.csv"), Path(folder, "many.csv")
        write_rows(few, FEW)
        write_rows(many, options.rows)
        for _ in readings(few):  # imports, and the models that are read once
            pass
        taken: dict[str, list[float]] = {}
        for _ in range(options.rounds):
            for name, seconds in readings(many):
                taken.setdefault(name, []).append(options.rows / seconds)
        base = statistics.median(taken["csv.DictReader alone"])
        print(f"{f'{options.rows:,} rows, CPU time':<32}{'rows/s':>10}{'min':>10}{'max':>10}{'us/row':>9}{'ratio':>8}")
        for name, rates in taken.items():
            rate = statistics.median(rates)
            print(
                f"{name:<32}{rate:>10,.0f}{min(rates):>10,.0f}{max(rates):>10,.0f}{1e6 / rate:>9.1f}{base / rate:>8.1f}"
            )
        print(f"\n{'peak memory, MB':<32}{f'{FEW:,} rows':>16}{f'{options.rows:,} rows':>18}{'more':>8}")
        for name in KEYS:
            low, high = memory_of(few, name), memory_of(many, name)
            print(f"{name:<32}{low:>16.1f}{high:>18.1f}{high - low:>8.1f}")


if __name__ == "__main__":
    main()

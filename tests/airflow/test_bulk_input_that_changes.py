"""What makes two rows the same contact: attempts of a bulk task, and tasks, whose input or call differs."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from airflow_connect.emulator.resources import TASKS_FLOW
from tests.airflow.runs import new_dag, states, xcom

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow_connect.emulator.server import Emulator

CONTACT = {"channel": "TASK", "name": "Order {{ row.order }}", "description": "{{ row.note }}"}
BEFORE = [{"order": number, "note": "a", "updated_at": 1} for number in range(1, 6)]


@pytest.fixture
def run_twice(
    run_dag: Callable[..., Any], emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """
    A function that runs a bulk task whose first attempt creates four contacts of five rows, and returns the run.

    The second attempt reads other rows.
    """
    from airflow_connect.operators.bulk import BulkCreateContactsOperator, FileRows

    monkeypatch.setenv("AIRFLOW__AMAZON_CONNECT__RESULTS_PATH", str(tmp_path / "results"))

    def run(then: list[dict[str, Any]], **arguments: Any) -> Any:
        for attempt, rows in enumerate((BEFORE, then), 1):
            (tmp_path / f"{attempt}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        attempts = itertools.count(1)

        def attempt() -> int:
            number = next(attempts)
            fifth_and_later = ", ".join(f"CreateContact@{call}:error_500" for call in range(5, 50))
            emulator.set_faults(fifth_and_later if number == 1 else "")
            return number

        with new_dag("bulk", user_defined_macros={"attempt": attempt}) as dag:
            BulkCreateContactsOperator(
                task_id="bulk",
                rows=FileRows(f"{tmp_path}/{{{{ attempt() }}}}.jsonl"),
                contact=CONTACT,
                max_retry_time=0,
                max_in_flight=1,
                retries=1,
                **arguments,
            )
        return run_dag(dag)

    return run


def made(emulator: Emulator) -> Counter[str]:
    """Return how many contacts there are, by name and description."""
    return Counter(f"{contact['name']} {contact['description']}" for contact in emulator.contacts())


def test_column_that_the_contact_does_not_use_may_change(run_twice: Callable[..., Any], emulator: Emulator) -> None:
    """Without a key a row is the contact that it renders: another ``updated_at`` does not create a second contact."""
    run = run_twice([row | {"updated_at": 2} for row in BEFORE])
    assert states(run) == {"bulk": "success"}
    assert made(emulator) == {f"Order {number} a": 1 for number in range(1, 6)}
    assert (xcom(run, "bulk")["rows"], xcom(run, "bulk")["changed"]) == (5, 0)


@pytest.mark.parametrize(
    ("then", "missing"),
    [
        ([*BEFORE[:2], BEFORE[2] | {"note": "b"}, *BEFORE[3:]], 1),
        ([row | {"note": "b"} for row in BEFORE], 5),
        (BEFORE[:3], 2),
        ([], 5),
    ],
    ids=["one row changed", "all rows changed", "two rows gone", "empty"],
)
def test_rows_on_record_that_the_input_lost_stop_the_task(
    run_twice: Callable[..., Any],
    emulator: Emulator,
    logged: Callable[[], str],
    then: list[dict[str, Any]],
    missing: int,
) -> None:
    """Without a key a row that changed is a new one: nothing is sent, and the error says what to do."""
    run = run_twice(then)
    assert states(run) == {"bulk": "failed"}
    assert made(emulator) == {f"Order {number} a": 1 for number in range(1, 5)}
    log = logged()
    assert f"{missing} rows that an earlier attempt of this task sent are not in the input any more" in log
    assert "idempotency_key" in log
    assert "on_changed_rows='send'" in log


def test_changed_rows_are_sent_where_the_author_says_so(run_twice: Callable[..., Any], emulator: Emulator) -> None:
    """``on_changed_rows="send"`` makes contacts of what the input has now."""
    run = run_twice([BEFORE[0] | {"note": "b"}, *BEFORE[1:]], on_changed_rows="send")
    assert states(run) == {"bulk": "success"}
    assert made(emulator) == {"Order 1 b": 1} | {f"Order {number} a": 1 for number in range(1, 6)}


def test_added_and_corrected_rows_do_not_stop_the_task(run_twice: Callable[..., Any], emulator: Emulator) -> None:
    """What was never sent may change: rows that are added, and rows that were invalid."""
    run = run_twice([*BEFORE[::-1], {"order": 6, "note": "a"}])
    assert states(run) == {"bulk": "success"}
    assert made(emulator) == {f"Order {number} a": 1 for number in range(1, 7)}


def test_row_with_a_key_may_change_and_go(
    run_twice: Callable[..., Any], emulator: Emulator, logged: Callable[[], str]
) -> None:
    """A key says which row it is: what was made stays as it is, which is counted and warned of, and rows may go."""
    run = run_twice([row | {"note": "b"} for row in BEFORE[:3]], idempotency_key="{{ row.order }}")
    assert states(run) == {"bulk": "success"}
    assert made(emulator) == {f"Order {number} a": 1 for number in range(1, 5)}
    assert {name: xcom(run, "bulk")[name] for name in ("rows", "created", "changed", "failed")} == {
        "rows": 3,
        "created": 3,
        "changed": 3,
        "failed": 0,
    }
    assert "3 rows render other content than an earlier attempt of this task sent" in logged()


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"contact": CONTACT | {"description": "other"}}, "created a contact with other content"),
        (
            {"operation": "start_task", "contact": {"name": "Order", "contact_flow_id": TASKS_FLOW.id}},
            "created a contact of this idempotency_key with CreateContact in us-east-1; StartTaskContact was not",
        ),
        ({"region_name": "eu-central-1"}, "with CreateContact in us-east-1; CreateContact was not called"),
    ],
    ids=["content", "operation", "region"],
)
def test_key_of_another_task_is_compared(
    run_dag: Callable[..., Any], emulator: Emulator, tmp_path: Path, other: dict[str, Any], words: str
) -> None:
    """Over one ``results_path``, another task's contact of a key is taken for done only if it is the same contact."""
    from airflow_connect.operators.bulk import BulkCreateContactsOperator, read_results

    arguments: dict[str, Any] = {
        "rows": BEFORE[:1],
        "contact": CONTACT,
        "idempotency_key": "order-{{ row.order }}",
        "results_path": str(tmp_path / "shared"),
    }
    with new_dag("monday") as dag:
        BulkCreateContactsOperator(task_id="first", **arguments)
    first = run_dag(dag)
    with new_dag("tuesday") as dag:
        BulkCreateContactsOperator(task_id="same", **arguments)
        BulkCreateContactsOperator(task_id="other", **{**arguments, **other})
    run = run_dag(dag)
    assert states(run) == {"same": "success", "other": "failed"}
    assert xcom(run, "same")["already_created"] == 1
    assert len(emulator.contacts()) == 1
    [failed] = read_results(xcom(run, "other", "summary"))
    assert (failed["state"], failed["error"], failed["contact_id"]) == ("failed", "IdempotencyError", None)
    assert f"Task 'first' of Dag 'monday' in run '{first.run_id}' " in failed["message"]
    assert words in failed["message"]

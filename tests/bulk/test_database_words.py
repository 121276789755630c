"""What is reported of a database's error: never a value that a query compares, whatever the database says of it."""

from __future__ import annotations

import json
import logging
import sqlite3
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from airflow.providers.common.sql.hooks.sql import DbApiHook

from airflow_connect.api.errors import InputError
from airflow_connect.bulk.sources import SqlRows
from airflow_connect.bulk.sources.database_words import database_words

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "Zaphod"


class MariaDbHook(DbApiHook):
    """
    As the provider for MySQL has it, with another driver.

    The provider itself cannot be installed everywhere: it needs mysqlclient, which has to be compiled.
    """

    conn_name_attr = "conn_id"

    def get_conn(self) -> Any:
        import pymysql

        return pymysql.connect(unix_socket=self.get_connection("maria").host, user="root", database="shop")


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A connection to a real database; the value is its connection ID."""
    if request.param == "sqlite":
        monkeypatch.setenv("AIRFLOW_CONN_LITE", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "a.db")}))
        with sqlite3.connect(tmp_path / "a.db") as connected:
            connected.execute("CREATE VIRTUAL TABLE notes USING fts5(note)")
        return "lite"
    if request.param == "mariadb":
        socket = request.getfixturevalue("mariadb")
        monkeypatch.setenv("AIRFLOW_CONN_MARIA", json.dumps({"conn_type": "mysql", "host": socket}))
        monkeypatch.setattr("airflow_connect._compat.database_hook", lambda conn_id: MariaDbHook(conn_id=conn_id))
        return "maria"
    from airflow.providers.postgres.hooks import postgres as hook

    monkeypatch.setattr(hook, "USE_PSYCOPG3", request.param == "psycopg")
    connection = {"conn_type": "postgres", "host": request.getfixturevalue("postgres"), "login": "postgres"}
    monkeypatch.setenv("AIRFLOW_CONN_POST", json.dumps({**connection, "schema": "postgres"}))
    return "post"


def failure(conn_id: str, sql: str, parameters: Any = None) -> str:
    """Run a query that fails, and return what is reported of it in brackets; nothing else of it is left."""
    with pytest.raises(InputError) as caught:
        list(SqlRows(conn_id, sql, parameters).read())
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    reported = str(error)
    assert SECRET.lower() not in reported.lower()
    assert reported.startswith(f"SQL on conn_id {conn_id} failed (")
    return reported.partition("failed (")[2].partition("). Check sql")[0]


BOTH = ("psycopg", "psycopg2")


@pytest.mark.parametrize(
    ("database", "sql", "parameter", "reported"),
    [
        ("sqlite", "SELECT json_extract('{}', ?)", f"{SECRET} B", "OperationalError, SQLITE_ERROR"),
        ("sqlite", "SELECT * FROM notes WHERE notes MATCH ?", f"{SECRET}:x", "OperationalError: no such column: …"),
        ("sqlite", "SELECT * FROM notes WHERE notes MATCH ?", f'"{SECRET}', "OperationalError, SQLITE_ERROR"),
        ("sqlite", "SELECT * FROM notes WHERE note MATCH ? LIMIT 'x'", SECRET, "IntegrityError, SQLITE_MISMATCH"),
        ("sqlite", "SELECT json(?)", SECRET, "OperationalError: malformed JSON"),
        *[
            (driver, sql, parameter, reported)
            for driver in BOTH
            for sql, parameter, reported in [
                ("SELECT to_tsquery(%s)", f"{SECRET} B", "SyntaxError, SQLSTATE 42601"),
                ("SELECT %s::regclass", SECRET, 'UndefinedTable: relation "…" does not exist'),
                ("SELECT nextval(%s)", f"{SECRET}.b", 'InvalidSchemaName: schema "…" does not exist'),
                ("SELECT current_setting(%s)", f"{SECRET}.x", "UndefinedObject, SQLSTATE 42704"),
                ("SELECT pg_read_file(%s)", SECRET, "UndefinedFile: No such file or directory"),
                ("SELECT %s::int", SECRET, "InvalidTextRepresentation, SQLSTATE 22P02"),
                ("SELECT now() AT TIME ZONE %s", SECRET, "InvalidParameterValue, SQLSTATE 22023"),
                ("SELECT %s::regrole", SECRET, 'UndefinedObject: role "…" does not exist'),
            ]
        ],
        ("mariadb", "SELECT EXTRACTVALUE('<a/>', %s)", f"~{SECRET}", "OperationalError, SQLSTATE HY000"),
        ("mariadb", "SELECT 1 LIMIT %s", SECRET, "ProgrammingError: You have an error in your SQL syntax"),
        ("mariadb", "SELECT CONVERT('a' USING %s)", SECRET, "OperationalError, SQLSTATE 42000"),
        ("mariadb", "SELECT 1 WHERE 'a' REGEXP %s", f"({SECRET}", "OperationalError, SQLSTATE 42000"),
    ],
    indirect=["database"],
)
def test_a_parameter_is_not_reported(
    database: str, sql: str, parameter: str, reported: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A value that a query compares is in no error and no log, at any level, whatever the database says of it."""
    caplog.set_level(logging.DEBUG)
    assert failure(database, sql, [parameter]).partition(", line ")[0] == reported
    assert SECRET.lower() not in caplog.text.lower()


@pytest.mark.parametrize(
    ("database", "sql", "reported"),
    [
        ("sqlite", f"SELECT note FROM notes WHERE note = {SECRET}", "OperationalError: no such column: …"),
        ("sqlite", f"SELECT note FROM notes WHERE note = 'O'{SECRET} B'", 'OperationalError: near "…": syntax error'),
        ("sqlite", f"SELECT '{SECRET}", "OperationalError: unrecognized token: …"),
        *[
            (driver, sql, reported)
            for driver in BOTH
            for sql, reported in [
                (f'SELECT oid FROM pg_class\nWHERE relname = "{SECRET} B"', "UndefinedColumn: column … does not exist"),
                (f"SELECT 1 WHERE 'a' = 'O'{SECRET} B'", 'SyntaxError: syntax error at or near "…"'),
                (f"SELECT '{SECRET}'::int", "InvalidTextRepresentation, SQLSTATE 22P02"),
            ]
        ],
        ("mariadb", f"SELECT `{SECRET}` FROM (SELECT 1) AS a", "OperationalError: Unknown column '…' in …"),
        ("mariadb", f"SELECT 'O'{SECRET} B'", "ProgrammingError: You have an error in your SQL syntax"),
        ("mariadb", f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{SECRET}'", "OperationalError, SQLSTATE 45000"),
    ],
    indirect=["database"],
)
def test_a_value_that_was_rendered_into_the_query_is_not_reported(
    database: str, sql: str, reported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Airflow renders the query after the author wrote it: what came in is a value, also where it stands as a name."""
    written = SqlRows.__post_init__

    def before_rendering(rows: SqlRows) -> None:
        rendered, rows.sql = rows.sql, "SELECT note FROM notes WHERE note = '{{ params.customer }}'"
        written(rows)
        rows.sql = rendered

    monkeypatch.setattr(SqlRows, "__post_init__", before_rendering)
    assert failure(database, sql).partition(", line ")[0] == reported


@pytest.mark.parametrize(
    ("database", "sql", "reported"),
    [
        ("sqlite", "SELECT * FROM customers", "OperationalError: no such table: customers"),
        ("sqlite", "SELECT main.customers.x FROM notes", "OperationalError: no such column: main.customers.x"),
        ("sqlite", "SELECT nosuch(1)", "OperationalError: no such function: nosuch"),
        ("sqlite", "SELEKT 1", 'OperationalError: near "SELEKT": syntax error'),
        *[
            (driver, sql, reported)
            for driver in BOTH
            for sql, reported in [
                (
                    "SELECT *\nFROM\nCustomers",
                    'UndefinedTable: relation "customers" does not exist, line 3 of the query',
                ),
                ("SELECT nosuch(1)", "UndefinedFunction: function nosuch(…) does not exist"),
                ("SELECT c.x FROM pg_class c", "UndefinedColumn: column c.x does not exist"),
                ("SELECT 1 +", "SyntaxError: syntax error at end of input"),
                ("SELECT 1 / 0", "DivisionByZero, SQLSTATE 22012"),
            ]
        ],
        ("mariadb", "SELECT * FROM shop.customers", "ProgrammingError: Table 'shop.customers' doesn't exist"),
        ("mariadb", "SELECT x FROM (SELECT 1) AS a", "OperationalError: Unknown column 'x' in …"),
        ("mariadb", "SELECT\n*", "OperationalError, SQLSTATE HY000"),
        ("mariadb", "SELECT 1\nFRM a b", "ProgrammingError: You have an error in your SQL syntax, line 2 of the query"),
    ],
    indirect=["database"],
)
def test_what_the_author_wrote_is_reported(database: str, sql: str, reported: str) -> None:
    """Whoever misspelt a name finds it."""
    assert failure(database, sql) == reported


@pytest.mark.parametrize("database", ["mariadb"], indirect=True)
def test_mariadb(database: str) -> None:
    """Rows are read from the server one by one, with Python's values; parameters are the driver's."""
    query = "SELECT seq AS n, 'x' AS `order id`, 1.50 AS amount, NULL AS nothing FROM seq_1_to_5000 WHERE seq > %s"
    assert [row for _, row in SqlRows(database, query, [4_998]).read()] == [
        {"n": n, "order id": "x", "amount": Decimal("1.50"), "nothing": None} for n in (4_999, 5_000)
    ]
    assert [row["n"] for _, row in SqlRows(database, query, [0]).read()] == list(range(1, 5_001))


def test_what_other_drivers_raise() -> None:
    """SQLAlchemy's words hold the statement and its parameters; ODBC has the SQLSTATE first, MySQL its own number."""

    class Error(Exception):
        pass

    class ProgrammingError(Error):
        pass

    class DBAPIError(Exception):
        orig = ProgrammingError("42S02", f"[42S02] Invalid object name '{SECRET}'")

        def __str__(self) -> str:
            return f"no such table: {SECRET} [parameters: ('{SECRET}',)]"

    def reported(error: Exception) -> str:
        return database_words(error, query="SELECT 1", written="SELECT 1")

    assert reported(DBAPIError()) == "ProgrammingError, SQLSTATE 42S02"
    assert reported(ProgrammingError(1366, f"Incorrect string value: '{SECRET}'")) == "ProgrammingError, error 1366"
    # A key of the parameters is of the form of a SQLSTATE.
    assert reported(KeyError("ZAPHO")) == "KeyError"
    assert reported(ProgrammingError("ZAPHO")) == "ProgrammingError"

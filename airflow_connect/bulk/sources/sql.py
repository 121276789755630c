"""Rows that a database returns, through the hook of any SQL provider of Airflow."""

from __future__ import annotations

import contextlib
import importlib
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow_connect.api.errors import InputError
from airflow_connect.bulk.sources.base import BATCH, InvalidRow, Values, check_columns, column_names, first_line

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator, Mapping, Sequence

__all__ = ["SqlRows"]

_log = logging.getLogger(__name__)

#: ``%s``, ``%(name)s`` and ``:name``, but not a cast as in ``a::text``.
_PLACEHOLDER: Final = re.compile(r"%(?:\(\w+\))?s|(?<![:\w]):[A-Za-z_]\w*")


@dataclass(repr=False)
class SqlRows:
    """
    Rows that a database returns, through the hook of any SQL provider of Airflow.

    PostgreSQL and MySQL are read through a cursor on the server; others in batches, and their driver may hold the whole
    result. The query runs once: its rows are kept on local disk for the second reading. Nothing
    is committed.

    :param conn_id: Airflow's connection to the database (templated)
    :param sql: a query, each column of which has a name of its own (templated)
    :param parameters: values for the placeholders in the query, in the driver's style: ``%s`` for PostgreSQL and
        MySQL, ``?`` for SQLite (templated)
    """

    template_fields: ClassVar[Sequence[str]] = ("conn_id", "sql", "parameters")
    can_be_read_twice: ClassVar[bool] = False

    conn_id: str
    sql: str
    parameters: Sequence[Any] | Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        #: The query before it is rendered, which does not hold anybody's values.
        self._written = str(self.sql)

    def __repr__(self) -> str:
        parameters = "" if self.parameters is None else ", parameters=…"
        return f"SqlRows({self.conn_id!r}, {self.sql!r}{parameters})"

    def __str__(self) -> str:
        return f"SQL on conn_id {self.conn_id}"

    def describe(self) -> str:
        """Return what Airflow's UI shows: the connection, and neither the query nor its parameters."""
        return str(self)

    def dataset(self) -> list[tuple[str, str]]:
        """
        Return OpenLineage's names of the tables that the query reads.

        Empty if OpenLineage is not installed, or if the hook does not know its database's name. Of the database, only
        its default schema is queried, and not what is in its tables.
        """
        try:
            from airflow.providers.openlineage.sqlparser import SQLParser
        except ImportError:
            return []
        from airflow_connect._compat import database_hook

        hook = database_hook(self.conn_id)
        connection = hook.get_connection(self.conn_id)
        try:
            database_info = hook.get_openlineage_database_info(connection)
            parser = SQLParser(
                dialect=hook.get_openlineage_database_dialect(connection),
                default_schema=hook.get_openlineage_default_schema() if database_info else None,
            )
        except Exception as error:  # noqa: BLE001  # hooks query their database, or do not support this
            name = type(error).__name__
            _log.debug("The names of the tables behind the connection %s are not known: %s", self.conn_id, name)
            return []
        if database_info is None:
            return []
        # The parser takes no placeholders of drivers.
        sql = _PLACEHOLDER.sub("NULL", self.sql) if self.parameters is not None else self.sql
        query = parser.generate_openlineage_metadata_from_sql(
            sql=sql, hook=hook, database_info=database_info, use_connection=False
        )
        return [(table.namespace, table.name) for table in query.inputs]

    def read(self) -> Iterator[tuple[int, Values | InvalidRow]]:
        """
        Run the query and return its rows one by one, with their numbers from 1.

        :raises InputError: if the connection or the query fails, or two columns have one name
        """
        return self.read_requiring(())

    def read_requiring(self, columns: Collection[str]) -> Iterator[tuple[int, Values | InvalidRow]]:
        """
        Return the rows as :meth:`read` does, if the result has these columns.

        :param columns: their names
        :raises InputError: as for :meth:`read`; and before the first row if a column is missing
        """
        with contextlib.closing(self._rows(columns)) as rows:
            yield from enumerate(rows, 1)

    def _rows(self, required: Collection[str]) -> Generator[Values]:
        hook = self._hook()
        try:
            with contextlib.closing(hook.get_conn()) as connection, _streaming_cursor(connection) as cursor:
                cursor.execute(*((self.sql,) if self.parameters is None else (self.sql, self.parameters)))
                # psycopg2 knows the columns of a cursor on the server only after it has fetched.
                batch = cursor.fetchmany(BATCH)
                names = self._names(cursor)
                check_columns(names, required, f"The result of {self}", are_columns=True)
                while batch:
                    for values in batch:
                        yield dict(zip(names, map(_plain, values), strict=True))
                    batch = cursor.fetchmany(BATCH)
                return
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001  # each driver raises its own
            from airflow_connect.bulk.sources.database_words import database_words

            failure = self._failed(database_words(error, query=self.sql, written=self._written))
        # Out here the driver's error, which holds values of the query, is not a part of this one.
        raise failure

    def _hook(self) -> Any:
        from airflow_connect._compat import database_hook

        try:
            hook = database_hook(self.conn_id)
        except Exception as error:  # noqa: BLE001  # as where the provider of its type cannot be imported
            # Airflow's words name the connection or the module; those of others may quote the connection's extra.
            named = {"AirflowException", "ImportError"} & {kind.__name__ for kind in type(error).__mro__}
            failure = self._failed(f"{type(error).__name__}{f': {first_line(error)}' if named else ''}")
        else:
            # As DbApiHook has it, which not every hook for a database is made of.
            if hasattr(hook, "get_records"):
                return hook
            failure = InputError(
                f"The connection {self.conn_id} leads to {type(hook).__name__}, which is not the hook of a database "
                "with SQL. Check conn_id."
            )
        raise failure

    def _names(self, cursor: Any) -> list[str]:
        if not cursor.description:
            raise InputError(f"The {self} does not return rows. Give a query (SELECT).")
        return column_names([column[0] for column in cursor.description], f"the result of {self}")

    def _failed(self, why: str) -> InputError:
        return InputError(
            f"{self} failed ({why}). Check sql, parameters and the connection, and that the provider of its type is"
            " installed."
        )


def _streaming_cursor(connection: Any) -> contextlib.AbstractContextManager[Any]:
    """Return a cursor that does not hold the whole result here, where the driver has one, and closes itself."""
    name = "airflow_connect_rows"
    # Airflow's connection may ask for cursors that give rows as dicts, in which two columns of one name become one.
    match type(connection).__module__.partition(".")[0]:
        case "psycopg":
            tuples = importlib.import_module("psycopg.rows").tuple_row
            return contextlib.closing(connection.cursor(name, row_factory=tuples))
        case "psycopg2":
            tuples = importlib.import_module("psycopg2.extensions").cursor
            return contextlib.closing(connection.cursor(name, cursor_factory=tuples))
        case "MySQLdb" | "pymysql" as driver:
            # Left to its connection: closed by itself, it reads all that is left first.
            return contextlib.nullcontext(connection.cursor(importlib.import_module(f"{driver}.cursors").SSCursor))
        case _:
            return contextlib.closing(connection.cursor())


def _plain(value: Any) -> Any:
    """Return the bytes of a binary value, for which some drivers give a view of their memory."""
    return bytes(value) if isinstance(value, memoryview | bytearray) else value

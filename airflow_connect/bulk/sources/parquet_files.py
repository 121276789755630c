"""Parquet, batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Final

from airflow_connect.api.errors import InputError
from airflow_connect.bulk.sources.base import BATCH, InvalidRow, LocatedRow, Origin, Values, check_columns, column_names
from airflow_connect.bulk.sources.json_lines import json_line

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

__all__ = ["rows_of_parquet"]

#: Bytes that are read from a file at a time.
_COLUMN_BLOCK: Final = 1 << 16


def rows_of_parquet(binary: BinaryIO, name: str, required: Collection[str] = ()) -> Iterator[Values | InvalidRow]:
    """
    Yield the rows of one file.

    :param binary: the file
    :param name: what faults call it
    :param required: columns that the schema must have
    :raises InputError: if pyarrow is not installed, two columns have one name, or one is missing
    """
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{name} is Parquet, which needs pyarrow. Install airflow-provider-amazon-connect[parquet] where the task"
            " runs."
        ) from None
    pool = pyarrow.default_memory_pool()
    # Without a buffer, a column of a whole row group is read at once.
    with pyarrow.parquet.ParquetFile(binary, buffer_size=_COLUMN_BLOCK, pre_buffer=False) as file:
        names = column_names(file.schema_arrow.names, name)
        if names:  # a table without columns does not have rows
            check_columns(names, required, name, are_columns=True)
        first = 1
        for batch in file.iter_batches(BATCH, use_threads=False):
            try:
                columns = [_microseconds(column).to_pylist() for column in batch.columns]
            except (ValueError, OverflowError):
                yield from _one_by_one(batch, names, name, first)
                first += batch.num_rows
                continue
            for number, values in enumerate(zip(*columns, strict=True), first):
                located = LocatedRow(zip(names, values))  # noqa: B905  # strict= costs a third, and they are as many
                located.origin = name, None, number
                yield located
            first += batch.num_rows
            # Arrow keeps pages that it has done with, some twenty megabytes of them.
            pool.release_unused()


def _one_by_one(batch: Any, names: list[str], name: str, first: int) -> Iterator[Values | InvalidRow]:
    """Yield the rows of a batch with a value that Python cannot express: a date after the year 9999, not UTF-8."""
    columns = list(map(_microseconds, batch.columns))
    for index in range(batch.num_rows):
        values = LocatedRow()
        faults = []
        for column_name, column in zip(names, columns, strict=True):
            try:
                values[column_name] = column[index].as_py()
            except (ValueError, OverflowError) as error:
                faults.append(f"column {column_name!r} has a value that cannot be read ({type(error).__name__})")
                values[column_name] = _in_words(column[index])
        if faults:
            text = json_line(values).decode().rstrip()
            yield InvalidRow("; ".join(faults), Origin(name, row=first + index), text)
        else:
            values.origin = name, None, first + index
            yield values


def _in_words(scalar: Any) -> str | None:
    """Return a value that Python does not know, as far as Arrow can write it."""
    import pyarrow as pa

    try:
        if pa.types.is_string(scalar.type) or pa.types.is_large_string(scalar.type):
            return bytes(scalar.as_buffer()).decode(errors="backslashreplace")
        return str(scalar.cast(pa.string()).as_py())
    except (pa.ArrowException, ValueError):
        return None


def _microseconds(column: Any) -> Any:
    """Return a column of times as Python has them. What is finer would be pandas' types, where pandas is installed."""
    import pyarrow as pa

    if getattr(column.type, "unit", None) != "ns":
        return column
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", column.type.tz), safe=False)
    return column.cast(pa.time64("us") if pa.types.is_time(column.type) else pa.duration("us"), safe=False)

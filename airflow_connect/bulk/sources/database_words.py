"""
What a message may quote of a database's error.

A database's words quote what a query compares, which can be a customer's: only sentences on a list are quoted.
Does not know a database or a driver.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["database_words"]

#: Sentences, or beginnings of sentences, of SQLite, PostgreSQL, MySQL and MariaDB, and of their drivers. ``{}`` is a
#: name, which is quoted if the author's query has it; ``#`` is a small number, ``…`` what is not quoted.
#: All else is quoted as it is here.
_SENTENCES: Final = (
    # SQLite
    "no such table: {}",
    "no such column: {}",
    "no such function: {}",
    "ambiguous column name: {}",
    'near "{}": syntax error',
    "wrong number of arguments to function {}()",
    "incomplete input",
    "unrecognized token: …",
    "Incorrect number of bindings supplied. The current statement uses #, and there are # supplied",
    "You did not supply a value for binding parameter :{}",
    "You can only execute one statement at a time",
    "Could not decode to UTF-8 column '{}'",
    "database is locked",
    "unable to open database …",
    "file is not a database",
    "malformed JSON",
    # PostgreSQL
    'relation "{}" does not exist',
    "column {} does not exist",
    'column reference "{}" is ambiguous',
    'column "{}" must appear in the GROUP BY clause or be used in an aggregate function',
    'schema "{}" does not exist',
    'database "{}" does not exist',
    'role "{}" does not exist',
    "function {} does not exist",
    'syntax error at or near "{}"',
    "syntax error at end of input",
    "unterminated quoted string",
    "permission denied for table {}",
    "permission denied for view {}",
    "permission denied for schema {}",
    "operator does not exist: …",
    "invalid name syntax",
    "canceling statement due to statement timeout",
    "canceling statement due to lock timeout",
    "canceling statement due to user request",
    "canceling statement due to conflict with recovery",
    "terminating connection due to administrator command",
    "server closed the connection unexpectedly",
    "the query has # placeholders but # parameters were passed",
    "query parameter missing: {}",
    "password authentication failed",
    "no pg_hba.conf entry",
    "too many clients already",
    "server does not support SSL",
    # MySQL and MariaDB
    "Table '{}' doesn't exist",
    "Unknown column '{}' in …",
    "Unknown database '{}'",
    "FUNCTION {} does not exist",
    "You have an error in your SQL syntax",
    "No database selected",
    "command denied to user …",
    "Access denied for user …",
    "Can't connect to …",
    "Lost connection to …",
    "Connection was killed",
    "Subquery returns more than 1 row",
    "The used SELECT statements have a different number of columns",
    "not all arguments converted during string formatting",
    "not enough arguments for format string",
    # the network
    "Connection refused",
    "Connection reset by peer",
    "Connection timed out",
    "Name or service not known",
    "Network is unreachable",
    "No route to host",
    "No such file or directory",
    "Temporary failure in name resolution",
    "timeout expired",
)

_PIECE: Final = re.compile(r"(\{\}|#|…)")
_EXPRESSIONS: Final = {"{}": r"([^\n]*?)", "#": r"(\d{1,3})", "…": ""}
#: If nothing follows a name, one word of it will do: more of it is not quoted in any case.
_LAST_NAME: Final = r"(\S*)"

_LINE: Final = re.compile(r"^LINE (\d{1,4}):|' at line (\d{1,4})\W*$", re.MULTILINE)
_LITERAL: Final = re.compile(r"'(?:[^']|'')*'")
_SQLSTATE: Final = re.compile(r"[0-9A-Z]{5}")


def database_words(error: BaseException, *, query: str, written: str) -> str:
    """
    Return what a message may quote of a database's error: its type, and a sentence without values, or else its code.

    :param error: what a driver raised, or SQLAlchemy in its place
    :param query: the query that was sent
    :param written: the query as its author wrote it, before it was rendered: its names may be quoted
    """
    error = getattr(error, "orig", None) or error
    words = str(error)
    names = {name.lower() for name in re.findall(r"\w+", _LITERAL.sub("", written))}
    sentences = "; ".join(_sentences(words, names))
    quoted = f": {sentences}" if sentences else f", {code}" if (code := _code(error)) else ""
    return f"{type(error).__name__}{quoted}{_line(words, query)}"


def _sentences(words: str, names: set[str]) -> Iterator[str]:
    for pattern, pieces in _patterns():
        if found := pattern.search(words):
            values = iter(found.groups())
            yield "".join(_quoted(piece, values, names) for piece in pieces)


def _quoted(piece: str, values: Iterator[str], names: set[str]) -> str:
    match piece:
        case "#":
            return next(values)
        case "{}":
            name, bracket, _ = next(values).partition("(")
            parts = [part if part.lower() in names else "…" for part in name.strip('"').split(".")]
            return f"{'.'.join(parts)}{'(…)' if bracket else ''}"
        case _:
            return piece


@functools.cache
def _patterns() -> list[tuple[re.Pattern[str], list[str]]]:
    """Return the sentences as patterns, with the pieces that are quoted of them."""
    patterns = []
    for sentence in _SENTENCES:
        pieces = [piece for piece in _PIECE.split(sentence) if piece]
        expressions = [_EXPRESSIONS.get(piece, re.escape(piece)) for piece in pieces]
        if pieces[-1] == "{}":
            expressions[-1] = _LAST_NAME
        patterns.append((re.compile("".join(expressions)), pieces))
    return patterns


def _line(words: str, query: str) -> str:
    """Return where in a query of several lines the fault is, if the database says that."""
    found = _LINE.search(words)
    number = int(found[1] or found[2]) if found else 0
    lines = query.count("\n") + 1
    return f", line {number} of the query" if 0 < number <= lines > 1 else ""


def _code(error: Any) -> str:
    """Return the code of a database's error: SQLSTATE (ISO/IEC 9075), or what stands in its place."""
    if not any(kind.__name__ == "Error" for kind in type(error).__mro__):  # PEP 249
        return ""
    first, second = (*error.args, None, None)[:2]
    states = [getattr(error, "sqlstate", None), getattr(error, "pgcode", None)]
    if str(second).startswith(f"[{first}]"):  # as ODBC has it
        states.append(first)
    for state in states:
        if isinstance(state, str) and _SQLSTATE.fullmatch(state):
            return f"SQLSTATE {state}"
    if isinstance(name := getattr(error, "sqlite_errorname", None), str):
        return name
    return f"error {first}" if isinstance(first, int) else ""

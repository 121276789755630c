"""
Every message that the package can raise, read from its source: what ``docs/troubleshooting.md`` has to explain.

A message is the text of an exception, or the rule of a :class:`~airflow_connect.api.fields.Fault`, which many requests
collect in one exception. What the code fills in is written as ``…``.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT: Final = Path(__file__).resolve().parents[1]
PACKAGE: Final = CHECKOUT / "airflow_connect"
#: The local Amazon Connect answers as Amazon does, in Amazon's words.
LEFT_OUT: Final = ("emulator",)
#: Calls whose first argument is a message; of a fault it is the second, of a damaged record the third.
_RAISED: Final = re.compile(r"(Error|Exception|Timeout|InvalidRow|Fault|^kind|^end|^damaged)$")
#: Bases whose text is nobody's to read: they end a generator, or say that a method is missing.
_SILENT: Final = {"NotImplementedError", "AssertionError", "KeyError", "StopIteration"}
_GAP: Final = "…"


def messages() -> dict[str, str]:
    """Return each message, with the file that has it."""
    found: dict[str, str] = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        if not name.startswith(LEFT_OUT):
            for message in _of(ast.parse(file.read_text(encoding="utf-8"))):
                found.setdefault(message, name)
    return found


def _of(tree: ast.Module) -> Iterator[str]:
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    for function in functions:
        texts = _assigned(function)
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and (argument := _message(node)) is not None:
                for text in _texts(argument, texts):
                    if re.search(r"[A-Za-z]{3}.*[A-Za-z]{3}", text):
                        yield text


def _message(call: ast.Call) -> ast.expr | None:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if not _RAISED.search(name) or name in _SILENT:
        return None
    position = {"Fault": 1, "InvalidRequestError": 1, "damaged": 2}.get(name, 0)
    return call.args[position] if len(call.args) > position else None


def _assigned(function: ast.AST) -> dict[str, list[ast.expr]]:
    """Return what the names of a function are assigned."""
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
    return found


def _texts(node: ast.expr, names: dict[str, list[ast.expr]]) -> list[str]:
    """Return what an expression may be as text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [_tidy(node.value)]
    if isinstance(node, ast.JoinedStr):
        parts = [str(one.value) if isinstance(one, ast.Constant) else _GAP for one in node.values]
        return [_tidy("".join(parts))]
    if isinstance(node, ast.IfExp):
        return [*_texts(node.body, names), *_texts(node.orelse, names)]
    if isinstance(node, ast.Name):
        others = {name: values for name, values in names.items() if name != node.id}
        return [text for value in names.get(node.id, ()) for text in _texts(value, others)]
    return []


def _tidy(text: str) -> str:
    text = " ".join(re.sub(rf"(?:{_GAP}[\s,.:;]*)+{_GAP}", _GAP, text).split())
    return text.strip()


if __name__ == "__main__":
    for text, place in messages().items():
        print(f"{place}: {text}")

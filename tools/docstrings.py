"""
Tables of what a public class or function takes, from its signature and its docstring.

The docstring is the source of every word; the signature gives types and defaults, ``template_fields`` says what is
templated.
"""

from __future__ import annotations

import importlib
import inspect
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Argument", "arguments_of", "markdown", "named", "outcome_of", "summary_of"]

#: Arguments whose field has another name, since Airflow's operators have a method of that name.
_FIELDS: Final = {"dry_run": "is_dry_run"}
_PARAM: Final = re.compile(r"^:(param (\w+)|return|returns|raises (\w+)): ?(.*(?:\n[ \t]+.*)*)", re.MULTILINE)
_TEMPLATED: Final = re.compile(r"\s*\(templated\)|(?<=\()templated[,;] |[,;] templated(?=\))")
_DEFAULT_IN_PARENTHESES: Final = re.compile(r"\s*\((?:default: (.+?))\)(?=\s|[.;,:]|$)")
#: A choice that the docstring marks; only where the signature does not have it does the table take it from here.
_MARKED_DEFAULT: Final = re.compile(r"(`[^`]+`) \(default\)")
_DEFAULT_SENTENCE: Final = re.compile(r"[;,. ]*\b[Dd]efault: (.+?)\.?$")
#: Names of types that are not public.
_ALIASES: Final = {"Condition": "dict[str, Any] | Callable", "Format": "str"}
#: A longer default is a sentence of the description.
_SHORT: Final = 60


class Argument(NamedTuple):
    """An argument as a row of a table."""

    name: str
    type: str
    default: str
    templated: bool
    text: str


def named(path: str) -> Any:
    """Return what ``module:name`` leads to."""
    module, _, name = path.partition(":")
    found = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def markdown(text: str) -> str:
    """Return a docstring's prose as Markdown, in one line."""
    text = " ".join(text.split())
    text = re.sub(r"``?([^`<>]+) <(https?://[^>]+)>`__?", r"[\1](\2)", text)
    text = re.sub(r":\w+:`~(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
    text = re.sub(r":\w+:`([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def summary_of(found: Any) -> str:
    """Return the first paragraph of a docstring."""
    return markdown((inspect.getdoc(found) or "").partition("\n\n")[0])


def outcome_of(found: Any) -> tuple[str, list[tuple[str, str]]]:
    """Return what a docstring says is returned, and what is raised: the names of errors, and when."""
    returned, raised = "", []
    for kind, name, text in _fields(inspect.getdoc(found) or ""):
        if kind.startswith("return"):
            returned = markdown(text)
        elif kind.startswith("raises"):
            raised.append((name, markdown(text)))
    return returned, raised


def arguments_of(found: Any) -> list[Argument]:
    """
    Return the arguments of a class or function, in the order of the docstring.

    :raises ValueError: if an argument is in the signature and no docstring says what it does
    """
    parameters = dict(_parameters(found))
    described = _described(found)
    if unknown := [name for name in parameters if name not in described]:
        raise ValueError(f"{found.__qualname__}: no docstring says what {', '.join(unknown)} do")
    templated = set(getattr(found, "template_fields", ()))
    return [
        _argument(name, parameters[name], described[name], _FIELDS.get(name, name) in templated)
        for name in described
        if name in parameters
    ]


def _argument(name: str, parameter: inspect.Parameter, text: str, templated: bool) -> Argument:
    text = _TEMPLATED.sub("", markdown(text))
    marked = _MARKED_DEFAULT.search(text)
    text, default = text.replace(" (default)", ""), marked[1] if marked and parameter.default is None else ""
    if in_parentheses := _DEFAULT_IN_PARENTHESES.search(text):
        default = in_parentheses[1]
        text = _DEFAULT_IN_PARENTHESES.sub("", text, count=1)
    elif (sentence := _DEFAULT_SENTENCE.search(text)) and len(sentence[1]) <= _SHORT:
        default = sentence[1]
        text = text[: sentence.start()]
    if parameter.default is parameter.empty:
        default = "required"
    elif parameter.default not in (None, (), "") and not default and "factory" not in repr(parameter.default):
        default = f"`{parameter.default!r}`"
    elif re.fullmatch(r"[\w.]+", default):
        default = f"`{default}`"
    text = text.strip().rstrip(".")
    return Argument(name, _type(parameter), default, templated, text[:1].upper() + text[1:] + "." if text else "")


def _type(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return ""
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    while (start := text.find("Callable[")) >= 0:  # what it takes and returns is in the description
        end = start + len("Callable[")
        while text[start:end].count("[") > text[start:end].count("]"):
            end += 1
        text = f"{text[:start]}Callable{text[end:]}"
    parts = [_ALIASES.get(part, part) for part in _split(text) if part not in ("None", "XComArg")]
    return " | ".join("any" if part == "Any" else part for part in parts)


def _split(union: str) -> list[str]:
    """Split a type at the bars that stand in no brackets."""
    return [part.strip() for part in re.split(r"\|(?![^\[]*\])", union)]


def _parameters(found: Any) -> Iterator[tuple[str, inspect.Parameter]]:
    """Yield the parameters that are ours: of the class and of those of its bases that are in the package."""
    seen: set[str] = set()
    if not inspect.isclass(found):
        sources = [found]
    else:
        package = found.__module__.partition(".")[0]
        own = [kind for kind in found.__mro__ if kind.__module__.partition(".")[0] == package]
        sources = [kind.__init__ for kind in own if "__init__" in vars(kind)]
        if not sources and own:  # a dataclass, whose __init__ is made
            sources = [found.__init__]
    for source in sources:
        # Airflow wraps constructors, and keeps the signature of what it wrapped.
        for parameter in inspect.signature(source).parameters.values():
            variable = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
            if parameter.name not in ("self", "context") and not variable and parameter.name not in seen:
                seen.add(parameter.name)
                yield parameter.name, parameter


def _described(found: Any) -> dict[str, str]:
    """Return the arguments that docstrings describe, those of the bases last."""
    described: dict[str, str] = {}
    for source in found.__mro__ if inspect.isclass(found) else [found]:
        if source.__module__.partition(".")[0] == found.__module__.partition(".")[0]:
            for kind, name, text in _fields(inspect.cleandoc(source.__doc__ or "")):
                if kind.startswith("param"):
                    described.setdefault(name, text)
    return described


def _fields(doc: str) -> Iterator[tuple[str, str, str]]:
    """Yield the fields of a docstring: its kind, the name in it, the text."""
    for one in _PARAM.finditer(doc):
        yield one[1], one[2] or one[3] or "", one[4]

"""
What botocore's service model says of Amazon Connect: paths, checks, wire names and statuses.

Everything the model knows is read from it, and compiled once per operation into plain functions, so that a
request costs no walk through shapes. What only the prose of the documentation knows is in :mod:`.rules`.

    ServiceModel ─ match(method, path) ─► Operation ─ parse(…) ─► request   (checked, timestamps as seconds)
                                                    ─ serialise(…) ◄─ answer
                 ─ error(ServiceError) ─► status, body

This module imports nothing of the emulator.
"""

from __future__ import annotations

import json
import math
import re
import sys
import unicodedata
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, unquote

from botocore.loaders import Loader
from botocore.model import OperationModel, Shape
from botocore.model import ServiceModel as BotocoreModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Request = dict[str, Any]
#: ``check(value, path, faults)`` returns the value as the service uses it and adds what is wrong to *faults*.
Check = "Callable[[Any, str, list[Fault]], Any]"

#: 9999-12-31, the last second that every SDK can hold in its date type.
_MAX_TIMESTAMP = 253402300799
_INTEGERS = {"integer": (-(2**31), 2**31 - 1), "long": (-(2**63), 2**63 - 1)}


class Fault(NamedTuple):
    """One thing that is wrong with a request: a bad value of one parameter, or a request of the wrong form."""

    text: str
    in_parameter: bool = True


class ServiceError(Exception):
    """
    An error that the caller gets to see.

    :param code: the name of the exception in Amazon's model, e.g. ``InvalidRequestException``.
    :param message: names the field and the rule, never a value that a contact holds.
    :param status: HTTP status, for the errors that every AWS service shares and no model lists.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class Operation:
    """
    One operation of the API: how its request is read and checked, and how its answer is written.

    :param model: botocore's model of the operation.
    """

    def __init__(self, model: OperationModel) -> None:
        self.name: str = model.name
        self.method: str = model.http["method"]
        self.segments: tuple[str, ...] = tuple(model.http["requestUri"].strip("/").split("/"))
        self.errors = frozenset(shape.name for shape in model.error_shapes)
        self._model = model

    @cached_property
    def _check(self) -> Any:
        return _compile_structure(self._model.input_shape)

    @cached_property
    def _write(self) -> Any:
        return _compile_writer(self._model.output_shape)

    @cached_property
    def _query(self) -> list[tuple[str, str, str]]:
        members = self._model.input_shape.members.items()
        return [
            (name, shape.serialization["name"], shape.type_name)
            for name, shape in members
            if shape.serialization.get("location") == "querystring"
        ]

    @cached_property
    def _in_body(self) -> frozenset[str]:
        members = self._model.input_shape.members.items()
        return frozenset(name for name, shape in members if "location" not in shape.serialization)

    def labels(self, segments: list[str]) -> dict[str, str] | None:
        """Values of the path's labels when *segments* is a path of this operation, else None."""
        found = {}
        for pattern, segment in zip(self.segments, segments, strict=True):
            if pattern.startswith("{"):
                if not segment:
                    return None
                found[pattern[1:-1]] = unquote(segment)
            elif pattern != segment:
                return None
        return found

    def parse(self, labels: Mapping[str, str], query: bytes, body: bytes) -> Request:
        """
        Read a request and check all that the model says of it.

        :raises ServiceError: InvalidParameterException when values of parameters are outside the model,
            InvalidRequestException when the request as a whole is not of the operation's form. The message
            has every fault.
        """
        faults: list[Fault] = []
        values: dict[str, Any] = {}
        if self._in_body and body:
            values = _read_json(body)
            misplaced = [name for name in values if name not in self._in_body]
            faults += [Fault(f"{_name(name)}: no parameter in the body", False) for name in misplaced]
            for name in misplaced:
                del values[name]
        values.update(labels)
        if query:
            given = parse_qs(query.decode("latin-1"), keep_blank_values=True)
            for name, wire, kind in self._query:
                if wire in given:
                    values[name] = given[wire] if kind == "list" else _of_query(given[wire][-1], kind)
        try:
            request = self._check(values, "", faults)
        except RecursionError:
            raise self.invalid([Fault("the request is nested too deep", False)]) from None
        if faults:
            raise self.invalid(faults)
        return request  # type: ignore[no-any-return]  # a structure's check returns a dict

    def invalid(self, faults: list[Fault]) -> ServiceError:
        """One error for all *faults*, with the more general code when any is about the whole request."""
        code = "InvalidRequestException"
        if "InvalidParameterException" in self.errors and all(fault.in_parameter for fault in faults):
            code = "InvalidParameterException"
        return ServiceError(code, "; ".join(fault.text for fault in faults))

    def serialise(self, answer: Mapping[str, Any]) -> bytes:
        """The answer's body, with the model's wire names and timestamps as epoch seconds."""
        return write_json(self._write(answer))


class ServiceModel:
    """Amazon Connect's operations and errors, as the botocore that is installed knows them."""

    def __init__(self) -> None:
        self._botocore = BotocoreModel(Loader().load_service_model("connect", "service-2"), "connect")
        self._routes: dict[tuple[str, int], list[Operation]] = {}
        for name in self._botocore.operation_names:
            operation = Operation(self._botocore.operation_model(name))
            self._routes.setdefault((operation.method, len(operation.segments)), []).append(operation)
        for operations in self._routes.values():
            # "/contact/attributes/{InstanceId}" must win over "/contact/{A}/{B}": fewer labels come first.
            operations.sort(key=lambda operation: [part.startswith("{") for part in operation.segments])
        self._statuses: dict[str, int] = {
            shape.name: shape.metadata["error"]["httpStatusCode"] for shape in self._botocore.error_shapes
        }

    def match(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """
        Find the operation of a request.

        :param path: as it was sent: a ``%2F`` belongs to a label, a ``/`` separates two.
        """
        segments = path.strip("/").split("/")
        for operation in self._routes.get((method, len(segments)), ()):
            labels = operation.labels(segments)
            if labels is not None:
                return operation, labels
        return None

    def error(self, error: ServiceError) -> tuple[int, bytes]:
        """Status and body of an error, the status from the model where it has the error."""
        return self._statuses.get(error.code, error.status), write_json({"Message": error.message})


@cache
def service_model() -> ServiceModel:
    """The model, read once in a process: it does not change."""
    return ServiceModel()


def write_json(value: Any) -> bytes:
    """JSON as Amazon writes it: no spaces, UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _name(name: str) -> str:
    """A member's name as given by the caller, cut down to what can be a name: it may be anything."""
    return name if re.fullmatch(r"[A-Za-z0-9]{1,64}", name) else "a member"


def _read_json(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ServiceError("InvalidRequestException", "the body is not JSON") from None
    if not isinstance(values, dict):
        raise ServiceError("InvalidRequestException", "the body is not a JSON object")
    return values


def _refuse_constant(constant: str) -> Any:
    raise ValueError(constant)


# --- checks -----------------------------------------------------------------------------------------------


def _compile(shape: Shape) -> Any:
    match shape.type_name:
        case "structure":
            return _deferred(shape, _compile_structure)
        case "map":
            return _deferred(shape, _compile_map)
        case "list":
            return _deferred(shape, _compile_list)
        case "string":
            return _compile_string(shape)
        case "timestamp":
            return _check_timestamp
        case "boolean":
            return _check_boolean
        case "integer" | "long":
            return _compile_integer(shape)
        case "float" | "double":
            return _check_float
    raise NotImplementedError(shape.type_name)


def _deferred(shape: Shape, compile_shape: Callable[[Any], Any]) -> Any:
    """Compile at first use: a segment attribute's value is a map of segment attributes' values."""
    compiled: list[Any] = []

    def check(value: Any, path: str, faults: list[Fault]) -> Any:
        if not compiled:
            compiled.append(compile_shape(shape))
        return compiled[0](value, path, faults)

    return check


def _compile_structure(shape: Any) -> Any:
    checks = {name: _compile(member) for name, member in shape.members.items()}
    required = shape.required_members

    def check(value: Any, path: str, faults: list[Fault]) -> Any:
        if not isinstance(value, dict):
            faults.append(Fault(f"{path}: not an object", False))
            return {}
        prefix = f"{path}." if path else ""
        found = {}
        for name, member in value.items():
            if member is None:
                continue
            member_check = checks.get(name)
            if member_check is None:
                faults.append(Fault(f"{prefix}{_name(name)}: no such member", False))
            else:
                found[name] = member_check(member, prefix + name, faults)
        faults.extend(Fault(f"{prefix}{name}: required", False) for name in required if name not in found)
        return found

    return check


def _compile_map(shape: Any) -> Any:
    check_key, check_value, check_size = _compile(shape.key), _compile(shape.value), _size_check(shape, "entries")

    def check(value: Any, path: str, faults: list[Fault]) -> Any:
        if not isinstance(value, dict):
            faults.append(Fault(f"{path}: not an object", False))
            return {}
        check_size(len(value), path, faults)
        return {
            check_key(key, f"{path} key {number}", faults): check_value(member, f"{path} entry {number}", faults)
            for number, (key, member) in enumerate(value.items(), 1)
        }

    return check


def _compile_list(shape: Any) -> Any:
    check_member, check_size = _compile(shape.member), _size_check(shape, "members")

    def check(value: Any, path: str, faults: list[Fault]) -> Any:
        if not isinstance(value, list):
            faults.append(Fault(f"{path}: not a list", False))
            return []
        check_size(len(value), path, faults)
        return [check_member(member, f"{path}[{number}]", faults) for number, member in enumerate(value)]

    return check


def _compile_string(shape: Any) -> Any:
    allowed = frozenset(shape.enum)
    check_size = _size_check(shape, "characters")
    pattern = _compile_pattern(shape.metadata["pattern"]) if "pattern" in shape.metadata else None
    written = shape.metadata.get("pattern")

    def check(value: Any, path: str, faults: list[Fault]) -> Any:
        if not isinstance(value, str):
            faults.append(Fault(f"{path}: not a string", False))
            return ""
        if not value.isascii() and _has_surrogate(value):
            faults.append(Fault(f"{path}: not valid Unicode", False))
            return ""
        check_size(len(value), path, faults)
        if allowed and value not in allowed:
            faults.append(Fault(f"{path}: not one of {', '.join(shape.enum)}"))
        if pattern is not None and not pattern.search(value):
            faults.append(Fault(f"{path}: does not match {written}"))
        return value

    return check


def _of_query(value: str, kind: str) -> Any:
    """Return a value of an address, which is text, as its type has it; the check reports what is not of that type."""
    digits = value.removeprefix("-")
    return int(value) if kind in _INTEGERS and digits.isascii() and digits.isdecimal() else value


def _compile_integer(shape: Any) -> Any:
    low, high = _INTEGERS[shape.type_name]
    low = max(low, shape.metadata.get("min", low))
    high = min(high, shape.metadata.get("max", high))

    def check(value: Any, path: str, faults: list[Fault]) -> Any:
        if not isinstance(value, int) or isinstance(value, bool):
            faults.append(Fault(f"{path}: not a whole number", False))
        elif not low <= value <= high:
            faults.append(Fault(f"{path}: not between {low} and {high}"))
        return value

    return check


def _check_timestamp(value: Any, path: str, faults: list[Fault]) -> Any:
    if not isinstance(value, int | float) or isinstance(value, bool):
        faults.append(Fault(f"{path}: not a number of epoch seconds", False))
        return 0.0
    if not 0 <= value <= _MAX_TIMESTAMP:
        faults.append(Fault(f"{path}: not a time between 1970 and 9999"))
        return 0.0
    return float(value)


def _check_boolean(value: Any, path: str, faults: list[Fault]) -> Any:
    if not isinstance(value, bool):
        faults.append(Fault(f"{path}: not true or false", False))
    return value


def _check_float(value: Any, path: str, faults: list[Fault]) -> Any:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        faults.append(Fault(f"{path}: not a number", False))
    return value


def _size_check(shape: Shape, unit: str) -> Callable[[int, str, list[Fault]], None]:
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max", sys.maxsize)

    def check(size: int, path: str, faults: list[Fault]) -> None:
        if size < low:
            faults.append(Fault(f"{path}: {size} {unit}, at least {low}"))
        elif size > high:
            faults.append(Fault(f"{path}: {size} {unit}, at most {high}"))

    return check


def _has_surrogate(value: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in value)


def _compile_pattern(pattern: str) -> re.Pattern[str]:
    r"""
    The model's patterns are Java's: ``\p{L}`` is unknown to :mod:`re`, and ``$`` is the very end.

    Some, PhoneNumber's among them, are escaped twice. None of Amazon Connect's means a backslash.
    """
    translated = re.sub(r"(?<!\\)\$$", r"\\Z", pattern.replace(r"\\", "\\"))
    parts = []
    in_class = False
    for part in re.findall(r"\\[pP]\{\w\}|\\.|.", translated, re.DOTALL):
        if part[:2] in (r"\p", r"\P"):
            ranges = _category(part[3], negated=part[1] == "P")
            parts.append(ranges if in_class else f"[{ranges}]")
            continue
        in_class = part == "[" or (in_class and part != "]")
        parts.append(part)
    return re.compile("".join(parts))


@cache
def _category(letter: str, *, negated: bool) -> str:
    """The characters of a Unicode category, or all others, as ranges for a character class."""
    ranges = []
    start = None
    for number in range(sys.maxunicode + 2):
        inside = number <= sys.maxunicode and (unicodedata.category(chr(number))[0] == letter) != negated
        if inside and start is None:
            start = number
        elif not inside and start is not None:
            ranges.append(f"\\U{start:08x}-\\U{number - 1:08x}")
            start = None
    return "".join(ranges)


# --- answers ----------------------------------------------------------------------------------------------


def _compile_writer(shape: Any) -> Callable[[Any], Any]:
    match shape.type_name if shape is not None else None:
        case None:
            return dict
        case "structure":
            return _structure_writer(shape)
        case "list":
            return _list_writer(shape)
        case "map":
            return _map_writer(shape)
        case "timestamp":
            return _write_timestamp
    return _write_as_is


def _structure_writer(shape: Any) -> Callable[[Any], Any]:
    writers: dict[str, Callable[[Any], Any]] = {}

    def write(value: Any) -> Any:
        written = {}
        for name, member in value.items():
            if member is None:
                continue
            writer = writers.get(name)
            if writer is None:
                # A name that the model does not have is our own mistake: KeyError, not a silent extra.
                writer = writers[name] = _compile_writer(shape.members[name])
            written[name] = writer(member)
        return written

    return write


def _list_writer(shape: Any) -> Callable[[Any], Any]:
    writer = _compile_writer(shape.member)
    return lambda value: [writer(member) for member in value]


def _map_writer(shape: Any) -> Callable[[Any], Any]:
    writer = _compile_writer(shape.value)
    return lambda value: {key: writer(member) for key, member in value.items()}


def _write_timestamp(value: float) -> float:
    seconds = round(value, 3)
    return int(seconds) if seconds.is_integer() else seconds


def _write_as_is(value: Any) -> Any:
    return value

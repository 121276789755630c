"""
One argument of an author, checked, as one value of Amazon Connect's API.

A converter for each parameter, derived from botocore's model of Amazon Connect: it has the lengths, enumerations,
patterns and required members. If authors may write shorter, or Amazon's documentation says more than the model, the
converter is written here. Rules that bind several parameters are in :mod:`airflow_connect.api.operations`. This module
does not know Airflow, a client or a network.

**Text.** If Amazon Connect takes text, or a template over rows or a key puts a value into text, the scalars that
upstream data holds are taken too and written in one form (:func:`text_of`):

=====================  ==================================================================================
given                  sent
=====================  ==================================================================================
``str``                as it is
bytes that are UTF-8   the text that they are, without a byte order mark
``bool``               ``true`` or ``false``
``int``                its digits
``float``              plain decimal notation, no exponent, no ``.0``: ``0.1``, ``12``, ``0.0000001``
``Decimal``            plain decimal notation with its own trailing zeros: ``12.50``
``date``               ISO 8601: ``2026-11-24``
``datetime``           ISO 8601: ``2026-11-24T16:00:00+00:00``, without an offset if it has no time zone
``time``               ISO 8601: ``16:00:00``
``UUID``               its 36 characters
:class:`Written`       plain decimal notation, with the digits that were written
``Enum``               its value
numpy, pandas scalar   as the Python value that it stands for
=====================  ==================================================================================

``None``, NaN, ``pandas.NA`` and ``NaT`` mean *not given*: the attribute, reference or parameter is left out, and within
other text its place stays empty. Everything else is refused: lists, dicts, other bytes, durations, infinities,
numbers of more than 4,000 digits, any other object.

**Numbers and booleans** are also taken as the text that a template renders: ``"30"``, ``"true"``. **Times** are
taken as a date, a datetime, ISO 8601 text or epoch seconds; without a time zone they are UTC.
"""

from __future__ import annotations

import functools
import json
import math
import re
import threading
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from functools import partial
from numbers import Number
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from botocore.model import ServiceModel, Shape

__all__ = [
    "ABSENT",
    "ATTRIBUTES_MAX_BYTES",
    "EXPIRY_ATTRIBUTE",
    "ID_RULE",
    "MISSING",
    "PHONE_NUMBER_RULE",
    "REFERENCES_MAX_BYTES",
    "TEXT_RULE",
    "Converter",
    "Fault",
    "NotTextError",
    "Written",
    "checked_key",
    "choice",
    "contact_id_of",
    "converter",
    "cut_instance_arn",
    "describe",
    "fault_of_instance",
    "is_absent",
    "is_phone_number",
    "json_of",
    "json_scalar",
    "key_path",
    "service_model",
    "text_in_text",
    "text_of",
    "website",
    "website_of_alias",
]

#: UTF-8 bytes over all keys and values of a contact's attributes.
#: https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateContact.html
ATTRIBUTES_MAX_BYTES: Final = 32_768

#: UTF-8 bytes over all keys and values of a contact's references.
#: https://docs.aws.amazon.com/connect/latest/APIReference/API_Reference.html
REFERENCES_MAX_BYTES: Final = 4_096

_ATTRIBUTE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_SEGMENT_ATTRIBUTE_KEY: Final = re.compile(r"(?:connect:)?[A-Za-z0-9_-]+")
_AMAZONS: Final = "connect:"
EXPIRY_ATTRIBUTE: Final = "connect:ContactExpiry"
ID_RULE: Final = "must be an ID or an ARN, and not a name"
_ARN: Final = re.compile(r"arn:[^:\s]+:[^:\s]+:[^:\s]*:[^:\s]*:\S+")
_URL: Final = re.compile(r"https?://\S+", re.IGNORECASE)
# A URL whose host is a plain name, without a port: nothing in it that needs to be taken apart.
_PLAIN_URL: Final = re.compile(r"https?://[a-z0-9.-]+(?:[/?#]\S*)?", re.IGNORECASE)
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# A number that survives being read as one: no leading zeros, which postcodes and order numbers have.
_PLAIN_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
# https://www.itu.int/rec/T-REC-E.164/
_E164: Final = re.compile(r"\+[1-9][0-9]{1,14}")
_EPOCH: Final = re.compile(r"-?[0-9]+")
_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9:.,]+(?:Z|[+-][0-9:]+)?)?")
# Years 1 to 9999. Above all this catches milliseconds given for seconds.
_EPOCH_RANGE: Final = range(-62_135_596_800, 253_402_300_800)
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_:-]{1,64}")

# Types of references that consist of a value.
_VALUE_TYPES: Final = ("URL", "NUMBER", "STRING", "DATE", "EMAIL")

# Longer numbers are not data. Python refuses to write integers of more than 4,300 digits, and of a Decimal like
# 1E+999999999 the plain notation would fill the memory.
_NUMBER_MAX_DIGITS: Final = 4_000
_NUMBER_MAX_BITS: Final = int(_NUMBER_MAX_DIGITS * math.log2(10))

#: How Python and pandas write a missing value: as a key, it would create one contact for all rows without a key.
MISSING: Final = frozenset({"None", "nan", "NaN", "NaT", "<NA>"})

#: Control characters: those of ASCII, and those that ISO 8859 adds.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: The same without those that a text of several lines has.
_CONTROL_IN_LINES: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_NO_CONTROL: Final = "must hold no control characters"
_NO_CONTROL_IN_LINES: Final = "must hold no control characters but tabs and line breaks"

TEXT_RULE: Final = "must be text, a number, a boolean, a date or a time"

ABSENT: Final = object()
_NO_SCALAR: Final = object()

Converter = Callable[[Any, str, list["Fault"]], Any]


class Fault(NamedTuple):
    """
    One thing that is wrong with a request.

    :param field: where, as a path: ``attributes.order``, ``references['Due date'].Value``
    :param rule: what Amazon Connect demands there
    :param given: what was found instead: a length, a count or a type, never the content
    """

    field: str
    rule: str
    given: str

    def __str__(self) -> str:
        return f"{self.field}: {self.rule} (given: {self.given})"


# ------------------------------------------------------------------------------------------------------------
# Amazon's model


@functools.cache
def service_model() -> ServiceModel:
    """Return botocore's model of Amazon Connect, read from disk when it is first needed."""
    from botocore.loaders import create_loader
    from botocore.model import ServiceModel

    return ServiceModel(create_loader().load_service_model("connect", "service-2"), "connect")


#: By the name of a shape of the model; a shape that holds itself finds its converter here.
_converters: dict[str, Converter] = {}
_compiling: Final = threading.RLock()


def converter(shape: Shape) -> Converter:
    """Return the converter of a shape: one of ours where authors may write it shorter, else what the model says."""

    def itself(value: Any, path: str, faults: list[Fault]) -> Any:
        return _converters[shape.name](value, path, faults)

    with _compiling:
        if shape.name not in _converters:
            _converters[shape.name] = itself
            compile_ = _BY_SHAPE.get(shape.name) or _BY_TYPE[shape.type_name]
            _converters[shape.name] = compile_(shape)
        return _converters[shape.name]


# ------------------------------------------------------------------------------------------------------------
# Scalars


class Written(float):
    """
    A number that keeps the digits with which a file has it: ``12.50``, or more digits than a ``float`` holds.

    It calculates as a ``float`` does.

    :param digits: the number, as JSON writes it
    """

    __slots__ = ("digits",)

    def __init__(self, digits: str) -> None:
        super().__init__()
        self.digits = digits

    def __str__(self) -> str:
        """Return what is sent: plain decimal notation."""
        decimal = Decimal(self.digits)
        return _decimal_text(decimal) if _is_short(decimal) else self.digits

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.digits,)


class NotTextError(TypeError):
    """
    A value cannot be written as text.

    :param value: the value; the message names its type and size only
    """

    def __init__(self, value: Any) -> None:
        super().__init__(describe(value))


def _plain(value: Any) -> Any:
    """Return the Python value that a value stands for, and ``ABSENT`` for every way to say *nothing*."""
    if type(value) is str:
        return value
    while isinstance(value, Enum):
        value = value.value
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind is not None and getattr(value, "shape", None) == ():
        if kind == "f":  # by way of its text, since float(float32(0.1)) is 0.10000000149011612
            value = float(str(value))
        elif kind in "mM":
            value = _time_of_numpy(value, kind)
        else:
            value = value.item()
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return bytes(value).decode("utf-8-sig")
        except UnicodeDecodeError:
            return value
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return ABSENT
    if isinstance(value, float) and math.isnan(value):
        return ABSENT
    if isinstance(value, Decimal) and value.is_nan():
        return ABSENT
    return value


def _time_of_numpy(value: Any, kind: str) -> Any:
    """Return a ``datetime64`` as Python has it, to the microsecond; what Python does not have, as it is."""
    if str(value) == "NaT":
        return None
    if kind == "m":  # of nanoseconds, Python would have a number
        return value
    micros = value.astype("datetime64[us]").item() if isinstance(value.item(), int) else value.item()
    return value if isinstance(micros, int) else micros


def is_absent(value: Any) -> bool:
    """Return whether a value says that nothing is given: ``None``, NaN, ``pandas.NA`` or ``NaT``."""
    return value is None or _plain(value) is ABSENT


def _scalar_text(value: Any) -> Any:
    """Return the documented text of a scalar, ``ABSENT`` for one that is missing, ``_NO_SCALAR`` for the rest."""
    if type(value) is str:
        return value
    value = _plain(value)
    if value is ABSENT:
        return ABSENT
    if isinstance(value, str):
        # The class of a text may say what str() is of it; Airflow 2 has proxies, which are not of the class they name.
        return str.__str__(value) if issubclass(type(value), str) else str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return int.__repr__(value) if value.bit_length() <= _NUMBER_MAX_BITS else _NO_SCALAR
    if isinstance(value, Written):
        value = Decimal(value.digits)
    if isinstance(value, float):
        return _decimal_text(Decimal(float.__repr__(value))).removesuffix(".0") if math.isfinite(value) else _NO_SCALAR
    if isinstance(value, Decimal):
        return _decimal_text(value) if _is_short(value) else _NO_SCALAR
    if isinstance(value, (date, datetime, time)):
        # pandas has nanoseconds, of which nobody else writes three.
        return (value.to_pydatetime(warn=False) if hasattr(value, "to_pydatetime") else value).isoformat()
    if isinstance(value, UUID):
        return str(value)
    return _NO_SCALAR


def _is_short(value: Decimal) -> bool:
    return value.is_finite() and abs(value.adjusted()) <= _NUMBER_MAX_DIGITS


def text_of(value: Any) -> str | None:
    """Return the text as which a scalar is sent, ``None`` for one that is missing and for what is not a scalar."""
    text = _scalar_text(value)
    return text if isinstance(text, str) else None


def text_in_text(value: Any) -> str:
    """
    Return a value as it stands within other text: empty for one that is missing.

    :param value: the value
    :raises NotTextError: if it is not a scalar
    """
    text = _scalar_text(value)
    if text is _NO_SCALAR:
        raise NotTextError(value)
    return "" if text is ABSENT else str(text)


def json_of(
    value: Any,
    scalar: Callable[[Any], str],
    *,
    indent: int | None = None,
    sort_keys: bool = False,
    margin: str = "\n",
) -> str:
    """
    Return a value as JSON, as :func:`json.dumps` does, of scalars that JSON does not have too.

    :param value: a scalar, or lists and dicts of them
    :param scalar: returns a scalar as JSON
    :param indent: blanks of a level, if each item is to have a line of its own
    :param sort_keys: whether a dict is written in the order of its names
    :param margin: the end of a line and the blanks of the level that the value is in
    """
    inside = "" if indent is None else margin + " " * indent
    inner = partial(json_of, scalar=scalar, indent=indent, sort_keys=sort_keys, margin=inside)
    between, end = (", ", "") if indent is None else (f",{inside}", margin)
    if isinstance(value, Mapping) and value:
        pairs: Any = ((str(name), item) for name, item in value.items())
        pairs = sorted(pairs, key=itemgetter(0)) if sort_keys else pairs
        items = [f"{json.dumps(name)}: {inner(item)}" for name, item in pairs]
        return f"{{{inside}{between.join(items)}{end}}}"
    if isinstance(value, list | tuple) and value:
        return f"[{inside}{between.join(map(inner, value))}{end}]"
    if isinstance(value, Mapping | list | tuple):
        return "{}" if isinstance(value, Mapping) else "[]"
    return scalar(value)


def json_scalar(value: Any) -> str:
    """
    Return a scalar as JSON: a number with its digits, ``null`` for what is missing, any other as its text.

    :param value: the value
    :raises NotTextError: if it is not a scalar
    """
    plain = _plain(value)
    text = json.dumps(text_in_text(value)) if not isinstance(plain, Number) else text_in_text(value)
    return "null" if plain is ABSENT else text


def checked_key(value: Any, name: str = "idempotency_key") -> tuple[str, Fault | None]:
    """
    Return a key as the text that identifies a contact, and what is wrong with it.

    :param value: what an author or a template gave
    :param name: what the fault calls it
    """
    text = text_of(value)
    if text is None:
        lacks = "its template or the upstream task gave nothing" if is_absent(value) else describe(value)
        return "", Fault(name, f"{TEXT_RULE}, which identifies the contact", lacks)
    if not text.strip():
        rule = "must not be empty: every contact with an empty key would be the same one"
        return "", Fault(name, rule, "empty text")
    if text.strip() in MISSING:
        rule = "must name something: this is how Python writes a value that is missing, as in a template"
        return "", Fault(name, rule, f"the text {text.strip()}")
    if _utf8_bytes(text) is None:
        return "", Fault(name, "must be Unicode text (no lone surrogates)", describe(text))
    if _CONTROL.search(text):
        return "", Fault(name, _NO_CONTROL, describe(text))
    return text, None


def _decimal_text(value: Decimal) -> str:
    return format(value, "f")


def _utf8_bytes(text: str) -> int | None:
    """Return the length of ``text`` in UTF-8, ``None`` if it cannot be written in it (a lone surrogate)."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return None


def _characters(count: float) -> str:
    return f"{count:,} character{'' if count == 1 else 's'}"


def describe(value: Any) -> str:
    """Return the type and size of a value, without its content."""
    if isinstance(value, str):
        return f"text of {_characters(len(value))}"
    if isinstance(value, Mapping):
        return f"{'dict' if isinstance(value, dict) else type(value).__name__} of {len(value):,} items"
    if isinstance(value, (list, tuple, set, bytes, bytearray)):
        other = " that are not UTF-8" if isinstance(_plain(value), bytes | bytearray) else ""
        return f"{type(value).__name__} of length {len(value):,}{other}"
    if isinstance(value, (float, Decimal)) and not (
        value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)  # which fails for sNaN
    ):
        return f"a {type(value).__name__} that is not finite"
    if isinstance(value, (int, Decimal)) and _scalar_text(value) is _NO_SCALAR:
        return f"a number of more than {_NUMBER_MAX_DIGITS:,} digits"
    return f"a value of type {type(value).__name__}"


def key_path(path: str, key: object) -> str:
    """Name a place in a map; a key that could be anything is cut short and stripped of control characters."""
    if isinstance(key, str) and _IDENTIFIER.fullmatch(key):
        return f"{path}.{key}" if path else key
    shown = repr(key if len(str(key)) <= 64 else f"{str(key)[:64]}…") if isinstance(key, str) else type(key).__name__
    return f"{path}[{shown}]"


def _text(value: Any, path: str, faults: list[Fault]) -> Any:
    """Convert a scalar to text that UTF-8 can carry."""
    text = _scalar_text(value)
    if text is _NO_SCALAR:
        faults.append(Fault(path, TEXT_RULE, describe(value)))
        return ABSENT
    if text is not ABSENT and not text.isascii() and _utf8_bytes(text) is None:
        faults.append(Fault(path, "must be Unicode text (no lone surrogates)", describe(text)))
        return ABSENT
    return text


#: Blanks inside of a text: flows, queues and users have names with some, and IDs without.
_BLANK: Final = re.compile(r"\S\s+\S")


#: How the names of shapes end whose texts are of one line.
_OF_ONE_LINE: Final = ("Arn", "Id", "Key", "Name", "Token")


def _control(*, one_line: bool) -> Callable[[str, str, list[Fault]], None]:
    """Return a check that a text does not have control characters, except those of lines in a text of several lines."""
    pattern, rule = (_CONTROL, _NO_CONTROL) if one_line else (_CONTROL_IN_LINES, _NO_CONTROL_IN_LINES)

    def check(text: str, path: str, faults: list[Fault]) -> None:
        if pattern.search(text):
            faults.append(Fault(path, rule, describe(text)))

    return check


_control_in_lines: Final = _control(one_line=False)


#: What Unicode has for a printable character that is empty: blanks, and the fillers of Braille and Hangul.
_SHOWS_NOTHING: Final = " \u2800\u115f\u1160\u3164\uffa0"


def _name(shape: Shape) -> Converter:
    """Return the converter of a contact's name, which agents see: a name that shows nothing is refused."""
    string = _string(shape)

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        text = string(value, path, faults)
        if text is not ABSENT and not any(one.isprintable() and one not in _SHOWS_NOTHING for one in text):
            rule = "must not be blank; leave it out if the contact does not have a name"
            faults.append(Fault(path, rule, describe(text)))
        return text

    return convert


def _string(shape: Shape) -> Converter:
    least: int = shape.metadata.get("min", 0)
    most: int | float = shape.metadata.get("max", math.inf)
    matches = _pattern(shape.metadata.get("pattern"))
    is_id = shape.name.endswith("Id") and shape.name != "ContactId"  # nobody gives a contact's name in place of its ID
    control = _control(one_line=shape.name.endswith(_OF_ONE_LINE))
    if shape.metadata.get("enum"):
        return choice(tuple(shape.metadata["enum"]))

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        text = value if type(value) is str and value.isascii() else _text(value, path, faults)
        if text is ABSENT:
            return text
        length = len(text)
        if length > most:
            faults.append(Fault(path, f"at most {_characters(most)}", _characters(length)))
        elif length < least:
            faults.append(Fault(path, f"at least {_characters(least)}", _characters(length)))
        elif matches is not None and not matches(text):
            faults.append(Fault(path, f"must match {shape.metadata['pattern']}", describe(text)))
        elif is_id and _BLANK.search(text):
            faults.append(Fault(path, ID_RULE, f"{describe(text)} with blanks"))
        elif not text.isprintable():
            control(text, path, faults)
        return text

    return convert


def _pattern(pattern: str | None) -> Callable[[str], bool] | None:
    r"""
    Compile a pattern of the model: a part of the text has to match, and ``$`` is its very end.

    Some patterns of the model are escaped twice (``\\+[1-9]\\d{1,14}$`` of a phone number) and would refuse every
    value; Amazon Connect's patterns do not demand a backslash. A pattern that Python cannot compile is left to the
    service.

    https://smithy.io/2.0/spec/constraint-traits.html#pattern-trait
    """
    if pattern is None:
        return None
    pattern = pattern.replace("\\\\", "\\")
    if pattern == r"^\P{C}*$":
        return lambda text: not any(unicodedata.category(character)[0] == "C" for character in text)
    try:
        compiled = re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", pattern))
    except re.error:
        return None
    return lambda text: compiled.search(text) is not None


def choice(choices: tuple[str, ...]) -> Converter:
    """Return the converter of a text that is one of a few."""

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        text = _text(value, path, faults)
        if text is ABSENT or text in choices:
            return text
        # Shown if it is one of the choices in other letters: such a word is an author's, and not a customer's.
        given = repr(text) if text.upper() in choices else describe(value)
        faults.append(Fault(path, f"must be {', '.join(choices[:-1])} or {choices[-1]}", given))
        return ABSENT

    return convert


def _instance_id(shape: Shape) -> Converter:
    string = _string(shape)

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        text = text_of(value)
        return string(value if text is None else cut_instance_arn(text), path, faults)

    return convert


def _contact_id(shape: Shape) -> Converter:
    string = _string(shape)

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        text = text_of(value)
        if text is None:
            return string(value, path, faults)
        text = text.strip()  # the output of a command ends with a line break
        if len(text.split()) > 1 or text == "None":
            given = "the text None, as a template without a value gives it" if text == "None" else describe(value)
            faults.append(Fault(path, "must be the ID or ARN of one contact, without white space", given))
            return ABSENT
        found = _CONTACT_ARN.fullmatch(text)
        return string(found[2] if found else text, path, faults)

    return convert


_CONTACT_ARN: Final = re.compile(r"arn:[a-z0-9-]+:connect:[a-z0-9-]+:[0-9]+:instance/([^/]+)/contact/([^/]+)")


def contact_id_of(contact: str, instance_id: Callable[[], str]) -> str:
    """
    Return the contact ID of a contact's ARN; anything else as it is.

    ``arn:aws:connect:us-east-1:123456789012:instance/d4b9…/contact/5f1c…`` becomes ``5f1c…``.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonconnect.html

    :param contact: the contact
    :param instance_id: returns the ID of the instance that is called; asked for an ARN alone
    :raises ValueError: if the ARN is of a contact of another instance
    """
    found = _CONTACT_ARN.fullmatch(contact)
    if found is None:
        return contact
    if found[1] != instance_id():
        raise ValueError(
            f"contact_id has the ARN of a contact of another instance than the one that is called, {instance_id()}. "
            "Correct it, or give the instance as instance_id"
        )
    return found[2]


def fault_of_instance(name: str, value: Any, instance_id: Any) -> Fault | None:
    """
    Return the fault of a contact's ARN that is of another instance.

    :param name: the argument
    :param value: what was given for it
    :param instance_id: the instance that is called, ``None`` if that is not known
    """
    text = text_of(value)
    found = _CONTACT_ARN.fullmatch(text.strip()) if text else None
    if found is None or instance_id is None or found[1] == instance_id:
        return None
    return Fault(name, "must be a contact of the instance that is called", "the ARN of a contact of another instance")


def cut_instance_arn(instance: str) -> str:
    """
    Return the instance ID of an instance's ARN; anything else as it is.

    ``arn:aws:connect:us-east-1:123456789012:instance/d4b9…`` becomes ``d4b9…``.
    https://docs.aws.amazon.com/connect/latest/adminguide/find-instance-arn.html
    """
    found = re.fullmatch(r"arn:[a-z0-9-]+:connect:[a-z0-9-]+:[0-9]+:instance/([^/]+)", instance)
    return found[1] if found else instance


#: ALIAS in https://ALIAS.my.connect.aws.
#: https://docs.aws.amazon.com/connect/latest/APIReference/API_CreateInstance.html
_ALIAS: Final = r"[0-9A-Za-z]+(?:-+[0-9A-Za-z]+)*"
_LABEL: Final = r"[0-9a-z_](?:[0-9a-z_-]*[0-9a-z_])?"
_WEBSITE: Final = rf"https?://(?:{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9a-f:.]+\])(?::[0-9]{{1,5}})?(?:/[0-9a-z._~-]+)*"


def website_of_alias(alias: object) -> str | None:
    """Return the address of the website of an instance with this alias; ``None`` if it is not an alias."""
    found = isinstance(alias, str) and len(alias) <= 62 and re.fullmatch(_ALIAS, alias)
    return f"https://{alias}.my.connect.aws" if found else None


def website(address: object) -> str | None:
    """
    Return the address of an instance's website without a slash at its end; ``None`` if it is not one.

    It becomes a link in Airflow's UI: http or https to a host name or an IP address, without a user's name, a query
    or a fragment, and never ``javascript:``.
    """
    bare = address.rstrip("/") if isinstance(address, str) and len(address) < 1024 else ""
    return bare if re.fullmatch(_WEBSITE, bare, re.ASCII | re.IGNORECASE) else None


PHONE_NUMBER_RULE: Final = "must be a phone number in E.164 format: + and 2 to 15 digits, as +14155550100"


def is_phone_number(text: str) -> bool:
    """Return whether a text is a phone number in E.164 format."""
    return _E164.fullmatch(text) is not None


def _phone_number(value: Any, path: str, faults: list[Fault]) -> Any:
    text = _text(value, path, faults)
    if text is not ABSENT and not is_phone_number(text):
        faults.append(Fault(path, PHONE_NUMBER_RULE, describe(value)))
    return text


def _client_token(shape: Shape) -> Converter:
    string = _string(shape)

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        text = string(value, path, faults)
        if text == "":
            # The model allows it, but it is what a template without a value renders.
            rule = "must not be empty: without a token each attempt creates a contact"
            faults.append(Fault(path, rule, "empty text"))
        return text

    return convert


#: The integers of the model, by their type.
_BITS: Final = {"integer": 32, "long": 64}


def _integer(shape: Shape) -> Converter:
    bits = _BITS[shape.type_name]
    least: int = shape.metadata.get("min", -(2 ** (bits - 1)))
    most: int = shape.metadata.get("max", 2 ** (bits - 1) - 1)
    if shape.metadata.keys().isdisjoint({"min", "max"}):
        return _whole_number(least, most, f"a whole number of {bits} bits")
    return _whole_number(least, most, f"a whole number from {least:,} to {most:,}")


def _whole_number(least: int, most: int, rule: str) -> Converter:
    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        plain = _plain(value)
        if plain is ABSENT:
            return plain
        if isinstance(plain, str) and re.fullmatch("-?[0-9]{1,20}", plain.strip(), re.ASCII):
            plain = int(plain)  # a template renders every number as text
        number = isinstance(plain, (int, float, Decimal)) and not isinstance(plain, bool)
        if number and least <= plain <= most and plain == int(plain):
            return int(plain)
        faults.append(Fault(path, rule, describe(value)))
        return ABSENT

    return convert


def _number(shape: Shape) -> Converter:
    least: float = shape.metadata.get("min", -math.inf)
    most: float = shape.metadata.get("max", math.inf)
    limits = "" if shape.metadata.keys().isdisjoint({"min", "max"}) else f" from {least:g} to {most:g}"

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        plain = _plain(value)
        if plain is ABSENT:
            return plain
        if isinstance(plain, str) and len(plain) <= _NUMBER_MAX_DIGITS and _NUMBER.fullmatch(plain.strip()):
            plain = float(plain)
        if isinstance(plain, (int, float, Decimal)) and not isinstance(plain, bool):
            try:
                number = float(plain)
            except OverflowError:
                number = math.inf
            if math.isfinite(number) and least <= number <= most:
                return number
        faults.append(Fault(path, f"must be a number{limits}", describe(value)))
        return ABSENT

    return convert


def _boolean(value: Any, path: str, faults: list[Fault]) -> Any:
    plain = _plain(value)
    if isinstance(plain, bool) or plain is ABSENT:
        return plain
    if isinstance(plain, str) and plain.strip().lower() in {"true", "false"}:
        return plain.strip().lower() == "true"
    faults.append(Fault(path, "must be true or false", describe(value)))
    return ABSENT


def _blob(shape: Shape) -> Converter:
    least: int = shape.metadata.get("min", 0)
    most: int | float = shape.metadata.get("max", math.inf)

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        if isinstance(value, str):
            value = _text(value, path, faults)
            value = value if value is ABSENT else value.encode()
        plain = value if isinstance(value, (bytes, bytearray, memoryview)) else _plain(value)
        if plain is ABSENT:
            return plain
        if not isinstance(plain, (bytes, bytearray, memoryview)):
            return _refuse(value, path, "must be bytes or text", faults)
        content = bytes(plain)
        if not least <= len(content) <= most:
            faults.append(Fault(path, f"{least:,} to {most:,} bytes", f"{len(content):,}"))
        return content

    return convert


def _epoch(value: Any) -> int | None:
    """Return a point in time as epoch seconds, ``None`` if it is something else; UTC if it has no time zone."""
    if isinstance(value, str):
        text = value.strip()
        if _EPOCH.fullmatch(text):
            value = int(text) if len(text) < 20 else None
        elif _ISO_DATE.fullmatch(text):
            try:
                value = datetime.fromisoformat(text)
            except ValueError:
                return None
    if isinstance(value, datetime):
        value = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    elif isinstance(value, date):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return None
    # Compared first: the floor of infinities and of numbers of a million digits cannot be computed in time.
    return math.floor(value) if _EPOCH_RANGE.start <= value < _EPOCH_RANGE.stop else None


_TIME_RULE: Final = "must be a date, a datetime, ISO 8601 text or epoch seconds, in the years 1 to 9999"


def _time(value: Any, path: str, faults: list[Fault]) -> Any:
    value = _plain(value)
    if value is ABSENT:
        return value
    seconds = _epoch(value)
    if seconds is None:
        faults.append(Fault(path, _TIME_RULE, describe(value)))
        return ABSENT
    return seconds


# ------------------------------------------------------------------------------------------------------------
# Maps and structures


def _refuse(value: Any, path: str, rule: str, faults: list[Fault]) -> Any:
    """Refuse what is not a map or list, unless it says that nothing is given."""
    if _plain(value) is not ABSENT:
        faults.append(Fault(path, rule, describe(value)))
    return ABSENT


def _structure(shape: Shape) -> Converter:
    members = {name: converter(member) for name, member in shape.members.items()}
    required = tuple(shape.required_members)

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        if not isinstance(value, Mapping):
            return _refuse(value, path, f"must be a dict with {', '.join(members)}", faults)
        converted = {}
        for name, item in value.items():
            member = members.get(name)
            if member is None:
                faults.append(Fault(key_path(path, name), f"unknown; known are {', '.join(members)}", describe(item)))
            elif (one := member(item, f"{path}.{name}", faults)) is not ABSENT:
                converted[name] = one
        faults += [
            Fault(f"{path}.{name}", "is required", "nothing")
            for name in required
            if name not in converted and _plain(value.get(name)) is ABSENT
        ]
        return converted

    return convert


def _union(shape: Shape) -> Converter:
    structure = _structure(shape)

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        if isinstance(value, Mapping):
            given = [name for name, item in value.items() if _plain(item) is not ABSENT]
            if len(given) != 1:
                rule = f"exactly one of {', '.join(shape.members)}"
                faults.append(Fault(path, rule, f"{len(given)} of them" if given else "nothing"))
                return ABSENT
        return structure(value, path, faults)

    return convert


def _list(shape: Shape) -> Converter:
    member = converter(shape.member)
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", math.inf)

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        if not isinstance(value, (list, tuple)):
            return _refuse(value, path, "must be a list", faults)
        given = [(f"{path}[{index}]", item) for index, item in enumerate(value) if _plain(item) is not ABSENT]
        if not least <= len(given) <= most:
            faults.append(Fault(path, f"{least:,} to {most:,} of them", f"{len(given):,}"))
        converted = [member(item, where, faults) for where, item in given]
        return [item for item in converted if item is not ABSENT]

    return convert


def _map(shape: Shape) -> Converter:
    key_text, value_of = converter(shape.key), converter(shape.value)
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", math.inf)

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        if not isinstance(value, Mapping):
            return _refuse(value, path, "must be a dict", faults)
        given = [(key, item) for key, item in value.items() if _plain(item) is not ABSENT]
        if not least <= len(given) <= most:
            faults.append(Fault(path, f"{least:,} to {most:,} of them", f"{len(given):,}"))
        converted = {}
        for key, item in given:
            where = key_path(path, key)
            pair = key_text(key, where, faults), value_of(item, where, faults)
            if ABSENT not in pair:
                converted[pair[0]] = pair[1]
        return converted

    return convert


def _user_info(shape: Shape) -> Converter:
    structure = _structure(shape)

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        if isinstance(_plain(value), (str, UUID)):
            value = {"UserId": value}
        return structure(value, path, faults) or ABSENT

    return convert


def _entries(value: Mapping[Any, Any]) -> Iterator[tuple[Any, Any]]:
    """Yield keys and values; a key of a class with a text of its own, such as a ``StrEnum``, as plain text."""
    for key, item in value.items():
        yield text_of(key) if isinstance(key, str) else key, item


def _attributes(shape: Shape) -> Converter:
    key_most: int = shape.key.metadata["max"]
    value_most: int = shape.value.metadata["max"]

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        if not isinstance(value, Mapping):
            return _refuse(value, path, "must be a dict of attribute keys and values", faults)
        converted: dict[str, str] = {}
        total = 0
        for key, item in _entries(value):
            if not isinstance(key, str) or not _ATTRIBUTE_KEY.fullmatch(key):
                rule = "attribute keys consist of letters, digits, - and _ (at least one)"
                faults.append(Fault(key_path(path, key), rule, f"as key: {describe(key)}"))
            elif len(key) > key_most:
                faults.append(
                    Fault(key_path(path, key), f"keys of at most {_characters(key_most)}", _characters(len(key)))
                )
            # The value of a key that is not text is checked all the same: all faults at once.
            name = key if isinstance(key, str) else str(key)
            text = item if type(item) is str and item.isascii() else _text(item, key_path(path, key), faults)
            if text is ABSENT:
                continue
            if len(text) > value_most:
                rule = f"at most {_characters(value_most)}"
                faults.append(Fault(key_path(path, key), rule, _characters(len(text))))
            elif not text.isprintable():
                _control_in_lines(text, key_path(path, key), faults)
            total += len(name) + (len(text) if text.isascii() else len(text.encode()))
            converted[name] = text
        if total > ATTRIBUTES_MAX_BYTES:
            rule = f"at most {ATTRIBUTES_MAX_BYTES:,} UTF-8 bytes over all keys and values; shorten or drop attributes"
            faults.append(Fault(path, rule, f"{total:,} bytes"))
        return converted

    return convert


def _references(shape: Shape) -> Converter:
    key_string = _string(shape.key)
    reference = _reference(shape.value)

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        if not isinstance(value, Mapping):
            return _refuse(value, path, "must be a dict of names and references", faults)
        converted: dict[str, dict[str, str]] = {}
        total = 0
        for key, item in _entries(value):
            where = key_path(path, key)
            if isinstance(key, str):
                key_string(key, where, faults)
            else:
                faults.append(Fault(where, "a reference's name must be text", f"as name: {describe(key)}"))
            one = reference(item, where, faults)
            if one is ABSENT:
                continue
            name = key if isinstance(key, str) else str(key)
            total += (_utf8_bytes(name) or 0) + (_utf8_bytes(one.get("Value", "")) or 0)
            converted[name] = one
        if total > REFERENCES_MAX_BYTES:
            rule = f"at most {REFERENCES_MAX_BYTES:,} UTF-8 bytes over all names and values; shorten or drop references"
            faults.append(Fault(path, rule, f"{total:,} bytes"))
        return converted

    return convert


def _reference(shape: Shape) -> Converter:
    members = {name: _string(member) for name, member in shape.members.items()}

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        if not isinstance(value, Mapping):
            value = _plain(value)
            if value is ABSENT:
                return ABSENT
            if isinstance(value, str) and value[:7].lower() == "mailto:":
                # The address of a link, as web pages have it, which may say more than the address.
                address = unquote(value[7:].partition("?")[0])
                value = address if _is_email_address(address) else value
            reference_type, seconds = _infer_reference_type(value)
            if seconds is not None:
                text = str(seconds)
            else:
                text = _date_text(value, path, faults) if reference_type == "DATE" else _text(value, path, faults)
            if text is ABSENT:
                return ABSENT
            return {"Type": reference_type, "Value": members["Value"](text, path, faults)}
        converted = {}
        for name, item in value.items():
            member = members.get(name)
            if member is None:
                rule = f"unknown; a reference has {', '.join(members)}"
                faults.append(Fault(key_path(path, name), rule, describe(item)))
            elif name != "Value" and (one := member(item, f"{path}.{name}", faults)) is not ABSENT:
                converted[name] = one
        if _plain(value.get("Type")) is ABSENT:
            faults.append(Fault(f"{path}.Type", "is required", "nothing"))
        given = _plain(value.get("Value"))
        if given is ABSENT:
            # A file is named by its ARN; any other reference without a value is left out.
            by_arn = "Arn" in converted and converted.get("Type") not in _VALUE_TYPES
            return converted if by_arn and "Type" in converted else ABSENT
        if "Type" not in converted:
            return ABSENT
        text = _reference_text(converted["Type"], given, f"{path}.Value", faults)
        if text is ABSENT:
            return ABSENT
        converted["Value"] = members["Value"](text, f"{path}.Value", faults)
        return converted

    return convert


def _infer_reference_type(value: Any) -> tuple[str, int | None]:
    """Return the type of a reference written short, and the epoch seconds of a date written as text."""
    if isinstance(value, str):
        if _is_url(value):
            return "URL", None
        if _PLAIN_NUMBER.fullmatch(value):
            return "NUMBER", None
        if _ISO_DATE.fullmatch(value) and (seconds := _epoch(value)) is not None:
            return "DATE", seconds
        return "EMAIL" if _is_email_address(value) else "STRING", None
    if isinstance(value, (date, datetime)):
        return "DATE", None
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return "NUMBER", None
    return "STRING", None


def _date_text(value: Any, path: str, faults: list[Fault]) -> Any:
    """DATE must be of type Epoch timestamp."""
    seconds = _time(value, path, faults)
    return seconds if seconds is ABSENT else str(seconds)


def _reference_text(reference_type: str, value: Any, path: str, faults: list[Fault]) -> Any:
    """Return the text of a value whose type was given, if it is of that type."""
    if reference_type == "DATE":
        return _date_text(value, path, faults)
    text = _text(value, path, faults)
    if text is ABSENT:
        return text
    check = _REFERENCE_RULES.get(reference_type)
    if check is not None and not check[0](text):
        faults.append(Fault(path, check[1], describe(value)))
    return text


def _is_url(text: str) -> bool:
    if text.isascii() and _PLAIN_URL.fullmatch(text):
        return True
    if not _URL.fullmatch(text):
        return False
    try:
        parts = urlsplit(text)
        _ = parts.port  # the property raises if the port is not a number
        return bool(parts.hostname)
    except ValueError:
        return False


@functools.cache
def _email_address() -> tuple[re.Pattern[str], int]:
    shape = service_model().shape_for("EmailAddress")
    return re.compile(shape.metadata["pattern"]), shape.metadata["max"]


def _is_email_address(text: str) -> bool:
    if "@" not in text or _NOT_IN_ADDRESS.search(text):
        return False
    pattern, most = _email_address()
    return len(text) <= most and pattern.fullmatch(text) is not None


#: Signs that the model's pattern allows and an address has only in quotes, ``mailto:…``, ``ftp://…@…``, ``<…>``, and
#: those that a host cannot have: ``…@…?subject=…``.
_NOT_IN_ADDRESS: Final = re.compile(r"[:;,<>()\[\]\\\"]|@.*[?/#%&=]")


_REFERENCE_RULES: Final[Mapping[str, tuple[Callable[[str], bool], str]]] = {
    "URL": (_is_url, "must be an http or https URL"),
    "NUMBER": (lambda text: _NUMBER.fullmatch(text) is not None, "must be a number"),
    "EMAIL": (_is_email_address, "must be an e-mail address of at most 255 characters"),
}


def _segment_attributes(shape: Shape) -> Converter:
    string = _string(shape.value.members["ValueString"])
    integer = converter(shape.value.members["ValueInteger"])
    key_most: int = shape.key.metadata["max"]
    kinds = tuple(shape.value.members)

    def convert(value: Any, path: str, faults: list[Fault]) -> Any:
        if not isinstance(value, Mapping):
            return _refuse(value, path, "must be a dict of keys and values", faults)
        before = len(faults)
        converted = {}
        for key, item in _entries(value):
            amazons = isinstance(key, str) and key.startswith(_AMAZONS)
            one = convert_value(item, check_key(key, path, _SEGMENT_ATTRIBUTE_KEY, faults), faults, amazons)
            if one is not ABSENT:
                converted[str(key)] = one
        if len(faults) == before:
            _check_expiry_attribute(converted, path, faults)
        return converted

    def check_key(key: Any, path: str, keys: re.Pattern[str], faults: list[Fault]) -> str:
        where = key_path(path, key)
        if not isinstance(key, str) or not keys.fullmatch(key):
            rule = "segment attribute keys consist of letters, digits, - and _; Amazon's own begin with connect:"
            faults.append(Fault(where, rule, f"as key: {describe(key)}"))
        elif len(key) > key_most:
            faults.append(Fault(where, f"keys of at most {_characters(key_most)}", _characters(len(key))))
        return where

    def convert_value(value: Any, path: str, faults: list[Fault], amazons: bool) -> Any:
        if isinstance(value, Mapping):
            if any(key in kinds for key in value):
                return convert_long(value, path, faults, amazons)
            return {"ValueMap": convert_map(value, path, faults, amazons)}
        value = _plain(value)
        if isinstance(value, int) and not isinstance(value, bool):
            number = integer(value, path, faults)
            return number if number is ABSENT else {"ValueInteger": number}
        text = string(value, path, faults) if value is not ABSENT else value
        return text if text is ABSENT else {"ValueString": text}

    def convert_map(value: Any, path: str, faults: list[Fault], amazons: bool) -> Any:
        converted = {}
        for key, item in _entries(value):
            one = convert_value(item, check_key(key, path, _ATTRIBUTE_KEY, faults), faults, amazons)
            if one is not ABSENT:
                converted[str(key)] = one
        return converted

    def convert_long(value: Mapping[Any, Any], path: str, faults: list[Fault], amazons: bool) -> Any:
        if len(value) != 1:
            faults.append(Fault(path, f"exactly one of {', '.join(kinds)}", describe(value)))
            return ABSENT
        [(kind, item)] = value.items()
        if _plain(item) is ABSENT:
            return ABSENT
        where = f"{path}.{kind}"
        if kind in {"ValueArn", "ValueList"} and not amazons:
            rule = "only Amazon's own segment attributes, which begin with connect:, can hold it"
            faults.append(Fault(where, rule, describe(item)))
        if kind == "ValueMap":
            if not isinstance(item, Mapping):
                return _refuse(item, where, "must be a dict of keys and values", faults)
            one = convert_map(item, where, faults, amazons)
        elif kind == "ValueList":
            if not isinstance(item, (list, tuple)):
                return _refuse(item, where, "must be a list", faults)
            members = [convert_value(each, f"{where}[{index}]", faults, amazons) for index, each in enumerate(item)]
            one = [member for member in members if member is not ABSENT]
        elif kind == "ValueInteger":
            one = integer(item, where, faults)
        else:
            one = string(item, where, faults)
            if kind == "ValueArn" and isinstance(one, str) and not _ARN.fullmatch(one):
                faults.append(Fault(where, "must be an ARN", describe(item)))
        return one if one is ABSENT else {kind: one}

    return convert


def _check_expiry_attribute(converted: Mapping[str, Any], path: str, faults: list[Fault]) -> None:
    """To set contact expiry, a ValueMap must be specified containing the integer number of minutes."""
    expiry = converted.get(EXPIRY_ATTRIBUTE)
    if expiry is None:
        return
    minutes = expiry.get("ValueMap", {}).get("ExpiryDuration", {}).get("ValueInteger", 0)
    if minutes < 1:
        rule = 'takes {"ExpiryDuration": a whole number of minutes, at least 1}'
        faults.append(Fault(f"{path}.{EXPIRY_ATTRIBUTE}", rule, "another value"))


_BY_TYPE: Final[Mapping[str, Callable[[Any], Converter]]] = {
    "blob": _blob,
    "boolean": lambda _shape: _boolean,
    "double": _number,
    "float": _number,
    "integer": _integer,
    "list": _list,
    "long": _integer,
    "map": _map,
    "string": _string,
    "structure": lambda shape: _union(shape) if shape.is_tagged_union else _structure(shape),
    "timestamp": lambda _shape: _time,
}
_BY_SHAPE: Final[Mapping[str, Callable[[Any], Converter]]] = {
    "Attributes": _attributes,
    "ClientToken": _client_token,
    "ContactId": _contact_id,
    "ContactReferences": _references,
    "ExpiryDurationInMinutes": lambda _shape: _whole_number(1, 2**31 - 1, "a whole number of minutes, at least 1"),
    "InstanceId": _instance_id,
    "Name": _name,
    "PhoneNumber": lambda _shape: _phone_number,
    "SegmentAttributes": _segment_attributes,
    "UserInfo": _user_info,
}

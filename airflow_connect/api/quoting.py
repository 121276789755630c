"""
What a message may quote of Amazon's words: nothing that a request holds, except what identifies something.

A message of the service quotes values: whole, in part, or in another spelling. Escapes are taken out of it, and what is
found of the values is struck out. Then the rest is read in every spelling that is known here (another case, split or
joined by white space, without accents or punctuation, URL-encoded, escaped for JSON or HTML, between tags,
quoted-printable, Base64, Base32, hexadecimal, the numbers of its characters, and these in one another). If anything of
a value is still in it, nothing of the message is quoted. This module knows no operation and no client.
"""

from __future__ import annotations

import base64
import functools
import html
import itertools
import re
import sys
import unicodedata
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, unquote_plus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["FRAGMENT", "Contents"]

#: Characters of a value that are enough to recognise it. A shorter value is recognised as a whole word.
FRAGMENT: Final = 8
#: Characters of the service's message that are read, and those that are quoted.
READ: Final = 4_000
QUOTED: Final = 300

_STRUCK: Final = "***"
#: Letters that are left of a fragment at least, so that it says something: white space and accents do not count.
_LEAST_LETTERS: Final = 4
#: How often a text may have been escaped.
_MOST_ESCAPES: Final = 10
#: Spellings of a message that are tried; one that has more cannot be decided.
_MOST_SPELLINGS: Final = 64
#: What belongs together in a message.
_WORD: Final = re.compile(r"""[^\s"'`<>()\[\]{}:,;=]+""")
_ESCAPE: Final = re.compile(
    r"(?:\\|%(?=u))(?:u([0-9a-f]{4})|u\{([0-9a-f]{1,6})\}|(?-i:U)([0-9a-f]{8}))"
    r"|\\(?:x([0-9a-f]{2})|([0-3][0-7]{2})|(.))",
    re.IGNORECASE | re.DOTALL,
)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{10,}")
_BASE32: Final = re.compile(r"[A-Z2-7]{13,}")
_HEXADECIMAL: Final = re.compile(r"(?:[0-9a-f]{2}){8,}", re.IGNORECASE)
_QUOTED_PRINTABLE: Final = re.compile(rb"(?:=[0-9A-Fa-f]{2})+")
#: What a text in UTF-8 that is not ASCII looks like, if its bytes are taken for characters.
_BYTES: Final = re.compile(r"[\x80-\xff]{2,}")
_TAG: Final = re.compile(r"<[^<>]*>")
_NUMBER: Final = re.compile(r"[0-9A-Za-z]+")
_TEXT: Final = re.compile(rf"[^\ufffd]{{{FRAGMENT},}}")
# Validation messages quote the value: "Value '…' at 'name' failed to satisfy constraint".
_QUOTED_VALUE: Final = re.compile(r"value\s+'.*'\s+at\s", re.IGNORECASE | re.DOTALL)


class Contents:
    """
    What a message must not show.

    :param texts: each value, and each name that comes from data
    """

    def __init__(self, texts: Iterable[str]) -> None:
        #: Parts of the values as they are, and as :func:`_fold` gives them.
        self._fragments: set[str] = set()
        self._words: set[str] = set()
        texts = set(texts)
        for text in texts | set(map(_plain, texts)):
            self._add(_one_line(text))
        self._lengths = sorted({len(fragment) for fragment in self._fragments}, reverse=True)

    def _add(self, text: str) -> None:
        folded = [_fold(character) for character in text]
        if len(text) < FRAGMENT:
            word = "".join(letter or " " for letter in folded)
            if any(letter.isalnum() for letter in word):
                self._words.update(_folded(one, _is_letter)[0] for one in _encoded(text))
                self._words.add(" ".join(word.split()))
            return
        self._fragments.update(_windows(text))
        parts = ("".join(folded[start : start + FRAGMENT]) for start in range(len(text) - FRAGMENT + 1))
        self._fragments.update(part for part in parts if len(part) >= _LEAST_LETTERS)
        self._fragments.update(_windows("".join(filter(str.isalnum, "".join(folded)))))

    def struck_from(self, message: str) -> str:
        """
        Return a message of the service on one line, with ``***`` for what it must not show.

        :param message: the service's words
        :return: at most 300 characters; empty text if it cannot be decided whether something would be shown
        """
        message = _one_line(_QUOTED_VALUE.sub(f"Value {_STRUCK} at ", _plain(message[:READ])))
        # It leaves letters as they are, so that a part of a value would be struck out, and the rest of it would stay.
        printable = _from_quoted_printable(message)
        if printable != message and self._shown(printable):
            return ""
        message = self._strike(message).rstrip(".")
        message = message if len(message) <= QUOTED else f"{message[:QUOTED]}…"
        says_nothing = not any(map(str.isalnum, message))
        return "" if says_nothing or self.are_in(message) else message

    def are_in(self, text: str) -> bool:
        """Return whether a text shows any of it, in any spelling; also if that cannot be decided."""
        spellings = _spellings(text)
        return spellings is None or any(map(self._shown, spellings)) or any(True for _ in self._found_words(text))

    def _shown(self, text: str) -> bool:
        text = _one_line(text)
        for read in (text, *(_folded(text, keep)[0] for keep in (_is_letter, str.isalnum))):
            for length in self._lengths:
                if not self._fragments.isdisjoint(_windows(read, length)):
                    return True
        # A letter or two turn up in any bytes that are decoded and are not text.
        return any(end - start >= _LEAST_LETTERS for start, end in self._found_words(text))

    def _found(self, text: str) -> Iterator[tuple[int, int]]:
        for length in self._lengths:
            for start, window in enumerate(_windows(text, length)):
                if window in self._fragments:
                    yield start, start + length

    def _found_words(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield where whole words stand in a text, as places in the text."""
        folded, places = _folded(text, lambda _letter: True)
        for word in self._words:
            if word in folded:
                for found in re.finditer(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])", folded):
                    yield places[found.start()], places[found.end() - 1] + 1

    def _strike(self, message: str) -> str:
        struck = set(itertools.chain.from_iterable(itertools.starmap(range, self._places(message))))
        # The whole of a word of which a part is struck out: what is left of it would be a part of the value.
        words = (range(*found.span()) for found in _WORD.finditer(message))
        struck.update(*(word for word in words if not struck.isdisjoint(word)))
        marked = "".join(
            "\0" if place in struck and character != " " else character for place, character in enumerate(message)
        )
        return re.sub(r"\0[\s\0]*(?<=\0)", _STRUCK, marked)

    def _places(self, message: str) -> Iterator[tuple[int, int]]:
        yield from self._found(message)
        for keep in (_is_letter, str.isalnum):
            folded, places = _folded(message, keep)
            for start, end in self._found(folded):
                yield places[start], places[end - 1] + 1
        yield from self._found_words(message)


def _windows(text: str, length: int = FRAGMENT) -> list[str]:
    return [text[start : start + length] for start in range(len(text) - length + 1)]


def _one_line(text: str) -> str:
    """Return a text on one line, without what cannot be seen."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    text = "".join(" " if unicodedata.category(one) in {"Cc", "Zl", "Zp"} else one for one in text)
    return " ".join("".join(one for one in text if unicodedata.category(one) != "Cf").split())


@functools.lru_cache(4_096)
def _fold(character: str) -> str:
    """Return what a character has in common with its other spellings; nothing for white space and accents."""
    plain = unicodedata.normalize("NFKD", character.upper()).casefold()
    return "".join(one for one in plain if unicodedata.category(one)[0] not in "ZM" and not one.isspace())


def _is_letter(letter: str) -> bool:
    return letter != " "


def _folded(text: str, keep: Callable[[str], bool]) -> tuple[str, list[int]]:
    """Return a text folded, white space as a space, as far as it is kept, and the place of each letter in the text."""
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for letter in " " if character.isspace() else _fold(character):
            if keep(letter):
                letters.append(letter)
                places.append(place)
    return "".join(letters), places


# ------------------------------------------------------------------------------------------------------------
# Spellings


def _spellings(text: str) -> set[str] | None:
    """Return a text and all that it may be another spelling of, ``None`` if that is more than can be read."""
    found = {text}
    pending = [text]
    while pending:
        one = pending.pop()
        for decode in _DECODERS:
            decoded = decode(one)
            if decoded and decoded not in found:
                found.add(decoded)
                pending.append(decoded)
        if len(found) > _MOST_SPELLINGS:
            return None
    return found


def _plain(text: str) -> str:
    """Return a text without the escapes of JSON, URLs and HTML, so that what they stand for can be struck out."""
    for _ in range(_MOST_ESCAPES):
        before, text = text, _BYTES.sub(_from_bytes, html.unescape(unquote(_without_escapes(text))))
        if text == before:
            break
    return text


def _from_bytes(found: re.Match[str]) -> str:
    """Return the characters of bytes that stand in a text one by one."""
    try:
        return found[0].encode("latin-1").decode()
    except UnicodeDecodeError:
        return found[0]


def _joined(text: str) -> str:
    return "".join(text.split())


def _without_escapes(text: str) -> str:
    def unescape(found: re.Match[str]) -> str:
        *hexadecimal, octal, letter = found.groups()
        if letter:
            return " " if letter in "nrtbfNRTBF" else letter
        code = int(octal, 8) if octal else int("".join(filter(None, hexadecimal)), 16)
        return chr(code) if code <= sys.maxunicode else " "

    # Two escapes may be the halves of one character.
    return _ESCAPE.sub(unescape, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _from_base64(text: str) -> str:
    """Return what stands in Base64 in a text, wherever in a word it begins."""
    decoded = b""
    for word in _BASE64.findall(text):
        for start in range(4):
            part = word[start:].translate({ord("-"): "+", ord("_"): "/"})
            part = part[: len(part) - (len(part) % 4 == 1)]
            decoded += base64.b64decode(part + "=" * (-len(part) % 4)) + b"\n"
    return _texts_in(decoded)


def _from_base32(text: str) -> str:
    decoded = b""
    for word in _BASE32.findall(text):
        for start in range(8):
            part = word[start:]
            part = part[: len(part) - {1: 1, 3: 1, 6: 1}.get(len(part) % 8, 0)]
            decoded += base64.b32decode(part + "=" * (-len(part) % 8)) + b"\n"
    return _texts_in(decoded)


def _from_quoted_printable(text: str) -> str:
    return _QUOTED_PRINTABLE.sub(lambda found: bytes.fromhex(found[0].decode().replace("=", "")), text.encode()).decode(
        "utf-8", "replace"
    )


def _from_numbers(text: str) -> str:
    """Return what many numbers in a row stand for as characters, or as bytes, in each base that they may have."""
    found = []
    for base in (2, 8, 10, 16):
        run: list[int] = []
        for token in (*_NUMBER.findall(text), "end"):
            try:
                run.append(int(token.removeprefix("u"), base))
            except ValueError:
                if len(run) >= FRAGMENT:
                    found.append("".join(chr(one) if one <= sys.maxunicode else " " for one in run))
                    found.append(bytes(one if one < 256 else 0 for one in run).decode("utf-8", "replace"))
                run = []
    return "\n".join(found).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _without_tags(text: str) -> str:
    return _TAG.sub("", text)


def _encoded(text: str) -> list[str]:
    """Return encodings of a text that are too short to be recognised as such."""
    data = text.encode("utf-8", "replace")
    encoded = (base64.b64encode(data), base64.urlsafe_b64encode(data), base64.b32encode(data))
    return [data.hex(), *(one.decode().rstrip("=") for one in encoded)] if len(data) > 2 else []


def _from_hexadecimal(text: str) -> str:
    return _texts_in(b"\n".join(map(bytes.fromhex, _HEXADECIMAL.findall(text))))


def _texts_in(decoded: bytes) -> str:
    """Return what can be text in bytes that may be anything."""
    return "\n".join(_TEXT.findall(decoded.decode("utf-8", "replace")))


_DECODERS: Final[tuple[Callable[[str], str], ...]] = (
    _joined,
    str.lower,
    unquote,
    unquote_plus,
    html.unescape,
    _without_escapes,
    _from_base64,
    _from_base32,
    _from_hexadecimal,
    _from_quoted_printable,
    _from_numbers,
    _without_tags,
)

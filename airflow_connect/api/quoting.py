"""
What a message may quote of Amazon's words: nothing that a request holds, except what identifies something.

A message of the service quotes values: whole, in part, or in another spelling. Escapes are taken out of it, and what is
found of the values is struck out. Then the rest is read in every spelling that is known here (another case, split or
joined by white space, without accents or punctuation, URL-encoded, escaped for JSON or HTML, Base64, hexadecimal, and
these in one another). If anything of a value is still in it, nothing of the message is quoted. This module knows no
operation and no client.
"""

from __future__ import annotations

import base64
import functools
import html
import itertools
import re
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
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-f]{4})|x([0-9a-f]{2})|(.))", re.IGNORECASE | re.DOTALL)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{10,}")
_HEXADECIMAL: Final = re.compile(r"(?:[0-9a-f]{2}){8,}", re.IGNORECASE)
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
        before, text = text, html.unescape(unquote(_without_escapes(text)))
        if text == before:
            break
    return text


def _joined(text: str) -> str:
    return "".join(text.split())


def _without_escapes(text: str) -> str:
    def unescape(found: re.Match[str]) -> str:
        if code := found[1] or found[2]:
            return chr(int(code, 16))
        return " " if found[3] in "nrtbfNRTBF" else found[3]

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
    _from_hexadecimal,
)

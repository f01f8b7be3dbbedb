r"""Reading the string form of names (RFC 4514 §3), as people really paste it.

Beyond the RFC it takes spaces around ``,``, ``+`` and ``=``, quoted values (RFC 2253 §4), ``OID.`` before a
dotted type, more keywords than nine, and ``subject=`` in front, which openssl prints. What could be read in
two ways is refused: semicolons, unescaped quotes and control characters, and openssl's ``/C=../O=..``.
"""

from __future__ import annotations

import re
from typing import Final

import attrs

from mtlsd.pki import der
from mtlsd.pki.attributes import BY_KEYWORD, MOST_ATTRIBUTES
from mtlsd.pki.printable import printable

_MOST_CHARACTERS: Final = 65536
_SHOWN_CHARACTERS: Final = 40

_LABEL: Final = re.compile(r" *subject *[=:](?= *[\w.]+ *=)", re.IGNORECASE)
_ONELINE: Final = re.compile(r"(?: *subject *[=:])? */ *[\w.]+ *=", re.IGNORECASE)
_TYPE: Final = re.compile(r" *([^=,+;]*)(=?) *")
_OID: Final = re.compile(
    r"(?:OID\.)?((?:[01]\.[1-3]?[0-9]|2\.(?:0|[1-9][0-9]*))(?:\.(?:0|[1-9][0-9]*))*)", re.I
)
_HEX: Final = re.compile(r"#([^ ,+;]*)")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_PIECE: Final = re.compile(
    r"(?P<plain>[^\\\",+;<>\x00-\x1f\x7f-\x9f]+)|\\(?P<special>[ \"#+,;<=>\\])|\\(?P<octet>[0-9A-Fa-f]{2})"
)
_PIECE_IN_QUOTES: Final = re.compile(_PIECE.pattern.replace(",+;<>", ""))

_REMEDIES: Final = {
    ";": "Separate with commas; write a semicolon of a value as \\;.",
    "<": "Write it as \\<.",
    ">": "Write it as \\>.",
    '"': 'Put the quotes around the whole value, or write a quote of the value as \\".',
    "\\": 'After a backslash come two hexadecimal digits, a space or one of ,+"\\<>;=#.',
}
_ONELINE_REMEDY: Final = "Print the subject with: openssl x509 -noout -subject -nameopt RFC2253 -in FILE"


@attrs.frozen
class Token:
    """An attribute as it was written.

    :ivar value: the text, or the DER of a value that is no text.
    :ivar written: the part of the string that it was read from.
    :ivar position: where that begins, counted in characters from 1.
    """

    oid: str
    value: str | bytes
    written: str
    position: int

    def mistake(self, what: str, remedy: str) -> ValueError:
        """An error about this token."""
        return _mistake(self.written, self.position - 1, what, remedy)


def parse(text: str) -> tuple[tuple[Token, ...], ...]:
    """The levels of a name in the order that they are written, the least significant first.

    :raises ValueError: where it is no name; the message has the token, its position and the remedy.
    """
    _check_whole(text)
    text = _without_line_end(text)
    label = _LABEL.match(text)
    position = label.end() if label else 0
    levels: list[tuple[Token, ...]] = []
    level: tuple[Token, ...] = ()
    for _ in range(MOST_ATTRIBUTES):
        token, position = _attribute(text, position)
        level = (*level, token)
        separator = text[position : position + 1]
        if separator != "+":
            levels.append(level)
            level = ()
        if not separator:
            return tuple(levels)
        position += 1
    raise _mistake(text[position:], position, "no name has so many attributes", "Write one name.")


def _check_whole(text: str) -> None:
    """Refuse what is not a name at all."""
    if not text.strip():
        raise ValueError("The name is empty, and an empty name matches nothing. Write it as CN=a,O=b.")
    if len(text) > _MOST_CHARACTERS:
        raise _mistake(text, 0, "it is longer than any name", f"Write at most {_MOST_CHARACTERS} characters.")
    if _ONELINE.match(text):
        raise _mistake(text, 0, "slashes separate it, as in openssl's old form", _ONELINE_REMEDY)
    for position, character in enumerate(text):
        if "\ud800" <= character <= "\udfff":
            raise _mistake(character, position, "this is half of a character", "Write it whole.")


def _without_line_end(text: str) -> str:
    """Without the line break, and what follows it, that copying took along. A space before may be escaped."""
    end = len(text.rstrip(" \t\r\n"))
    while end < len(text) and text[end] not in "\r\n":
        end += 1
    return text[:end]


def _attribute(text: str, start: int) -> tuple[Token, int]:
    """The attribute that begins at `start`, and where the separator after it or the end is."""
    match = _TYPE.match(text, start)
    assert match is not None  # every part of it may be absent
    written, position = match[1].rstrip(" "), match.end()
    if match[2] != "=":
        raise _mistake(
            written,
            match.start(1),
            "this has no =",
            "Write type=value, and a comma or plus sign that belongs to the value before it as \\, or \\+.",
        )
    oid = _object_identifier(written, match.start(1))
    if text.startswith("#", position):
        value, end = _hexadecimal(text, position)
    elif text.startswith('"', position):
        value, end = _quoted(text, position)
    else:
        value, end = _string(text, position)
    token = Token(oid, value, text[match.start(1) : end].rstrip(" "), match.start(1) + 1)
    if not value:
        raise token.mistake("its value is empty", "Give it a value, or leave the attribute out.")
    return token, end


def _object_identifier(written: str, position: int) -> str:
    """The OID of a type that is written as keyword or OID."""
    known = BY_KEYWORD.get(written.lower())
    if known is not None:
        return known.oid
    match = _OID.fullmatch(written)
    if match is None:
        raise _mistake(
            written,
            position,
            "this is not an attribute type that is known",
            "Write its dotted OID instead, which openssl x509 -noout -subject -nameopt RFC2253,oid prints.",
        )
    return match[1]


def _hexadecimal(text: str, start: int) -> tuple[str | bytes, int]:
    """A value in its encoding, ``#`` and hexadecimal digits (RFC 4514 §2.4)."""
    match = _HEX.match(text, start)
    assert match is not None  # the caller has seen the number sign
    try:
        element = der.element(bytes.fromhex(match[1] if match[1].isalnum() else "?"))
        value = der.text_of(element)
    except ValueError:
        raise _mistake(
            match[0],
            start,
            "these are not the hexadecimal digits of a value in DER",
            "Write a number sign that begins a text as \\#.",
        ) from None
    return element.encoded if value is None else value, _end(text, match.end())


def _quoted(text: str, start: int) -> tuple[str, int]:
    """A value in quotation marks (RFC 2253 §4)."""
    match = _QUOTED.match(text, start)
    if match is None:
        raise _mistake(text[start:], start, "the quote is never closed", 'Close it, or write it as \\".')
    value, end, _ = _pieces(text, start + 1, match.end() - 1, _PIECE_IN_QUOTES)
    if end != match.end() - 1:
        raise _unreadable(text, end)
    return value, _end(text, match.end())


def _string(text: str, start: int) -> tuple[str, int]:
    """A value with its escapes; spaces at its end that are not escaped do not belong to it."""
    value, end, trailing = _pieces(text, start, len(text), _PIECE)
    return value[: len(value) - trailing], _end(text, end)


def _pieces(text: str, start: int, end: int, piece: re.Pattern[str]) -> tuple[str, int, int]:
    """The text that is written from `start` on, where reading stops, and how many spaces end it unescaped."""
    octets = bytearray()
    position, trailing = start, 0
    while (match := piece.match(text, position, end)) is not None:
        trailing = 0
        if match["plain"]:
            octets += match["plain"].encode()
            trailing = len(match["plain"]) - len(match["plain"].rstrip(" "))
        elif match["special"]:
            octets += match["special"].encode()
        else:
            octets.append(int(match["octet"], 16))
        position = match.end()
    try:
        return octets.decode(), position, trailing
    except UnicodeDecodeError:
        raise _mistake(
            text[start:position],
            start,
            "its escaped octets are not UTF-8",
            "Escape every octet of its UTF-8.",
        ) from None


def _end(text: str, position: int) -> int:
    """Where the separator after a value is; nothing but spaces may stand before it."""
    while text.startswith(" ", position):
        position += 1
    if text[position : position + 1] not in ("", ",", "+"):
        raise _unreadable(text, position)
    return position


def _unreadable(text: str, position: int) -> ValueError:
    """What stands at `position` cannot be read."""
    token = text[position : position + (3 if text[position] == "\\" else 1)]
    remedy = _REMEDIES.get(text[position], "Put a comma before it.")
    if not text[position].isprintable():
        remedy = f"Leave it out, or write it as {printable(text[position])}."
    return _mistake(token, position, "this cannot stand here", remedy)


def _mistake(token: str, position: int, what: str, remedy: str) -> ValueError:
    shown = token if len(token) <= _SHOWN_CHARACTERS else token[:_SHOWN_CHARACTERS] + "..."
    return ValueError(f"{shown!r} at character {position + 1}: {what}. {remedy}")

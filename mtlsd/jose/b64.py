"""base64url and base64 as JOSE uses them: without line breaks, and read strictly.

The standard library's decoders skip what they do not know. Here nothing is skipped: one value has one
spelling, so two texts that differ never stand for the same bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import string

_TO_URL = bytes.maketrans(b"+/", b"-_")
_ALPHANUMERIC = string.ascii_letters + string.digits
_STANDARD = frozenset(_ALPHANUMERIC + "+/")
_URL = frozenset(_ALPHANUMERIC + "-_")


def encode(data: bytes) -> bytes:
    """base64url without padding (RFC 7515 section 2), as ASCII bytes."""
    return binascii.b2a_base64(data, newline=False).translate(_TO_URL, b"=")


def encode_text(data: bytes) -> str:
    """base64url without padding, as a string."""
    return encode(data).decode("ascii")


def sha256_text(data: bytes) -> str:
    """The SHA-256 in base64url without padding; of a certificate that is its `x5t#S256` (RFC 8705)."""
    return encode_text(hashlib.sha256(data).digest())


def decode(text: object) -> bytes:
    """The bytes of base64url without padding (RFC 7515 section 2).

    :raises ValueError: for anything else, saying what is wrong but not with which text: it may be a secret.
    """
    value = _checked(text, _URL)
    data = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    _require_canonical(value, encode(data))
    return data


def encode_standard(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 section 4), as a string."""
    return base64.b64encode(data).decode("ascii")


def decode_standard(text: object) -> bytes:
    """The bytes of standard base64 with padding, which ``x5c`` has (RFC 7517 section 4.7).

    :raises ValueError: for anything else, saying what is wrong.
    """
    if isinstance(text, str) and text.lstrip().startswith("-----"):
        raise ValueError("is PEM: give only what stands between the BEGIN and END lines, without line breaks")
    if isinstance(text, str) and ("-" in text or "_" in text):
        raise ValueError("is base64url, where standard base64 is wanted")
    value = _checked(text.rstrip("=") if isinstance(text, str) else text, _STANDARD)
    padded = value + "=" * (-len(value) % 4)
    if text != padded:
        raise ValueError("has the wrong padding at its end")
    data = base64.b64decode(padded)
    _require_canonical(padded, base64.b64encode(data))
    return data


def _checked(text: object, alphabet: frozenset[str]) -> str:
    if not isinstance(text, str):
        raise ValueError("is not a string")
    if not text:
        raise ValueError("is empty")
    for position, character in enumerate(text):
        if character not in alphabet:
            raise ValueError(f"has {_name(character)} at position {position}")
    if len(text) % 4 == 1:
        raise ValueError("is cut short")
    return text


def _name(character: str) -> str:
    if character == "=":
        return "padding (=)"
    if character.isspace():
        return "white space"
    return f"the character U+{ord(character):04X}"


def _require_canonical(text: str, again: bytes) -> None:
    """Refuse a last character that carries bits which no byte has (RFC 4648 section 3.5)."""
    if again != text.encode("ascii"):
        raise ValueError("has stray bits in its last character")

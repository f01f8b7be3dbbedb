"""How users and passwords are written, so that one text is one user on every keyboard."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

LONGEST_NAME: Final = 128
LONGEST_PASSWORD: Final = 256
"""In characters; what is longer is refused before anything is computed."""

_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._@+-]{{0,{LONGEST_NAME - 1}}}")


def check_name(name: str) -> str:
    """The name of a user in a users file.

    :raises ValueError: saying what a name is made of. Nothing of it can mean anything in a file, on a page
        or in a log.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"a user's name has letters a-z, digits and . _ @ + -, and at most {LONGEST_NAME} of them"
        )
    return name


def prepared_password(password: str) -> str:
    """The password as it is hashed: in Unicode's form C, as RFC 8265 section 4.2 has it.

    The same key press gives `é` in one code point on one system and in two on another.
    """
    return unicodedata.normalize("NFC", password)


def check_password(password: str) -> str:
    """A password that somebody chose, prepared.

    :raises ValueError: it is too short or too long, or has a control character.
    """
    prepared = prepared_password(password)
    if not 8 <= len(prepared) <= LONGEST_PASSWORD:
        raise ValueError(f"a password has from 8 to {LONGEST_PASSWORD} characters")
    if any(unicodedata.category(character) == "Cc" for character in prepared):
        raise ValueError("a password has no control characters")
    return prepared

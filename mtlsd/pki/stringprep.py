"""Preparing strings for comparison (RFC 4518).

The steps are transcode (done by whoever read the string), map, normalize, prohibit, check bidi (nothing to
do, §2.5) and insignificant space handling. Characters are those of Unicode 3.2, as the RFC says: one assigned
later is prohibited, so a comparison cannot change with the Python that runs it.

In one thing this is stricter than the RFC. It maps control characters to nothing, which makes ``adm\\0in``
equal ``admin``; here those that are no white space are prohibited.
"""

from __future__ import annotations

import re
from typing import Final
from unicodedata import ucd_3_2_0

# Normalizing takes quadratic time where combining marks stand in a bad order. X.520 allows 64 to 128
# characters in most attributes, and 1024 in the longest that names have.
_MOST_CHARACTERS: Final = 1024

# RFC 4518 §2.2, without its control characters.
_MAPPED_TO_NOTHING: Final = re.compile(
    "[\u00ad\u034f\u1806\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2063\u206a-\u206f\ufe00-\ufe0f\ufeff"
    "\ufff9-\ufffc\u06dd\u070f\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
_MAPPED_TO_SPACE: Final = re.compile(
    "[\t\n\v\f\r\x85\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]"
)
_PROHIBITED_CATEGORIES: Final = frozenset(("Cc", "Cn", "Co", "Cs"))
_MARKS: Final = frozenset(("Mn", "Mc", "Me"))


def prepare(text: str) -> str | None:
    """`text` as caseIgnoreMatch and caseIgnoreIA5Match compare it, folded and with its spaces in order.

    :returns: None where it has a prohibited character: the comparison is Undefined then, and an Undefined
        comparison never matches (RFC 4517 §4.1). Also for text of more than 1024 characters that are not all
        printable ASCII.
    """
    if text.isascii() and text.isprintable():
        return _spaced(text.lower().split(" "))
    if len(text) > _MOST_CHARACTERS:
        return None
    normal = ucd_3_2_0.normalize("NFKC", _MAPPED_TO_SPACE.sub(" ", _MAPPED_TO_NOTHING.sub("", text)))
    if len(normal) > _MOST_CHARACTERS or any(_is_prohibited(character) for character in normal):
        return None
    return _spaced(_words(_fold(normal)))


def _is_prohibited(character: str) -> bool:
    """RFC 4518 §2.4: unassigned, private use, surrogates, REPLACEMENT CHARACTER; and controls (see above).

    What changes display (RFC 3454 table C.8) does not get here: it is mapped or normalized away before.
    """
    return character == "\ufffd" or ucd_3_2_0.category(character) in _PROHIBITED_CATEGORIES


def _fold(text: str) -> str:
    """Case folding that stays folded under NFKC (RFC 3454 §3.2, appendix B.2)."""
    for _ in range(2):
        text = ucd_3_2_0.normalize("NFKC", text.casefold())
    return text


def _words(text: str) -> list[str]:
    """`text` split at its spaces; a space that carries a combining mark is none (RFC 4518 §2.6.1)."""
    if text.isascii():
        return text.split(" ")
    words = [""]
    for character, following in zip(text, text[1:] + " ", strict=True):
        if character == " " and ucd_3_2_0.category(following) not in _MARKS:
            words.append("")
        else:
            words[-1] += character
    return words


def _spaced(words: list[str]) -> str:
    """RFC 4518 §2.6.1: one space before and after, two for every run between."""
    return f" {'  '.join(filter(None, words))} "

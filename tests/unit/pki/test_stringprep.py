"""String preparation (R36, RFC 4518)."""

from __future__ import annotations

import stringprep
import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from mtlsd.pki.stringprep import prepare

UNICODE_3_2 = unicodedata.ucd_3_2_0


def _by_the_tables(character: str) -> str:
    """One character, which is neither space nor control, by RFC 3454's table B.2 and NFKC."""
    return UNICODE_3_2.normalize("NFKC", stringprep.map_table_b2(character))


def test_the_example_of_the_rfc() -> None:
    """RFC 4518 §2.6.1 and its appendix B."""
    assert prepare("foo bar  ") == " foo  bar "
    assert prepare("   foo   BAR") == " foo  bar "


def test_nothing_but_spaces_gives_two() -> None:
    assert prepare("") == prepare("   ") == prepare("\u00a0\u3000") == "  "


def test_white_space_is_space() -> None:
    """RFC 4518 §2.2: every separator, and the control characters that are white space."""
    for space in "\t\n\v\f\r\x85\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000":
        assert prepare(f"a{space}b") == " a  b ", repr(space)


def test_what_formats_is_nothing() -> None:
    for nothing in "\u00ad\u034f\u1806\u180b\u200b\u200d\u202e\u2060\u206a\ufe0f\ufeff\ufffc\U000e0041":
        assert prepare(f"a{nothing}b") == " ab ", repr(nothing)


def test_control_characters_are_prohibited() -> None:
    """Stricter than RFC 4518, which would let a NUL vanish: adm<NUL>in must not become admin."""
    for code_point in (*range(9), *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0)):
        assert prepare(f"adm{chr(code_point)}in") is None, hex(code_point)


def test_prohibited_characters_are_undefined() -> None:
    """RFC 4518 §2.4: unassigned in Unicode 3.2, private use, surrogates, and the replacement character."""
    for prohibited in "\U0001f600\u20b9\ue000\ufffd\uffff\ud800\U0010ffff":
        assert prepare(f"a{prohibited}") is None, repr(prohibited)


def test_compatibility_and_case_are_folded() -> None:
    assert prepare("Straße") == prepare("STRASSE") == " strasse "
    assert prepare("\u212bngström") == prepare("A\u030angstro\u0308m") == " ångström "
    assert prepare("ＡＣＭＥ") == " acme "
    assert prepare("\u2120") == " sm "  # a sign that folds only after it is normalized
    assert prepare("ΣΑΣ") == prepare("σας")


def test_a_space_with_a_mark_is_no_space() -> None:
    """RFC 4518 §2.6.1: a space is U+0020 that no combining mark follows."""
    assert prepare("a \u0301b") == " a \u0301b "
    assert prepare("a  \u0301b") == " a   \u0301b "
    assert prepare("a\u00b4b") == " a \u0301b "  # an accent of its own normalizes to such a space


def test_every_character_as_the_tables_have_it() -> None:
    """The whole of Unicode 3.2 against RFC 3454's tables as Python has them.

    Cherokee alone differs: it had no case then, and folds to its upper case since.
    """
    different = set()
    for code_point in range(0x21, sys.maxunicode + 1):
        character = chr(code_point)
        category = UNICODE_3_2.category(character)
        if category.startswith(("C", "Z", "M")) or character in "\u00ad\u1806\ufffc\ufffd":
            continue
        prepared = prepare(character)
        assert prepared is not None, hex(code_point)
        if prepared.replace("  ", " ").strip(" ") != _by_the_tables(character).strip(" "):
            different.add(unicodedata.name(character).partition(" ")[0])
    assert different <= {"CHEROKEE"}


@given(st.text())
def test_prepared_stays_prepared(text: str) -> None:
    """Except where a mark comes first (the space that is put before it is no space to RFC 4518), and where
    the folded letter came after Unicode 3.2.
    """
    prepared = prepare(text)
    if prepared is not None and not UNICODE_3_2.category(prepared[1]).startswith("M"):
        assert prepare(prepared) in (prepared, None)


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
def test_ascii_goes_both_ways_alike(text: str) -> None:
    """The fast way for printable ASCII and the slow one agree."""
    slow = prepare(text + "\u200b")
    assert slow == prepare(text)


def test_hostile_text_is_bounded() -> None:
    """Normalizing is quadratic in marks out of order, and one character can become eighteen."""
    assert prepare("a" + "\u0301\u0323" * 512) is None
    assert prepare("\ufdfa" * 1024) is None
    assert prepare("a" * 2000) == f" {'a' * 2000} "

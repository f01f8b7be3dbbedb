"""A distinguished name equals itself through every spelling, and no other (R34, R35)."""

from __future__ import annotations

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mtlsd.pki.attributes import ATTRIBUTE_TYPES, EqualityRule
from mtlsd.pki.dn import AttributeTypeAndValue, DistinguishedName, RelativeDistinguishedName
from mtlsd.pki.stringprep import prepare
from tests.der import tlv

CN, O, UNKNOWN = "2.5.4.3", "2.5.4.10", "1.3.6.1.4.1.99999.1"  # noqa: E741 - X.520's name
UTF8, UNIVERSAL, BMP = 0x0C, 0x1C, 0x1E


# -- through every spelling ---------------------------------------------------------------------------------

TEXT_TYPES = [known for known in ATTRIBUTE_TYPES if known.rule is EqualityRule.CASE_IGNORE]
IA5_TYPES = [known for known in ATTRIBUTE_TYPES if known.rule is EqualityRule.CASE_IGNORE_IA5]
KNOWN = {known.oid: known for known in ATTRIBUTE_TYPES}

LETTERS = st.characters(exclude_categories=["C"], max_codepoint=0x2FF) | st.sampled_from(
    ' ,+"\\<>;=#äßΣé中Ａ'
)
VALUES = st.text(LETTERS, min_size=1, max_size=12)
ASCII_VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=12)

ATTRIBUTES = (
    st.builds(AttributeTypeAndValue, st.sampled_from([known.oid for known in TEXT_TYPES]), VALUES)
    | st.builds(AttributeTypeAndValue, st.sampled_from([known.oid for known in IA5_TYPES]), ASCII_VALUES)
    | st.builds(AttributeTypeAndValue, st.sampled_from([UNKNOWN, "2.999.3"]), VALUES)
    | st.builds(AttributeTypeAndValue, st.just("2.5.4.45"), st.just(b"\x03\x02\x07\x80"))
)
LEVELS = st.lists(ATTRIBUTES, min_size=1, max_size=3).map(
    lambda found: RelativeDistinguishedName(tuple(found))
)
NAMES = (
    st.lists(LEVELS, min_size=1, max_size=4)
    .map(lambda levels: DistinguishedName(tuple(levels)))
    .filter(lambda name: name.key is not None)
)


def _exact(oid: str) -> bool:
    return oid not in KNOWN or KNOWN[oid].rule is EqualityRule.EXACT


@st.composite
def spelled_value(draw: st.DrawFn, oid: str, value: str) -> str:
    """One value of text in one of its many spellings."""
    if not _exact(oid):
        cased = draw(st.sampled_from([value, value.lower(), value.upper()]))
        # Only where folding there and back gives the same, not for ı, whose capital is I, and where Unicode
        # 3.2 has the other case.
        if cased.casefold() == value.casefold() and prepare(cased) is not None:
            value = cased
        value = value.replace(" ", draw(st.sampled_from([" ", "   "])))
    how = draw(st.sampled_from(["escaped", "octets", "hexadecimal", "quoted"]))
    if how == "octets":
        return "".join(f"\\{octet:02x}" for octet in value.encode())
    if how == "hexadecimal":
        tag, encoding = draw(st.sampled_from([(UTF8, "utf-8"), (UNIVERSAL, "utf-32-be"), (BMP, "utf-16-be")]))
        return "#" + tlv(tag, value.encode(encoding)).hex()
    if how == "quoted":
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\x7f", "\\7f") + '"'
    special = ',+"\\<>;=# '
    return "".join("\\" + character if character in special else character for character in value)


@st.composite
def spelled(draw: st.DrawFn, name: DistinguishedName) -> str:
    """A whole name in one of its many spellings."""
    space = st.sampled_from(["", " ", "  "])
    levels = []
    for level in reversed(name.rdns):
        attributes = []
        for found in draw(st.permutations(level.attributes)):
            keywords = KNOWN[found.oid].keywords if found.oid in KNOWN else ()
            spellings = [found.oid, "OID." + found.oid, *keywords, *(keyword.upper() for keyword in keywords)]
            value = (
                "#" + found.value.hex()
                if isinstance(found.value, bytes)
                else draw(spelled_value(found.oid, found.value))
            )
            before, after = draw(space), draw(space)
            attributes.append(f"{draw(st.sampled_from(spellings))}{before}={after}{value}")
        levels.append((draw(space) + "+" + draw(space)).join(attributes))
    return (draw(space) + "," + draw(space)).join(levels)


@settings(max_examples=200)
@given(st.data(), NAMES)
def test_a_name_equals_itself_through_every_spelling(data: st.DataObject, name: DistinguishedName) -> None:
    text = data.draw(spelled(name))
    again = DistinguishedName.from_string(text)
    assert again.key == name.key, text
    assert hash(again.key) == hash(name.key)


@given(NAMES)
def test_a_name_reads_back(name: DistinguishedName) -> None:
    assert DistinguishedName.from_string(name.to_string()).key == name.key


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from([CN, O, UNKNOWN]), st.text(max_size=8)), min_size=1, max_size=2),
        max_size=3,
    )
)
def test_what_is_printed_is_printable(levels: list[list[tuple[str, str]]]) -> None:
    """Neither CR LF nor a bidirectional control gets into a log line."""
    name = DistinguishedName(
        tuple(
            RelativeDistinguishedName(tuple(AttributeTypeAndValue(*found) for found in level))
            for level in levels
        )
    )
    assert name.to_string().isprintable()
    if name.key is not None:
        assert DistinguishedName.from_string(name.to_string()).key == name.key


# -- no two different names ---------------------------------------------------------------------------------


def _plain(name: DistinguishedName) -> list[list[tuple[str, str | bytes]]]:
    """A name of lower-case letters, compared in another way than by its key."""
    return [sorted(((a.oid, a.value) for a in level.attributes), key=repr) for level in name.rdns]


SMALL = st.builds(
    AttributeTypeAndValue, st.sampled_from([CN, O, UNKNOWN]), st.text("ab,+=", min_size=1, max_size=3)
)
SMALL_NAMES = (
    st.lists(
        st.lists(SMALL, min_size=1, max_size=2).map(lambda found: RelativeDistinguishedName(tuple(found))),
        min_size=1,
        max_size=3,
    )
    .map(lambda levels: DistinguishedName(tuple(levels)))
    .filter(lambda name: name.key is not None)
)


@settings(max_examples=300)
@given(SMALL_NAMES, SMALL_NAMES)
def test_no_two_different_names_are_equal(one: DistinguishedName, other: DistinguishedName) -> None:
    assert one.matches(other) == (_plain(one) == _plain(other))


@given(st.data(), NAMES, st.sampled_from("xyz7é"))
def test_one_more_character_makes_another_name(
    data: st.DataObject, name: DistinguishedName, character: str
) -> None:
    level = data.draw(st.integers(0, len(name.rdns) - 1))
    attributes = list(name.rdns[level].attributes)
    value = attributes[0].value
    assume(isinstance(value, str))
    assert isinstance(value, str)
    at = data.draw(st.integers(0, len(value)))
    attributes[0] = AttributeTypeAndValue(attributes[0].oid, value[:at] + character + value[at:])
    rdns = (*name.rdns[:level], RelativeDistinguishedName(tuple(attributes)), *name.rdns[level + 1 :])
    assert not DistinguishedName(rdns).matches(name)

"""docs/names.md: every row of its tables is so (R11, R34 to R37)."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509

from mtlsd.clients.subject import SUBJECT_MEMBERS
from mtlsd.pki.dn import DistinguishedName
from mtlsd.pki.san import Kind, SubjectAltName

PAGE = Path(__file__).parents[2] / "docs/names.md"


def rows(sentence: str) -> list[tuple[str, ...]]:
    """The cells of the table below the line that begins with a sentence, without backticks."""
    text = PAGE.read_text("utf-8")
    assert text.count(f"\n{sentence}") == 1
    table = text.split(f"\n{sentence}")[1].split("\n\n")[1].splitlines()[2:]
    return [tuple(cell.strip(" `") for cell in re.split(r" \| ?", line.strip("| "))) for line in table]


NAME, *OTHER_SPELLINGS = (row[0] for row in rows("These all are the same name:"))


@pytest.mark.parametrize("written", OTHER_SPELLINGS)
def test_the_same_name(written: str) -> None:
    assert DistinguishedName.from_string(written).matches(DistinguishedName.from_string(NAME))


@pytest.mark.parametrize("row", rows("These are other names:"))
def test_another_name(row: tuple[str, str]) -> None:
    name, other = DistinguishedName.from_string(NAME), DistinguishedName.from_string(row[0])
    assert not other.matches(name)
    assert other.is_reversed_of(name) == ("reversed" in row[1])


@pytest.mark.parametrize("row", rows("What cannot be read is refused at registration"))
def test_no_name(row: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=re.escape(row[1])) as refused:
        DistinguishedName.from_string(row[0])
    assert str(refused.value) == row[1]


def test_a_comma_in_a_value() -> None:
    written = re.findall(r"written with a backslash: `(.+)`", PAGE.read_text("utf-8"))
    name = DistinguishedName.from_string(written[0])
    assert [attribute.value for level in name.rdns for attribute in level.attributes] == [
        "Example, Inc.",
        "billing",
    ]


def _general_name(kind: str, value: str) -> x509.GeneralName:
    if kind == "ip":
        return x509.IPAddress(ip_address(value))
    if kind == "email":
        return x509.RFC822Name(value)
    return x509.DNSName(value) if kind == "dns" else x509.UniformResourceIdentifier(value)


KINDS: dict[str, Kind] = {"dns": "dns", "uri": "uri", "ip": "ip", "email": "email"}


def _kinds(sentence: str) -> list[tuple[Kind, tuple[str, ...]]]:
    return [(KINDS[kind], tuple(cells)) for kind, *cells in rows(sentence)]


@pytest.mark.parametrize(("kind", "cells"), _kinds("One name is compared with every name of the same kind"))
def test_subject_alternative_names(kind: Kind, cells: tuple[str, str, str]) -> None:
    registered, seen, outcome = cells
    general_names = x509.SubjectAlternativeName([_general_name(kind, seen)])
    (of_certificate,) = SubjectAltName.from_general_names(general_names)
    matches = SubjectAltName.from_registration(kind, registered).matches(of_certificate)
    assert matches == (outcome == "same")
    assert outcome in ("same", "other")


@pytest.mark.parametrize(("kind", "cells"), _kinds("What no certificate can have is refused"))
def test_no_subject_alternative_name(kind: Kind, cells: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=re.escape(cells[1])) as refused:
        SubjectAltName.from_registration(kind, cells[0])
    assert str(refused.value) == cells[1]


def test_every_kind_of_name_is_told() -> None:
    table = PAGE.read_text("utf-8").split("| registered as |")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(tls_\w+)`", table, re.MULTILINE) == list(SUBJECT_MEMBERS)

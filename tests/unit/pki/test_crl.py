"""Opening revocation lists: values or one kind of refusal, never anything else (RFC 5280 section 5)."""

from __future__ import annotations

import ssl
from datetime import UTC, timedelta
from importlib import resources

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl import OpenedList, lists_of
from mtlsd.pki.crl_issuer import read_list
from mtlsd.pki.crl_refused import WHYS, CrlRefused
from mtlsd.pki.crl_scan import scan_entries
from mtlsd.pki.der import SEQUENCE, element, encode
from tests.pki import NOW, Pki
from tests.pki.crls import (
    Crl,
    crl_of,
    directory_name,
    entry,
    extension,
    full_name,
    integer,
    path_of,
    reasons,
    scope,
    uri,
)

PKI = Pki()
ROOT = path_of(PKI.root.der)
GOOD = crl_of(PKI.root, entry(7), entry(255, 1)).der()
RICH = crl_of(
    PKI.root,
    entry(7, 6),
    entry(8, 4, issuer=directory_name(PKI.root.certificate.subject)),
    base=3,
    more=[scope(name=full_name(uri("http://crl.example/1")), some=reasons(1, 2), indirect=True)],
).der()
VECTORS = resources.files("cryptography_vectors") / "x509" / "custom"


def why(data: bytes) -> str | None:
    """Why a list is refused, wherever; None for one that is taken."""
    try:
        read_list(data, [ROOT], NOW, name="test")
    except CrlRefused as refused:
        return refused.why if refused.why in WHYS and refused.detail.isprintable() else str(refused)
    return None


def test_reads_what_the_list_says() -> None:
    found = OpenedList.from_der(RICH).described
    assert found.issuer.to_string() == "CN=Root,O=Test PKI"
    assert (found.this_update, found.next_update) == (NOW - timedelta(days=1), NOW + timedelta(days=6))
    assert found.this_update.tzinfo is UTC
    assert (found.number, found.base_number, found.is_delta, found.is_indirect) == (5, 3, True, True)
    assert found.scope is not None
    assert found.scope.name is not None
    assert [name.uri for name in found.scope.name.full] == ["http://crl.example/1"]
    assert found.scope.reasons == frozenset({1, 2})


def test_complete_list_without_extensions() -> None:
    found = OpenedList.from_der(crl_of(PKI.root, number=None).der()).described
    assert (found.number, found.scope, found.freshest, found.authority_key) == (None, None, (), None)


def test_good_lists_are_taken() -> None:
    assert why(GOOD) is None
    assert why(RICH) is None
    assert why(crl_of(PKI.root).der()) is None
    assert why(crl_of(PKI.root, more=[extension("unknown", b"")]).der()) is None


BAD: dict[str, tuple[str, Crl]] = {
    "version 1": ("crl.version", crl_of(PKI.root, version=b"")),
    "version 3": ("crl.version", crl_of(PKI.root, version=integer(2))),
    "no nextUpdate": ("crl.no_next_update", crl_of(PKI.root, next_update=None)),
    "nextUpdate before thisUpdate": (
        "crl.malformed",
        crl_of(PKI.root, this_update=NOW, next_update=NOW - timedelta(1)),
    ),
    "expired": (
        "crl.expired",
        crl_of(PKI.root, this_update=NOW - timedelta(9), next_update=NOW - timedelta(1)),
    ),
    "from the future": ("crl.not_yet_valid", crl_of(PKI.root, this_update=NOW + timedelta(1))),
    "unknown critical extension": ("crl.critical", crl_of(PKI.root, more=[extension("unknown", b"", True)])),
    "unknown critical entry extension": (
        "crl.critical",
        crl_of(PKI.root, entry(1), entry(2, more=extension("unknown", b"", True))),
    ),
    "an extension twice": ("crl.malformed", crl_of(PKI.root, more=[scope(), scope()])),
    "removeFromCRL in a complete list": ("crl.removal", crl_of(PKI.root, entry(1, 8))),
    "another issuer in a direct list": (
        "crl.malformed",
        crl_of(PKI.root, entry(1, issuer=directory_name(PKI.root.certificate.subject))),
    ),
    "reason 7": ("crl.malformed", crl_of(PKI.root, entry(1, 7))),
    "two kinds only": (
        "crl.malformed",
        crl_of(PKI.root, more=[extension("scope", b"\x30\x06\x81\x01\xff\x82\x01\xff")]),
    ),
    "negative number": ("crl.malformed", crl_of(PKI.root, number=-1)),
    "delta without base number": ("crl.malformed", crl_of(PKI.root, more=[extension("delta", b"", True)])),
    "number too long": ("crl.malformed", crl_of(PKI.root, number=1 << 168)),
    "algorithms differ": ("crl.malformed", crl_of(PKI.root, outer_algorithm=bytes.fromhex("300506032b6570"))),
    "serial number in a longer form": (
        "crl.malformed",
        crl_of(PKI.root, encode(SEQUENCE, bytes.fromhex("02020007170d") + b"261120120000Z")),
    ),
    "the 13th month": (
        "crl.malformed",
        crl_of(PKI.root, encode(SEQUENCE, bytes.fromhex("020107170d") + b"261320120000Z")),
    ),
    "an entry without date": ("crl.malformed", crl_of(PKI.root, encode(SEQUENCE, integer(7)))),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_lists_are_refused(name: str) -> None:
    """R40: each for its own reason."""
    expected, crl = BAD[name]
    assert why(crl.der()) == expected


def test_octets_after_the_end() -> None:
    assert why(GOOD + b"\0") == "crl.malformed"
    assert why(GOOD[:-1]) == "crl.malformed"


def test_more_fields_than_there_are() -> None:
    """Signed, but after the extensions, or after the signature."""
    crl = crl_of(PKI.root)
    whole = encode(SEQUENCE, element(crl.signed).content + integer(1))
    opened = OpenedList.from_der(crl.der())
    rest = opened.algorithm + encode(3, b"\0" + opened.signature)
    for bad in (whole + rest, crl.signed + rest + integer(1)):
        assert why(encode(SEQUENCE, bad)) == "crl.malformed"


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_garbage_is_refused(data: bytes) -> None:
    assert why(data) in WHYS
    with pytest.raises(CrlRefused):
        lists_of(b"-----BEGIN X509 CRL-----" + data)


@given(st.sampled_from([GOOD, RICH]), st.data())
@settings(max_examples=600, deadline=None)
def test_changed_lists_are_refused(good: bytes, data: st.DataObject) -> None:
    """One octet changed, cut out or put in: the signature or the shape is wrong, and nothing else happens."""
    position = data.draw(st.integers(0, len(good) - 1))
    piece = data.draw(st.binary(max_size=2))
    cut = data.draw(st.integers(0, 2))
    changed = good[:position] + piece + good[position + cut :]
    if changed != good:
        assert why(changed) in WHYS


@given(st.sampled_from([GOOD, RICH]), st.data())
@settings(max_examples=600, deadline=None)
def test_reader_of_entries_refuses_or_reads(good: bytes, data: st.DataObject) -> None:
    """The entries alone, as if the signature were right: they end where they must, or are refused."""
    start, end = OpenedList.from_der(good).entries
    position = data.draw(st.integers(start, end - 1))
    changed = bytearray(good)
    changed[position] = data.draw(st.integers(0, 255))
    try:
        index = scan_entries(bytes(changed), start, end, indirect=True, delta=True)
    except CrlRefused:
        return
    assert len(list(index)) == index.count


def test_agrees_with_cryptography() -> None:
    """Serial numbers, dates and reasons of what others made."""
    for name in ("crl_all_reasons.pem", "crl_almost_10k.pem", "crl_idp_fullname_indirect_crl.pem"):
        (data,) = lists_of((VECTORS / name).read_bytes())
        opened = OpenedList.from_der(data)
        index = scan_entries(data, *opened.entries, indirect=True, delta=True)
        library = x509.load_der_x509_crl(data)
        expected = [(own.serial_number, own.revocation_date_utc) for own in library]
        assert [(own.serial_number, own.revoked_at) for own in index] == expected
        assert opened.described.next_update == library.next_update_utc


def test_pem_of_several_lists() -> None:
    label = "X509 CRL"
    pem = ssl.DER_cert_to_PEM_cert(GOOD).replace("CERTIFICATE", label)
    windows = ssl.DER_cert_to_PEM_cert(RICH).replace("CERTIFICATE", label).replace("\n", "\r\n")
    assert lists_of(f"Issuer: Root\n{pem}\n{windows}".encode()) == (GOOD, RICH)
    assert lists_of(GOOD) == (GOOD,)
    for bad in (b"", b"no list", pem.encode()[:-30], pem.replace("A", "*").encode()):
        with pytest.raises(CrlRefused, match="malformed"):
            lists_of(bad)


def test_large_pem_is_decoded_piece_by_piece() -> None:
    data = crl_of(PKI.root, *(entry(number) for number in range(4000))).der()
    pem = ssl.DER_cert_to_PEM_cert(data).replace("CERTIFICATE", "X509 CRL").encode()
    breaths: list[int] = []
    assert lists_of(pem, lambda: breaths.append(1)) == (data,)
    assert len(breaths) > 3


def test_distribution_points_of_certificates() -> None:
    """The certificate's own, in its order, with URIs of any scheme."""
    names: list[x509.GeneralName] = [
        x509.UniformResourceIdentifier("ldap://ldap.example/cn=ca"),
        x509.UniformResourceIdentifier("http://crl.example/ca.crl"),
    ]
    flags = frozenset({x509.ReasonFlags.key_compromise})
    issuer: list[x509.GeneralName] = [x509.DirectoryName(PKI.root.certificate.subject)]
    points = x509.CRLDistributionPoints(
        [
            x509.DistributionPoint(names, None, None, None),
            x509.DistributionPoint(None, None, flags, issuer),
        ]
    )
    found = Certificate.from_der(PKI.leaf(more=[(points, False)]).leaf).crl_distribution_points
    assert [own.uris for own in found] == [("ldap://ldap.example/cn=ca", "http://crl.example/ca.crl"), ()]
    assert found[1].reasons == {1}
    assert [name.to_string() for name in found[1].crl_issuer] == ["CN=Root,O=Test PKI"]
    assert Certificate.from_der(PKI.leaf().leaf).crl_distribution_points == ()
    assert Certificate.from_der(PKI.root.der).crl_sign is True

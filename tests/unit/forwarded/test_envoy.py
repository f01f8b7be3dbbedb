"""Envoy's element: all that it says of the certificate agrees, and nothing that a certificate says passes for
more of it (P26)."""

from __future__ import annotations

import hashlib

import pytest

from mtlsd.errors import Refusal
from mtlsd.forwarded.formats import FORMATS
from mtlsd.forwarded.forwarded import ForwardedCertificate
from tests.pki import Pki
from tests.unit.forwarded.spelling import escaped, pem_of, xfcc

PKI = Pki()
PRESENTED = PKI.leaf()
LEAF, CHAIN = PRESENTED.leaf, PRESENTED.chain
OTHER = PKI.leaf().leaf
HASH = b"Hash=" + hashlib.sha256(LEAF).hexdigest().encode("ascii")
CERT = b'Cert="%b"' % escaped(pem_of(LEAF))
READER = FORMATS["envoy"].reader()


def read(value: bytes) -> ForwardedCertificate | None:
    return READER.parse({b"x-forwarded-client-cert": value})


@pytest.mark.parametrize(
    ("cert", "whole", "chain"), [(True, True, CHAIN), (True, False, ()), (False, True, CHAIN)]
)
def test_cert_chain_or_both(cert: bool, whole: bool, chain: tuple[bytes, ...]) -> None:
    assert read(xfcc(LEAF, CHAIN, cert=cert, whole=whole)) == ForwardedCertificate(LEAF, chain)


def test_order_and_what_is_not_read() -> None:
    expected = ForwardedCertificate(LEAF)
    for value in (
        HASH + b";" + CERT,
        CERT + b";" + HASH,
        b"By=spiffe://a/b;By=https://c?d=e;" + HASH + b";" + CERT + b';Subject="";DNS=a;DNS=b;URI=u:1',
        HASH + b";" + CERT + rb';Subject="CN=a\\";URI="quoted, as well; or not"',
    ):
        assert read(value) == expected


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (HASH, "neither Cert nor Chain"),
        (CERT, "has no Hash"),
        (xfcc(OTHER, (), whole=False).replace(hashlib.sha256(OTHER).hexdigest().encode(), HASH[5:]), "Hash"),
        (HASH.upper().replace(b"HASH", b"Hash") + b";" + CERT, "Hash"),
        (HASH + b'"";' + CERT, "not a row"),
        (HASH + b";" + CERT + b";" + CERT, "Cert twice"),
        (HASH + b";" + HASH + b";" + CERT, "Hash twice"),
        (HASH + b";" + CERT + b";Subject=" + b'"";Subject=""', "Subject twice"),
        (HASH + b";" + CERT + b";cert=a", "a key that Envoy does not write"),
        (HASH + b";" + CERT + b";Foo=a", "a key that Envoy does not write"),
        (HASH + b";" + CERT.replace(b'"', b""), "in quotes"),
        (HASH.replace(b"=", b'="') + b'";' + CERT, "in quotes"),
        (HASH + b";" + CERT + b",URI=a", "more than one element"),
        (HASH + b";" + CERT + b",", "more than one element"),
        (HASH + b";" + CERT + b";", "not a row"),
        (HASH + b";;" + CERT, "not a row"),
        (HASH + b"; " + CERT, "not a row"),
        (b";" + HASH + b";" + CERT, "not a row"),
        (HASH + b";" + CERT + b';Subject="a', "not a row"),
        (HASH + b";" + CERT + b';Subject="a\\', "not a row"),
        (HASH + b";" + CERT + b';Subject="\xc3\xbc"', "not a row"),
        (HASH + b";" + CERT[:-1] + b'\\""', "does not end"),
        (HASH + b";" + CERT + b';Chain="' + escaped(pem_of(OTHER)) + b'"', "does not begin with Cert"),
        (HASH + b";" + CERT + b';Chain=""', "does not"),
        (HASH + b';Chain="' + escaped(pem_of(OTHER) + pem_of(LEAF)) + b'"', "Hash"),
        (HASH + b';Cert=""', "does not begin"),
    ],
    ids=lambda own: own if isinstance(own, str) else "xfcc",  # the certificates are others each time
)
def test_contradictions(value: bytes, words: str) -> None:
    with pytest.raises(Refusal) as caught:
        read(value)
    assert words in str(caught.value.facts["detail"])


def test_a_name_that_passes_for_more_pairs() -> None:
    """A URI of the client's certificate that has a whole certificate of another's in it."""
    forged = b';URI=a;Cert="%b"' % escaped(pem_of(OTHER))
    another = b';URI=a,Hash=%b;Cert="%b"' % (
        hashlib.sha256(OTHER).hexdigest().encode(),
        escaped(pem_of(OTHER)),
    )
    for value in (HASH + forged, HASH + b";" + CERT + forged, HASH + another, HASH + b";" + CERT + another):
        with pytest.raises(Refusal):
            read(value)

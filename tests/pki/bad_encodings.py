"""Certificates whose encoding, serial number, key or signature algorithm is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tests.der import (
    GENERALIZED_TIME,
    UTC_TIME,
    Tbs,
    certificate,
    extension,
    integer,
    oid,
    sequence,
    tlv,
    utc_time,
)
from tests.pki.kinds import Kinds
from tests.pki.maker import Pki, Presented, PrivateKey, all_names, ec_key, rsa_key, victim

ENCODINGS = Kinds()
_SAN, _BASIC_CONSTRAINTS, _KEY_USAGE = "2.5.29.17", "2.5.29.19", "2.5.29.15"
_CA_TRUE = sequence(tlv(1, b"\xff"))


def changed(pki: Pki, change: Callable[[Tbs], Tbs], good: Presented | None = None) -> Presented:
    """The honest client's certificate (or `good`), changed and then signed by its CA."""
    good = good or pki.leaf()
    return attrs.evolve(good, leaf=change(Tbs.of(good.leaf)).signed(pki.intermediate.key))


# -- weak and unknown algorithms -----------------------------------------------------------------------


def _rsa_signed(pki: Pki, hash_name: str) -> Presented:
    """The honest client's, from a CA with an RSA key that still signs with that hash."""
    authority = pki.ca("RSA CA", pki.root, key=rsa_key("ca"))
    good = pki.leaf(authority)
    return attrs.evolve(good, leaf=Tbs.of(good.leaf).signed(rsa_key("ca"), hash_name))


@ENCODINGS.add("chain.weak", alert="bad_certificate")
def md5_signature(pki: Pki) -> Presented:
    """Signed with MD5."""
    return _rsa_signed(pki, "md5")


@ENCODINGS.add("chain.weak", alert="bad_certificate")
def sha1_signature(pki: Pki) -> Presented:
    """Signed with SHA-1."""
    return _rsa_signed(pki, "sha1")


@ENCODINGS.add("chain.weak", alert="bad_certificate")
def sha1_ecdsa_signature(pki: Pki) -> Presented:
    """Signed with SHA-1 and an elliptic curve."""
    good = pki.leaf()
    return attrs.evolve(good, leaf=Tbs.of(good.leaf).signed(pki.intermediate.key, "sha1"))


@ENCODINGS.add("chain.weak", alert="bad_certificate")
def sha1_intermediate(pki: Pki) -> Presented:
    """Its CA's certificate is signed with SHA-1."""
    authority = pki.ca("SHA-1 CA", pki.root)
    return pki.leaf(authority, chain=(Tbs.of(authority.der).signed(pki.root.key, "sha1"),))


@ENCODINGS.add("certificate.weak", alert="bad_certificate")
def rsa_1024(pki: Pki) -> Presented:
    """An RSA key of 1024 bits."""
    return pki.leaf(key=rsa_key("short", 1024))


@ENCODINGS.add("chain.weak", alert="bad_certificate")
def rsa_1024_intermediate(pki: Pki) -> Presented:
    """Its CA has an RSA key of 1024 bits."""
    return pki.leaf(pki.ca("Short CA", pki.root, key=rsa_key("short", 1024)))


@ENCODINGS.add("certificate.weak", sendable=False)
def ec_192(pki: Pki) -> Presented:
    """A key on P-192, which TLS 1.3 does not have."""
    return pki.leaf(key=ec.generate_private_key(ec.SECP192R1()))


@ENCODINGS.add("certificate.weak", sendable=False)
def dsa_key(pki: Pki) -> Presented:
    """A DSA key."""
    key: PrivateKey = dsa.generate_private_key(2048)
    return pki.leaf(key=key)


@ENCODINGS.add("certificate.malformed", sendable=False)
def key_on_unknown_curve(pki: Pki) -> Presented:
    """The honest key's point, said to be on a curve that does not exist."""
    known, unknown = oid("1.2.840.10045.3.1.7"), oid("1.2.840.10045.3.1.99")
    return changed(pki, lambda tbs: attrs.evolve(tbs, key=tbs.key.replace(known, unknown)))


@ENCODINGS.add("certificate.malformed", sendable=False)
def key_not_on_its_curve(pki: Pki) -> Presented:
    """A point beside the curve."""
    return changed(pki, lambda tbs: attrs.evolve(tbs, key=tbs.key[:-1] + bytes((tbs.key[-1] ^ 1,))))


@ENCODINGS.add("certificate.malformed", sendable=False)
def key_of_unknown_kind(pki: Pki) -> Presented:
    """A key of an algorithm that does not exist."""
    known, unknown = oid("1.2.840.10045.2.1"), oid("1.2.840.10045.2.9")
    return changed(pki, lambda tbs: attrs.evolve(tbs, key=tbs.key.replace(known, unknown)))


@ENCODINGS.add("chain.strict", alert="certificate_unknown")
def signature_algorithms_differ(pki: Pki) -> Presented:
    """One signature algorithm inside, another one outside."""
    good = pki.leaf()
    outer = sequence(oid("1.2.840.10045.4.3.3"))  # SHA-384
    tbs = Tbs.of(good.leaf).to_der()
    return attrs.evolve(good, leaf=certificate(tbs, outer, pki.intermediate.key))


# -- version, serial number, dates ---------------------------------------------------------------------


@ENCODINGS.add("chain.strict", alert="certificate_unknown")
def version_1_with_extensions(pki: Pki) -> Presented:
    """Extensions, although it says v1."""
    return changed(pki, lambda tbs: attrs.evolve(tbs, version=b""))


@ENCODINGS.add("certificate.malformed")
def version_5(pki: Pki) -> Presented:
    """A version that does not exist."""
    return changed(pki, lambda tbs: attrs.evolve(tbs, version=tlv(0xA0, integer(4))))


@ENCODINGS.add("chain.not_ca", "chain.strict", alert="unknown_ca")
def version_1_intermediate(pki: Pki) -> Presented:
    """Its CA's certificate is X.509 v1."""
    authority = pki.ca("Old CA", pki.root)
    old = attrs.evolve(Tbs.of(authority.der), version=b"", extensions=())
    return pki.leaf(authority, chain=(old.signed(pki.root.key),))


@ENCODINGS.add("certificate.malformed")
def negative_serial(pki: Pki) -> Presented:
    """A serial number below zero."""
    return changed(pki, lambda tbs: attrs.evolve(tbs, serial=integer(-42)))


def _validity(not_before: bytes, not_after: bytes) -> Callable[[Tbs], Tbs]:
    return lambda tbs: attrs.evolve(tbs, validity=sequence(not_before, not_after))


@ENCODINGS.add("certificate.not_yet_valid", alert="bad_certificate")
def ends_before_it_begins(pki: Pki) -> Presented:
    """notAfter was yesterday, notBefore is tomorrow."""
    begin, end = pki.now + timedelta(days=1), pki.now - timedelta(days=1)
    return changed(pki, _validity(utc_time(begin), utc_time(end)))


@ENCODINGS.add("certificate.malformed", alert="bad_certificate")
def time_with_fraction(pki: Pki) -> Presented:
    """A GeneralizedTime with fractions of a second (RFC 5280 section 4.1.2.5.2 forbids them)."""
    return changed(pki, _validity(utc_time(pki.now), tlv(GENERALIZED_TIME, b"20520101000000.5Z")))


@ENCODINGS.add("certificate.malformed", alert="bad_certificate")
def time_with_offset(pki: Pki) -> Presented:
    """A UTCTime in another time zone."""
    return changed(pki, _validity(tlv(UTC_TIME, b"200101000000+0100"), utc_time(pki.valid()[1])))


@ENCODINGS.add("certificate.malformed", sendable=False)
def time_without_seconds(pki: Pki) -> Presented:
    """A UTCTime without seconds."""
    return changed(pki, _validity(tlv(UTC_TIME, b"2001010000Z"), utc_time(pki.valid()[1])))


@ENCODINGS.add("certificate.malformed", alert="bad_certificate")
def day_that_does_not_exist(pki: Pki) -> Presented:
    """The thirtieth of February."""
    return changed(pki, _validity(utc_time(pki.now), tlv(GENERALIZED_TIME, b"20520230000000Z")))


# -- extensions ----------------------------------------------------------------------------------------


def _more(*extensions: bytes) -> Callable[[Tbs], Tbs]:
    return lambda tbs: attrs.evolve(tbs, extensions=(*tbs.extensions, *extensions))


def _instead(kind: str, replacement: bytes) -> Callable[[Tbs], Tbs]:
    def change(tbs: Tbs) -> Tbs:
        kept = tuple(own for own in tbs.extensions if oid(kind) not in own)
        return attrs.evolve(tbs, extensions=(*kept, replacement))

    return change


@ENCODINGS.add("certificate.malformed", alert="unknown_ca")
def duplicate_san(pki: Pki) -> Presented:
    """Two subjectAltNames, the second one the honest client's."""
    names = x509.SubjectAlternativeName(all_names()).public_bytes()
    good = pki.leaf(names=[x509.DNSName("nobody.example")])
    return changed(pki, _more(extension(_SAN, names)), good)


@ENCODINGS.add("certificate.malformed", alert="unknown_ca")
def duplicate_basic_constraints(pki: Pki) -> Presented:
    """Once CA:FALSE, once CA:TRUE."""
    return changed(pki, _more(extension(_BASIC_CONSTRAINTS, _CA_TRUE, b"\xff")))


@ENCODINGS.add("certificate.malformed", alert="unknown_ca")
def unreadable_san(pki: Pki) -> Presented:
    """A subjectAltName that is not one."""
    return changed(pki, _instead(_SAN, extension(_SAN, b"\x30\x82\xff\xff\x00")))


@ENCODINGS.add("chain.strict", alert="certificate_unknown")
def empty_san(pki: Pki) -> Presented:
    """A subjectAltName without a name."""
    return changed(pki, _instead(_SAN, extension(_SAN, sequence())))


@ENCODINGS.add("certificate.malformed")
def boolean_of_one(pki: Pki) -> Presented:
    """critical as BER has it: any octet but zero is TRUE; DER knows 0xFF alone."""
    return changed(pki, _instead(_SAN, extension(_SAN, _names(), b"\x01")))


@ENCODINGS.add("certificate.malformed", sendable=False)
def boolean_of_two_octets(pki: Pki) -> Presented:
    """critical in two octets."""
    return changed(pki, _instead(_SAN, extension(_SAN, _names(), b"\xff\xff")))


@ENCODINGS.add("certificate.malformed")
def default_written_out(pki: Pki) -> Presented:
    """critical FALSE, which DER leaves out."""
    return changed(pki, _instead(_SAN, extension(_SAN, _names(), b"\x00")))


def _names() -> bytes:
    return x509.SubjectAlternativeName(all_names()).public_bytes()


@ENCODINGS.add("chain.strict", alert="certificate_unknown")
def authority_key_identifier_missing(pki: Pki) -> Presented:
    """Does not say which key signed it."""
    return pki.leaf(authority_key_identifier=False)


@ENCODINGS.add("chain.strict", alert="certificate_unknown")
def cert_sign_without_ca(pki: Pki) -> Presented:
    """keyCertSign, although it is no CA's."""
    return changed(pki, _instead(_KEY_USAGE, extension(_KEY_USAGE, b"\x03\x02\x02\x84", b"\xff")))


@ENCODINGS.add("certificate.malformed", alert="certificate_unknown")
def path_length_without_ca(pki: Pki) -> Presented:
    """A path length, although it is no CA's."""
    constraints = extension(_BASIC_CONSTRAINTS, sequence(integer(3)), b"\xff")
    return changed(pki, _instead(_BASIC_CONSTRAINTS, constraints))


# -- the whole -----------------------------------------------------------------------------------------


@ENCODINGS.add("certificate.malformed", sendable=False)
def garbage(pki: Pki) -> Presented:
    """No certificate at all."""
    return Presented(b"\x30\x82\x01\x00" + bytes(range(256)), ec_key("leaf"))


@ENCODINGS.add("certificate.malformed", sendable=False)
def nothing(pki: Pki) -> Presented:
    """No octet at all."""
    return Presented(b"", ec_key("leaf"))


@ENCODINGS.add("certificate.malformed", sendable=False)
def truncated(pki: Pki) -> Presented:
    """The honest certificate without its end."""
    good = pki.leaf()
    return attrs.evolve(good, leaf=good.leaf[:-20])


@ENCODINGS.add("certificate.malformed", sendable=False)
def trailing_bytes(pki: Pki) -> Presented:
    """The honest certificate and something behind it."""
    good = pki.leaf()
    return attrs.evolve(good, leaf=good.leaf + b"\0\0\0")


@ENCODINGS.add("certificate.malformed", sendable=False)
def indefinite_length(pki: Pki) -> Presented:
    """The honest certificate in BER."""
    good = pki.leaf()
    content = good.leaf[4:]
    return attrs.evolve(good, leaf=b"\x30\x80" + content + b"\0\0")


@ENCODINGS.add("certificate.malformed", sendable=False)
def signing_request(pki: Pki) -> Presented:
    """A PKCS #10 request with the honest name, instead of a certificate."""
    request = x509.CertificateSigningRequestBuilder().subject_name(victim())
    return Presented(request.sign(ec_key("leaf"), SHA256()).public_bytes(Encoding.DER), ec_key("leaf"))


@ENCODINGS.add("certificate.malformed", sendable=False)
def garbage_in_chain(pki: Pki) -> Presented:
    """The honest certificate with something unreadable behind it."""
    good = pki.leaf()
    return attrs.evolve(good, chain=(*good.chain, b"\x30\x03\x02\x01\x00"))

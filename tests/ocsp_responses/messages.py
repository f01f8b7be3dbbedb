"""Responses about something else, from another time, or wrongly made; and what is no response."""

from __future__ import annotations

from datetime import timedelta

import attrs

from tests.der import (
    INTEGER,
    NULL,
    OCTET_STRING,
    extension,
    integer,
    oid,
    sequence,
    tlv,
)
from tests.ocsp_responses.kinds import (
    Responder,
    changed,
    delegated,
    hostile,
    single_changed,
)
from tests.ocsp_responses.writing import (
    DAY,
    GOOD,
    NONCE,
    UNKNOWN,
    UNKNOWN_EXTENSION,
    Asked,
    Reply,
    error,
    nonce_extension,
    revoked,
    time,
    wrapped,
)
from tests.pki.maker import (
    rsa_key,
)

# -- about something else ------------------------------------------------------------------------------------


@hostile("ocsp.certid")
def another_serial(responder: Responder, asked: Asked) -> bytes:
    """About the next certificate."""
    return single_changed(responder, asked, cert_id=attrs.evolve(asked, serial=asked.serial + 1).cert_id)


@hostile("ocsp.certid")
def another_issuer_name(responder: Responder, asked: Asked) -> bytes:
    """About the same serial number of a CA with another name."""
    other = attrs.evolve(asked, name_hash=bytes(len(asked.name_hash)))
    return single_changed(responder, asked, cert_id=other.cert_id)


@hostile("ocsp.certid")
def another_issuer_key(responder: Responder, asked: Asked) -> bytes:
    """About the same serial number of a CA with another key."""
    other = attrs.evolve(asked, key_hash=bytes(len(asked.key_hash)))
    return single_changed(responder, asked, cert_id=other.cert_id)


@hostile("ocsp.certid")
def another_hash(responder: Responder, asked: Asked) -> bytes:
    """The right hashes under the name of another algorithm."""
    hash_name = "sha256" if asked.hash_name == "sha1" else "sha1"
    return single_changed(responder, asked, cert_id=attrs.evolve(asked, hash_name=hash_name).cert_id)


@hostile("ocsp.certid")
def nothing(responder: Responder, asked: Asked) -> bytes:
    """Says nothing about any certificate."""
    return changed(responder, asked, singles=())


@hostile("ocsp.certid")
def contradiction(responder: Responder, asked: Asked) -> bytes:
    """Good first, and then revoked."""
    reply = responder.reply(asked)
    bad = attrs.evolve(reply.singles[0], status=revoked(responder.now - DAY))
    return attrs.evolve(reply, singles=(*reply.singles, bad)).to_der()


# -- the signature -------------------------------------------------------------------------------------------


@hostile("ocsp.signature")
def broken_signature(responder: Responder, asked: Asked) -> bytes:
    """One bit of the signature is wrong."""
    return wrapped(responder.reply(asked).basic(lambda own: own[:-1] + bytes((own[-1] ^ 1,))))


@hostile("ocsp.signature")
def empty_signature(responder: Responder, asked: Asked) -> bytes:
    """There is no signature."""
    return wrapped(responder.reply(asked).basic(lambda _: b""))


@hostile("ocsp.signature")
def signed_something_else(responder: Responder, asked: Asked) -> bytes:
    """What was revoked a moment ago, made good without signing anew."""
    reply = responder.reply(asked)
    bad = attrs.evolve(reply.singles[0], status=UNKNOWN)
    honest_one = attrs.evolve(reply, singles=(bad,)).basic()
    return wrapped(honest_one.replace(UNKNOWN + time(bad.this_update), GOOD + time(bad.this_update)))


@hostile("ocsp.algorithm")
def sha1_signature(responder: Responder, asked: Asked) -> bytes:
    """Signed with ECDSA and SHA-1."""
    return changed(responder, asked, hash_name="sha1")


@hostile("ocsp.algorithm")
def sha1_rsa_signature(responder: Responder, asked: Asked) -> bytes:
    """Signed with RSA and SHA-1."""
    delegate = responder.delegate(key=rsa_key("ocsp delegate"))
    return delegated(responder, asked, delegate, hash_name="sha1")


@hostile("ocsp.algorithm")
def md5_rsa_signature(responder: Responder, asked: Asked) -> bytes:
    """Signed with RSA and MD5."""
    delegate = responder.delegate(key=rsa_key("ocsp delegate"))
    return delegated(responder, asked, delegate, hash_name="md5")


@hostile("ocsp.algorithm")
def unknown_algorithm(responder: Responder, asked: Asked) -> bytes:
    """Signed with something that does not exist."""
    return changed(responder, asked, algorithm=sequence(oid(UNKNOWN_EXTENSION)))


@hostile("ocsp.signature")
def rsa_said_of_ec(responder: Responder, asked: Asked) -> bytes:
    """Signed with an elliptic curve, says RSA."""
    return changed(responder, asked, algorithm=sequence(oid("1.2.840.113549.1.1.11"), tlv(NULL)))


# -- nonces --------------------------------------------------------------------------------------------------


@hostile("ocsp.nonce", with_nonce=True)
def wrong_nonce(responder: Responder, asked: Asked) -> bytes:
    """Repeats another nonce, such as that of an answer of yesterday."""
    return changed(responder, asked, extensions=(nonce_extension(b"yesterday's nonce".ljust(32)),))


@hostile("ocsp.nonce", with_nonce=True)
def short_nonce(responder: Responder, asked: Asked) -> bytes:
    """Repeats the nonce's first octets."""
    return changed(responder, asked, extensions=(nonce_extension((asked.nonce or b"")[:-1]),))


@hostile("ocsp.nonce", with_nonce=True)
def bare_nonce(responder: Responder, asked: Asked) -> bytes:
    """Repeats the nonce without its OCTET STRING."""
    return changed(responder, asked, extensions=(extension(NONCE, b"\x04\x21" + (asked.nonce or b"")),))


@hostile("ocsp.malformed", with_nonce=True)
def two_nonces(responder: Responder, asked: Asked) -> bytes:
    """Repeats the nonce, and another one."""
    two = (nonce_extension(b"another"), nonce_extension(asked.nonce or b""))
    return changed(responder, asked, extensions=two)


# -- times ---------------------------------------------------------------------------------------------------


@hostile("ocsp.stale")
def a_year_old(responder: Responder, asked: Asked) -> bytes:
    """A year old, and said to last for ten."""
    times = {"this_update": responder.now - 365 * DAY, "next_update": responder.now + 3650 * DAY}
    return single_changed(responder, asked, **times)


@hostile("ocsp.stale")
def next_update_past(responder: Responder, asked: Asked) -> bytes:
    """Its nextUpdate was a minute ago."""
    return single_changed(responder, asked, next_update=responder.now - timedelta(minutes=1))


@hostile("ocsp.stale")
def next_update_now(responder: Responder, asked: Asked) -> bytes:
    """Its nextUpdate is now."""
    return single_changed(responder, asked, next_update=responder.now)


@hostile("ocsp.stale")
def old_without_next_update(responder: Responder, asked: Asked) -> bytes:
    """A day old, without nextUpdate."""
    return single_changed(responder, asked, this_update=responder.now - DAY, next_update=None)


@hostile("ocsp.future")
def from_the_future(responder: Responder, asked: Asked) -> bytes:
    """Its thisUpdate is tomorrow."""
    times = {"this_update": responder.now + DAY, "next_update": responder.now + 2 * DAY}
    return single_changed(responder, asked, **times)


@hostile("ocsp.future")
def produced_in_the_future(responder: Responder, asked: Asked) -> bytes:
    """Signed tomorrow."""
    return changed(responder, asked, produced_at=responder.now + DAY)


@hostile("ocsp.times")
def produced_before_it_was_known(responder: Responder, asked: Asked) -> bytes:
    """Signed a day before its thisUpdate."""
    return changed(responder, asked, produced_at=responder.now - DAY)


@hostile("ocsp.times")
def ends_before_it_begins(responder: Responder, asked: Asked) -> bytes:
    """Its nextUpdate is before its thisUpdate."""
    return single_changed(responder, asked, next_update=responder.now - 2 * DAY)


# -- extensions ----------------------------------------------------------------------------------------------


@hostile("ocsp.extension")
def critical_in_the_response(responder: Responder, asked: Asked) -> bytes:
    """A critical extension that nobody knows."""
    return changed(responder, asked, extensions=(extension(UNKNOWN_EXTENSION, b"\5\0", b"\xff"),))


@hostile("ocsp.extension")
def critical_in_the_single_response(responder: Responder, asked: Asked) -> bytes:
    """A critical extension that nobody knows, in the single response."""
    return single_changed(responder, asked, extensions=(extension(UNKNOWN_EXTENSION, b"\5\0", b"\xff"),))


# -- errors, and what is no response -------------------------------------------------------------------------


@hostile("ocsp.status.malformedrequest")
def malformed_request(responder: Responder, asked: Asked) -> bytes:
    """The error malformedRequest."""
    return error(1)


@hostile("ocsp.status.internalerror")
def internal_error(responder: Responder, asked: Asked) -> bytes:
    """The error internalError."""
    return error(2)


@hostile("ocsp.status.trylater")
def try_later(responder: Responder, asked: Asked) -> bytes:
    """The error tryLater."""
    return error(3)


@hostile("ocsp.status.sigrequired")
def sig_required(responder: Responder, asked: Asked) -> bytes:
    """The error sigRequired."""
    return error(5)


@hostile("ocsp.status.unauthorized")
def unauthorized(responder: Responder, asked: Asked) -> bytes:
    """The error unauthorized."""
    return error(6)


@hostile("ocsp.malformed")
def unknown_status(responder: Responder, asked: Asked) -> bytes:
    """An error that does not exist."""
    return error(4)


@hostile("ocsp.status.trylater")
def error_with_an_answer(responder: Responder, asked: Asked) -> bytes:
    """The error tryLater around a good answer."""
    return wrapped(responder.reply(asked).basic(), status=3)


@hostile("ocsp.type")
def success_without_an_answer(responder: Responder, asked: Asked) -> bytes:
    """Successful, and nothing else."""
    return error(0)


@hostile("ocsp.type")
def unknown_type(responder: Responder, asked: Asked) -> bytes:
    """A response of an unknown type."""
    return changed(responder, asked, kind=UNKNOWN_EXTENSION)


@hostile("ocsp.malformed")
def unknown_version(responder: Responder, asked: Asked) -> bytes:
    """A response of version 2, well signed."""

    class Second(Reply):
        def tbs(self) -> bytes:
            return sequence(tlv(0xA0, integer(1)), super().tbs()[2:])

    return Second(**attrs.asdict(responder.reply(asked), recurse=False)).to_der()


@hostile("ocsp.malformed")
def empty(responder: Responder, asked: Asked) -> bytes:
    """Nothing at all."""
    return b""


@hostile("ocsp.malformed")
def garbage(responder: Responder, asked: Asked) -> bytes:
    """A page of HTML."""
    return b"<html><body>It works!</body></html>"


@hostile("ocsp.malformed")
def truncated(responder: Responder, asked: Asked) -> bytes:
    """The last octet is missing."""
    return responder.reply(asked).to_der()[:-1]


@hostile("ocsp.malformed")
def trailing_data(responder: Responder, asked: Asked) -> bytes:
    """One octet too many."""
    return responder.reply(asked).to_der() + b"\0"


@hostile("ocsp.malformed")
def trailing_data_within(responder: Responder, asked: Asked) -> bytes:
    """Something follows the signed response where it is wrapped."""
    return wrapped(responder.reply(asked).basic() + tlv(NULL))


@hostile("ocsp.malformed")
def indefinite_length(responder: Responder, asked: Asked) -> bytes:
    """BER's indefinite length."""
    return b"\x30\x80" + responder.reply(asked).to_der()[4:] + b"\0\0"


@hostile("ocsp.malformed")
def huge(responder: Responder, asked: Asked) -> bytes:
    """Larger than any response is."""
    padding_ = extension(UNKNOWN_EXTENSION, tlv(OCTET_STRING, bytes(70_000)))
    return changed(responder, asked, extensions=(padding_,))


@hostile("ocsp.malformed")
def many_singles(responder: Responder, asked: Asked) -> bytes:
    """About hundreds of certificates."""
    reply = responder.reply(asked)
    others = [
        attrs.evolve(reply.singles[0], cert_id=attrs.evolve(asked, serial=serial).cert_id)
        for serial in range(1, 300)
    ]
    return attrs.evolve(reply, singles=(*others, *reply.singles)).to_der()


@hostile("ocsp.malformed")
def many_certificates(responder: Responder, asked: Asked) -> bytes:
    """Dozens of certificates, each of which costs a verification."""
    delegate = responder.delegate()
    return delegated(responder, asked, delegate, certificates=(delegate.der,) * 40)


@hostile("ocsp.malformed")
def good_with_content(responder: Responder, asked: Asked) -> bytes:
    """A status good that holds something."""
    return single_changed(responder, asked, status=tlv(0x80, b"\0"))


@hostile("ocsp.malformed")
def status_of_another_kind(responder: Responder, asked: Asked) -> bytes:
    """A fourth status."""
    return single_changed(responder, asked, status=tlv(0x83))


@hostile("ocsp.malformed")
def serial_not_minimal(responder: Responder, asked: Asked) -> bytes:
    """The right serial number with a zero before it."""
    serial = integer(asked.serial)
    longer = tlv(INTEGER, b"\0\0" + serial[2:] if serial[2] else b"\0" + serial[2:])
    return single_changed(responder, asked, cert_id=sequence(asked.cert_id[2 : -len(serial)], longer))

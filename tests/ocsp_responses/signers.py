"""Responses that somebody signed who may not, or not so."""

from __future__ import annotations

import hashlib

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.der import (
    OCTET_STRING,
    Tbs,
    tlv,
)
from tests.ocsp_responses.kinds import (
    Delegate,
    Responder,
    changed,
    delegated,
    hostile,
)
from tests.ocsp_responses.writing import (
    UNKNOWN_EXTENSION,
    Asked,
    by_key,
    by_name,
)
from tests.pki.maker import (
    ec_key,
    rsa_key,
)

# -- who signed ----------------------------------------------------------------------------------------------


@hostile("ocsp.signer.eku")
def another_ca_of_the_same_name(responder: Responder, asked: Asked) -> bytes:
    """Signed by a CA that has the issuer's name."""
    impostor = responder.impostor
    return changed(responder, asked, key=impostor.key, certificates=(impostor.der,))


@hostile("ocsp.signer.eku")
def another_ca_by_its_key(responder: Responder, asked: Asked) -> bytes:
    """Signed by a CA that has the issuer's name, and names its own key."""
    impostor = responder.impostor
    changes = {"responder_id": by_key(impostor.der), "certificates": (impostor.der,)}
    return changed(responder, asked, key=impostor.key, **changes)


@hostile("ocsp.responder")
def unknown_key(responder: Responder, asked: Asked) -> bytes:
    """Signed by somebody who sends no certificate."""
    return changed(
        responder, asked, key=ec_key("stranger"), responder_id=tlv(0xA2, tlv(OCTET_STRING, bytes(20)))
    )


@hostile("ocsp.signer.eku")
def client_itself(responder: Responder, asked: Asked) -> bytes:
    """Signed by the certificate that it is about."""
    own = Delegate(responder.client.leaf, responder.client.key)
    return delegated(responder, asked, own)


@hostile("ocsp.signer.eku")
def another_leaf(responder: Responder, asked: Asked) -> bytes:
    """Signed by another client of the same CA."""
    return delegated(responder, asked, responder.delegate(purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,)))


@hostile("ocsp.signer.eku")
def delegate_without_eku(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate without extended key usage."""
    return delegated(responder, asked, responder.delegate(purposes=()))


@hostile("ocsp.signer.eku")
def delegate_with_any_eku(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate for any purpose."""
    purposes = (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,)
    return delegated(responder, asked, responder.delegate(purposes=purposes))


@hostile("ocsp.signer.ku")
def delegate_without_digital_signature(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate that may only agree on keys."""
    return delegated(responder, asked, responder.delegate(usage="key_agreement"))


@hostile("ocsp.signer.expired")
def delegate_expired(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate of yesterday."""
    return delegated(responder, asked, responder.delegate(valid=responder.pki.valid(-30, -1)))


@hostile("ocsp.signer.expired")
def delegate_not_yet_valid(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate of tomorrow."""
    return delegated(responder, asked, responder.delegate(valid=responder.pki.valid(1, 30)))


@hostile("ocsp.signer.unchecked")
def delegate_without_nocheck(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate that may be revoked for all that anybody knows."""
    return delegated(responder, asked, responder.delegate(nocheck=False))


@hostile("ocsp.signer.issuer")
def delegate_of_a_subordinate(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate of a CA below the issuer."""
    return delegated(responder, asked, responder.delegate(responder.subordinate))


@hostile("ocsp.signer.issuer")
def delegate_of_the_root(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate of the CA above the issuer."""
    return delegated(responder, asked, responder.delegate(responder.pki.root))


@hostile("ocsp.signer.issuer")
def delegate_of_the_impostor(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate of a CA with the issuer's name."""
    return delegated(responder, asked, responder.delegate(responder.impostor))


@hostile("ocsp.signer.issuer")
def delegate_self_made(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate who only says that the issuer issued it."""
    return delegated(responder, asked, responder.delegate(signer=ec_key("stranger")))


@hostile("ocsp.signer.is_ca")
def subordinate_with_the_eku(responder: Responder, asked: Asked) -> bytes:
    """Signed by a CA below the issuer that was given OCSPSigning."""
    return delegated(responder, asked, responder.delegate(ca=True))


@hostile("ocsp.signer.extension")
def delegate_with_critical_extension(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate with a critical extension that nobody knows."""
    odd = x509.UnrecognizedExtension(x509.ObjectIdentifier(UNKNOWN_EXTENSION), b"\5\0")
    return delegated(responder, asked, responder.delegate(more=((odd, True),)))


@hostile("ocsp.signer.weak")
def delegate_rsa_1024(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate with a short key."""
    return delegated(responder, asked, responder.delegate(key=rsa_key("short", 1024)))


@hostile("ocsp.signer.weak")
def delegate_sha1_certificate(responder: Responder, asked: Asked) -> bytes:
    """Signed by a delegate whose certificate is signed with SHA-1."""
    good = responder.delegate()
    weak = Tbs.of(good.der).signed(responder.issuer.key, "sha1")
    return delegated(responder, asked, attrs.evolve(good, der=weak))


@hostile("ocsp.responder")
def names_somebody_else(responder: Responder, asked: Asked) -> bytes:
    """Signed by the issuer, says the root did."""
    return changed(responder, asked, responder_id=by_name(responder.pki.root.der))


@hostile("ocsp.responder")
def names_another_key(responder: Responder, asked: Asked) -> bytes:
    """Signed by the issuer, says another key did."""
    return changed(responder, asked, responder_id=by_key(responder.pki.root.der))


@hostile("ocsp.responder")
def key_in_sha256(responder: Responder, asked: Asked) -> bytes:
    """Gives its key by the SHA-1 of the whole SubjectPublicKeyInfo, which is not what is meant."""
    public = responder.issuer.certificate.public_key()
    whole = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return changed(responder, asked, responder_id=tlv(0xA2, tlv(OCTET_STRING, hashlib.sha1(whole).digest())))

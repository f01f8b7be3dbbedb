"""Verifying the signatures of what is signed like a certificate (RFC 5280 section 4.1.1.2).

Only the algorithms in this table exist here: no MD5, no SHA-1, and RSASSA-PSS in the three forms that are in
use (RFC 4055 section 3.1: one hash throughout, and a salt as long as it).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.der import OBJECT_IDENTIFIER
from mtlsd.pki.der_values import oid_of, row

_Verify = Callable[[object, bytes, bytes], bool]
_NULL: Final = 0x05


def signature_algorithm(algorithm: bytes) -> _Verify:
    """The verifier for a signature's AlgorithmIdentifier (DER).

    It takes a public key, the signature and the signed octets, and says whether the signature is right; a
    key of another type makes it wrong.

    :raises ValueError: where nobody may rely on the algorithm, or it is unknown.
    """
    found = _PSS.get(algorithm) or _ALGORITHMS.get(_plain_oid(algorithm))
    if found is None:
        raise ValueError("not a signature algorithm that counts")
    return found


def is_signed_by(signer: Certificate, algorithm: bytes, signature: bytes, signed: bytes) -> bool:
    """Whether the key of `signer` made this signature; what the certificate may sign is not looked at.

    :param algorithm: AlgorithmIdentifier, DER.
    :raises ValueError: for an algorithm that does not count.
    """
    verify = signature_algorithm(algorithm)
    return verify(x509.load_der_x509_certificate(signer.der).public_key(), signature, signed)


def _plain_oid(algorithm: bytes) -> str:
    """The OID of an AlgorithmIdentifier without parameters, or with the NULL that RSA's have."""
    fields = row(algorithm)
    oid = oid_of(fields.take(OBJECT_IDENTIFIER))
    parameters = fields.take_optional(_NULL)
    fields.end()
    if parameters is not None and parameters.content:
        raise ValueError("parameters that are not NULL")
    return oid


def _rsa(hash_: HashAlgorithm, pss: bool = False) -> _Verify:
    padded = padding.PSS(padding.MGF1(hash_), hash_.digest_size) if pss else padding.PKCS1v15()

    def verify(key: object, signature: bytes, signed: bytes) -> bool:
        return isinstance(key, rsa.RSAPublicKey) and _holds(
            lambda: key.verify(signature, signed, padded, hash_)
        )

    return verify


def _ecdsa(hash_: HashAlgorithm) -> _Verify:
    def verify(key: object, signature: bytes, signed: bytes) -> bool:
        return isinstance(key, ec.EllipticCurvePublicKey) and _holds(
            lambda: key.verify(signature, signed, ec.ECDSA(hash_))
        )

    return verify


def _ed25519(key: object, signature: bytes, signed: bytes) -> bool:
    return isinstance(key, ed25519.Ed25519PublicKey) and _holds(lambda: key.verify(signature, signed))


def _ed448(key: object, signature: bytes, signed: bytes) -> bool:
    return isinstance(key, ed448.Ed448PublicKey) and _holds(lambda: key.verify(signature, signed))


def _holds(verify: Callable[[], None]) -> bool:
    try:
        verify()
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


_ALGORITHMS: Final[Mapping[str, _Verify]] = MappingProxyType(
    {
        "1.2.840.113549.1.1.11": _rsa(SHA256()),
        "1.2.840.113549.1.1.12": _rsa(SHA384()),
        "1.2.840.113549.1.1.13": _rsa(SHA512()),
        "1.2.840.10045.4.3.2": _ecdsa(SHA256()),
        "1.2.840.10045.4.3.3": _ecdsa(SHA384()),
        "1.2.840.10045.4.3.4": _ecdsa(SHA512()),
        "1.3.101.112": _ed25519,
        "1.3.101.113": _ed448,
    }
)


def _pss_identifier(hash_octet: int, salt_octet: int) -> bytes:
    """The AlgorithmIdentifier that RFC 4055 gives for the SHA-2 hash of that last OID octet."""
    sha2 = bytes.fromhex("300d060960864801650304020%x0500" % hash_octet)  # noqa: UP031  one nibble within
    head = bytes.fromhex("304106092a864886f70d01010a3034a00f")
    mask = bytes.fromhex("a11c301a06092a864886f70d010108")
    return head + sha2 + mask + sha2 + bytes((0xA2, 3, 2, 1, salt_octet))


_PSS: Final[Mapping[bytes, _Verify]] = MappingProxyType(
    {
        _pss_identifier(1, 32): _rsa(SHA256(), pss=True),
        _pss_identifier(2, 48): _rsa(SHA384(), pss=True),
        _pss_identifier(3, 64): _rsa(SHA512(), pss=True),
    }
)

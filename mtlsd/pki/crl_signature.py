"""The signature over a revocation list (RFC 5280 §5.1.1.2 and §6.3.3 step g).

``cryptography`` would verify it in one go, for a third of a second during which nobody else runs. So it only
reads the algorithm, out of a list without entries that is made for it; the hash is :mod:`hashlib`'s, which
lets others run, and the key then sees the digest alone.
"""

from __future__ import annotations

import hashlib
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, utils

from mtlsd.pki import der
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl import OpenedList
from mtlsd.pki.crl_refused import CrlRefused
from mtlsd.pki.der_values import BIT_STRING, INTEGER

_STRONG: Final = frozenset(
    {"sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512"}
)
_SOME_TIME: Final = der.encode(0x17, b"200101000000Z")

_Parameters = padding.PSS | padding.PKCS1v15 | ec.ECDSA | None


class SignedContent:
    """A list's signature and what it is over, hashed once for however many keys are tried."""

    def __init__(self, opened: OpenedList) -> None:
        """:raises CrlRefused: crl.algorithm"""
        self._signature = opened.signature
        self._hash, self._parameters = _read_algorithm(opened.algorithm)
        content = memoryview(opened.der)[slice(*opened.signed)]
        if self._hash is None:  # EdDSA signs the content itself
            self._content = bytes(content)
        else:
            self._content = hashlib.new(self._hash.name.replace("-", "_"), content).digest()

    def is_signed_by(self, certificate: Certificate) -> bool:
        """Whether the key of that certificate made the signature."""
        try:
            return self._verify(x509.load_der_x509_certificate(certificate.der))
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
            return False

    def _verify(self, certificate: x509.Certificate) -> bool:
        key = certificate.public_key()
        if self._hash is None:
            if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
                key.verify(self._signature, self._content)
                return True
            return False
        prehashed = utils.Prehashed(self._hash)
        if isinstance(key, rsa.RSAPublicKey) and isinstance(self._parameters, padding.PSS | padding.PKCS1v15):
            key.verify(self._signature, self._content, self._parameters, prehashed)
            return True
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(self._parameters, ec.ECDSA):
            key.verify(self._signature, self._content, ec.ECDSA(prehashed))
            return True
        return False


def _read_algorithm(algorithm: bytes) -> tuple[hashes.HashAlgorithm | None, _Parameters]:
    """The hash, None for EdDSA, and the parameters of an AlgorithmIdentifier."""
    signed = der.encode(INTEGER, b"\x01") + algorithm + der.encode(der.SEQUENCE, b"") + _SOME_TIME
    empty = der.encode(der.SEQUENCE, signed) + algorithm + der.encode(BIT_STRING, b"\0")
    try:
        library = x509.load_der_x509_crl(der.encode(der.SEQUENCE, empty))
        hashed, parameters = library.signature_hash_algorithm, library.signature_algorithm_parameters
    except (UnsupportedAlgorithm, ValueError, TypeError) as error:
        raise CrlRefused("crl.algorithm", type(error).__name__) from None
    if hashed is not None and hashed.name not in _STRONG:
        raise CrlRefused("crl.algorithm", hashed.name)
    return hashed, parameters

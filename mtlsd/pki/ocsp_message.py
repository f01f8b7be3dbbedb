"""Reading an OCSP response (RFC 6960 section 4.2.1): its values, and the very octets that were signed.

``cryptography`` reads these too, but it writes the signed part anew instead of giving back what was sent,
tells nothing of the extensions where there are several single responses, and raises by release what it
likes. Nothing is verified here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, Literal, Self

import attrs

from mtlsd.pki.der import OBJECT_IDENTIFIER, SEQUENCE, Element, element, elements
from mtlsd.pki.der_values import (
    BIT_STRING,
    ENUMERATED,
    GENERALIZED_TIME,
    INTEGER,
    OCTET_STRING,
    Extension,
    Row,
    extensions,
    generalized_time,
    integer,
    octets_of_bits,
    oid_of,
    row,
)
from mtlsd.pki.ocsp_request import HASHES, CertId
from mtlsd.pki.revocation import CRL_REASONS

SUCCESSFUL: Final = 0
BASIC: Final = "1.3.6.1.5.5.7.48.1.1"
MOST_RESPONSES: Final = 64
MOST_CERTIFICATES: Final = 8

STATUSES: Final[Mapping[int, str]] = MappingProxyType(
    {1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized"}
)
_NONE: Final[Mapping[str, Extension]] = MappingProxyType({})
_Status = Literal["good", "revoked", "unknown"]


@attrs.frozen
class SingleResponse:
    """What a response says about one certificate.

    :ivar cert_id: None where it is made with a hash that is not asked for here.
    :ivar reason: a name of RFC 5280's CRLReason, None where the response gives none.
    """

    cert_id: CertId | None
    status: _Status
    revoked_at: datetime | None
    reason: str | None
    this_update: datetime
    next_update: datetime | None
    extensions: Mapping[str, Extension]

    @classmethod
    def from_der(cls, data: bytes) -> Self:
        fields = row(data)
        cert_id = _cert_id(row(fields.take(SEQUENCE).encoded))
        status, revoked_at, reason = _status(fields.take())
        this_update = generalized_time(fields.take(GENERALIZED_TIME))
        next_update = fields.take_optional(0xA0)
        own = fields.take_optional(0xA1)
        fields.end()
        return cls(
            cert_id=cert_id,
            status=status,
            revoked_at=revoked_at,
            reason=reason,
            this_update=this_update,
            next_update=None if next_update is None else _wrapped_time(next_update),
            extensions=_NONE if own is None else extensions(own.content),
        )


@attrs.frozen
class BasicResponse:
    """A BasicOCSPResponse.

    :ivar signed: the octets that the signature is over.
    :ivar algorithm: the AlgorithmIdentifier of the signature, DER.
    :ivar responder_name: DER of the Name where the responder says its name, else None.
    :ivar responder_key_hash: SHA-1 of its key's bits where it says that, else None.
    :ivar certificates: DER of each.
    """

    signed: bytes = attrs.field(repr=False)
    algorithm: bytes
    signature: bytes = attrs.field(repr=False)
    certificates: tuple[bytes, ...] = attrs.field(repr=False)
    responder_name: bytes | None
    responder_key_hash: bytes | None
    produced_at: datetime
    responses: tuple[SingleResponse, ...]
    extensions: Mapping[str, Extension]

    @classmethod
    def from_der(cls, data: bytes) -> Self:
        """Read it.

        :raises ValueError: where it is not one, is not of version 1, or holds too much.
        """
        fields = row(data)
        signed = fields.take(SEQUENCE).encoded
        algorithm = fields.take(SEQUENCE).encoded
        signature = octets_of_bits(fields.take(BIT_STRING))
        certificates = fields.take_optional(0xA0)
        fields.end()
        tbs = row(signed)
        if tbs.take_optional(0xA0) is not None:  # DER leaves the default out, so this is no version 1
            raise ValueError("of another version")
        name, key_hash = _responder(tbs.take())
        produced_at = generalized_time(tbs.take(GENERALIZED_TIME))
        responses = tbs.take(SEQUENCE)
        own = tbs.take_optional(0xA1)
        tbs.end()
        return cls(
            signed=signed,
            algorithm=algorithm,
            signature=signature,
            certificates=() if certificates is None else _certificates(certificates),
            responder_name=name,
            responder_key_hash=key_hash,
            produced_at=produced_at,
            responses=_responses(responses),
            extensions=_NONE if own is None else extensions(own.content),
        )


def read_response(data: bytes) -> tuple[int, str, bytes]:
    """Read the outer OCSPResponse.

    :returns: responseStatus; and where that is successful the dotted responseType and the response's octets
    :raises ValueError: where it is not one.
    """
    fields = row(data)
    status = integer(fields.take(ENUMERATED))
    wrapped = fields.take_optional(0xA0)
    fields.end()
    if wrapped is None:
        return status, "", b""
    inner = row(wrapped.content)
    kind = oid_of(inner.take(OBJECT_IDENTIFIER))
    content = inner.take(OCTET_STRING).content
    inner.end()
    return status, kind, content


def _responses(found: Element) -> tuple[SingleResponse, ...]:
    every = [own.encoded for own in elements(found.content)]
    if len(every) > MOST_RESPONSES:
        raise ValueError("too many single responses")
    return tuple(map(SingleResponse.from_der, every))


def _certificates(found: Element) -> tuple[bytes, ...]:
    every = tuple(own.encoded for own in elements(element(found.content, SEQUENCE).content))
    if len(every) > MOST_CERTIFICATES:
        raise ValueError("too many certificates")
    return every


def _responder(found: Element) -> tuple[bytes | None, bytes | None]:
    if found.tag == 0xA1:
        return element(found.content, SEQUENCE).encoded, None
    key_hash = element(found.content, OCTET_STRING).content
    if found.tag != 0xA2 or len(key_hash) != 20:
        raise ValueError("no responder that says its name or its key")
    return None, key_hash


def _cert_id(fields: Row) -> CertId | None:
    algorithm = row(fields.take(SEQUENCE).encoded)
    oid = oid_of(algorithm.take(OBJECT_IDENTIFIER))
    parameters = algorithm.take_optional(0x05)
    algorithm.end()
    name_hash = fields.take(OCTET_STRING).content
    key_hash = fields.take(OCTET_STRING).content
    serial = integer(fields.take(INTEGER))
    fields.end()
    if parameters is not None and parameters.content:
        raise ValueError("parameters of a hash that are not NULL")
    hash_name = next((own for own, known in HASHES.items() if known == oid), None)
    return None if hash_name is None else CertId(hash_name, name_hash, key_hash, serial)


def _status(found: Element) -> tuple[_Status, datetime | None, str | None]:
    if found.tag in (0x80, 0x82) and not found.content:
        return ("good" if found.tag == 0x80 else "unknown"), None, None
    if found.tag != 0xA1:
        raise ValueError("not a status of a certificate")
    fields = Row(found.content)
    revoked_at = generalized_time(fields.take(GENERALIZED_TIME))
    wrapped = fields.take_optional(0xA0)
    fields.end()
    if wrapped is None:
        return "revoked", revoked_at, None
    # A reason that does not exist makes nothing less revoked.
    number = integer(element(wrapped.content, ENUMERATED))
    return "revoked", revoked_at, CRL_REASONS.get(number, f"reason {number}"[:40])


def _wrapped_time(found: Element) -> datetime:
    return generalized_time(element(found.content, GENERALIZED_TIME))

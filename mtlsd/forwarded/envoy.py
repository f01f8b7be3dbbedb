"""Envoy: ``X-Forwarded-Client-Cert``, with ``forward_client_cert_details: SANITIZE_SET`` and cert or chain.

One element of ``Key=value`` pairs with ``;`` between them; a ``,`` would begin another element, for another
hop, and is refused: with SANITIZE_SET Envoy writes one. ``Hash``, the SHA-256 of the leaf's DER in
lower-case hex, is always there. ``Cert`` is the leaf and ``Chain`` the leaf with what the client sent after
it, each in quotes, in PEM that is percent-encoded as nginx does it. ``Subject`` is quoted too, with
backslash escapes; ``By``, ``URI`` and ``DNS`` may come several times. Without a client certificate Envoy
sends no field.

What a certificate says of itself (``Subject``, ``URI``, ``DNS``) Envoy does not guard well against being
taken for more pairs. So every pair that is used may come once, and all of them have to agree.

As documented in Envoy's "HTTP header manipulation" and written by ``ConnectionManagerUtility``; headers of
Envoy 1.31 and of Consul's Envoy are among the tests.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from mtlsd.forwarded.codecs import pem, pems, unescaped
from mtlsd.forwarded.forwarded import Field, ForwardedCertificate
from mtlsd.forwarded.nginx import ESCAPED

_pair = re.compile(
    rb'([A-Za-z]++)=(?:"((?:[ !#-\[\]-~]|\\[ -~])*+)"|([!#-+\--:<-\[\]-~]*+))'  # Key="quoted" or Key=plain
).match
_QUOTED: Final = frozenset({b"Cert", b"Chain"})
_PLAIN: Final = frozenset({b"Hash"})
_ONCE: Final = _QUOTED | _PLAIN | {b"Subject"}
_REPEATED: Final = frozenset({b"By", b"URI", b"DNS"})


def read(certificate: Field) -> ForwardedCertificate | None:
    """The certificate, or None where the field is absent or empty.

    :raises Refusal: forwarded.malformed.
    """
    return certificate.read(element) if certificate else None


def element(text: bytes) -> ForwardedCertificate:
    """The certificate in one element.

    :raises ValueError: where it is anything else, or its parts contradict each other.
    """
    pairs = _pairs(text)
    chain = pems(unescaped(pairs[b"Chain"], ESCAPED)) if b"Chain" in pairs else ()
    leaf = pem(unescaped(pairs[b"Cert"], ESCAPED)) if b"Cert" in pairs else chain[0] if chain else None
    if leaf is None:
        raise ValueError("has neither Cert nor Chain: set one of them in set_current_client_cert_details")
    if b"Hash" not in pairs:
        raise ValueError("has no Hash")
    if hashlib.sha256(leaf).hexdigest().encode("ascii") != pairs[b"Hash"]:
        raise ValueError("has a Hash that is not that of the certificate")
    if chain and chain[0] != leaf:
        raise ValueError("has a Chain that does not begin with Cert")
    return ForwardedCertificate(leaf, chain[1:])


def _pairs(text: bytes) -> dict[bytes, bytes]:
    """The pairs that may come once, by their keys."""
    found: dict[bytes, bytes] = {}
    start = 0
    while match := _pair(text, start):
        key, quoted, plain = match.groups()
        if key not in _ONCE and key not in _REPEATED:
            raise ValueError("has a key that Envoy does not write")
        if key in (_QUOTED if quoted is None else _PLAIN):
            raise ValueError("has a value in quotes that should have none, or without those it should have")
        if key in found:
            raise ValueError(f"has {key.decode('ascii')} twice")
        if key in _ONCE:
            found[key] = plain if quoted is None else quoted
        if match.end() == len(text):
            return found
        if text[match.end()] == ord(","):
            raise ValueError("has more than one element: use SANITIZE_SET, which writes one")
        if text[match.end()] != ord(";"):
            break
        start = match.end() + 1
    raise ValueError("is not a row of Key=value pairs")

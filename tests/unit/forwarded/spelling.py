"""Certificates as each program writes them into its fields: encoders for tests, apart from the parsers."""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from urllib.parse import quote

import attrs

from mtlsd.forwarded.formats import FORMATS, Reader

Fields = dict[bytes, bytes]
Spell = Callable[[bytes, Sequence[bytes]], Fields]


@attrs.frozen
class Setting:
    """One format as it may be configured.

    :ivar spell: the fields for a leaf and its chain.
    :ivar chain: whether the chain is forwarded.
    """

    reader: Reader
    spell: Spell
    chain: bool = False


def base64_of(der: bytes) -> bytes:
    return base64.b64encode(der)


def pem_of(der: bytes) -> bytes:
    return ssl.DER_cert_to_PEM_cert(der).encode("ascii")


def folded(der: bytes) -> bytes:
    """PEM as Apache writes it, without the space at its end, which HTTP takes away."""
    return pem_of(der).replace(b"\n", b" ").rstrip()


def escaped(text: bytes, safe: str = "") -> bytes:
    return quote(text, safe=safe).encode("ascii")


def _rfc9440(leaf: bytes, chain: Sequence[bytes]) -> Fields:
    others = b", ".join(b":%b:" % base64_of(each) for each in chain)
    fields = {b"client-cert": b":%b:" % base64_of(leaf)}
    return {**fields, b"client-cert-chain": others} if chain else fields


def _haproxy(leaf: bytes, chain: Sequence[bytes]) -> Fields:
    return {
        b"x-ssl-client-cert": base64_of(leaf),
        b"x-ssl-client-cert-chain": base64_of(b"".join(chain)),
    }


_SUBJECT = rb'Subject="CN=a\"client\"\,of,O=x"'


def xfcc(leaf: bytes, chain: Sequence[bytes], *, cert: bool = True, whole: bool = True) -> bytes:
    """Envoy's element, with Cert and Chain as they are wanted."""
    pairs = [b"By=spiffe://example/a?b=c", b"Hash=" + hashlib.sha256(leaf).hexdigest().encode("ascii")]
    if cert:
        pairs.append(b'Cert="%b"' % escaped(pem_of(leaf)))
    if whole:
        pairs.append(b'Chain="%b"' % escaped(b"".join(map(pem_of, (leaf, *chain)))))
    return b";".join([*pairs, b"URI=https://client.example/", b"DNS=a.example", b"DNS=b.example", _SUBJECT])


def _one(name: bytes, write: Callable[[bytes], bytes]) -> Spell:
    return lambda leaf, _chain: {name: write(leaf)}


def _rows(name: bytes, write: Callable[[Sequence[bytes]], bytes]) -> Spell:
    return lambda leaf, chain: {name: write((leaf, *chain))}


def _pems(safe: str) -> Callable[[Sequence[bytes]], bytes]:
    return lambda ders: escaped(b"".join(map(pem_of, ders)), safe)


_ALB = b"x-amzn-mtls-clientcert"
_ANY = b"x-peer"

SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "rfc9440": Setting(FORMATS["rfc9440"].reader(), _rfc9440, True),
        "nginx": Setting(
            FORMATS["nginx"].reader(), _one(b"x-ssl-client-cert", lambda der: escaped(pem_of(der)))
        ),
        "envoy": Setting(
            FORMATS["envoy"].reader(),
            lambda leaf, chain: {b"x-forwarded-client-cert": xfcc(leaf, chain)},
            True,
        ),
        "traefik": Setting(
            FORMATS["traefik"].reader(),
            _rows(b"x-forwarded-tls-client-cert", lambda ders: b",".join(map(base64_of, ders))),
            True,
        ),
        "apache": Setting(FORMATS["apache"].reader(), _one(b"x-ssl-client-cert", folded)),
        "haproxy": Setting(FORMATS["haproxy"].reader(), _haproxy, True),
        "aws-alb": Setting(FORMATS["aws-alb"].reader(), _rows(_ALB, _pems("+=/")), True),
        "aws-alb encoding all": Setting(FORMATS["aws-alb"].reader(), _rows(_ALB, _pems("")), True),
        "aws-alb verifying": Setting(
            FORMATS["aws-alb"].reader("X-Amzn-Mtls-Clientcert-Leaf"),
            _one(_ALB + b"-leaf", lambda der: escaped(pem_of(der), "+=/")),
        ),
        "wso2": Setting(
            FORMATS["wso2"].reader(),
            _one(b"x-wso2-mtls-cert", lambda der: pem_of(der).replace(b"\n", b"")),
        ),
        "header pem": Setting(FORMATS["header"].reader("X-Peer", "pem"), _one(_ANY, folded)),
        "header urlencoded-pem": Setting(
            FORMATS["header"].reader("X-Peer", "urlencoded-pem"),
            _one(_ANY, lambda der: escaped(pem_of(der).rstrip())),
        ),
        "header base64-der": Setting(FORMATS["header"].reader("X-Peer", "base64-der"), _one(_ANY, base64_of)),
    }
)
"""Each format in each of its configurations."""

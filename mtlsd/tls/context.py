"""The OpenSSL context of one listener.

A context is frozen once a connection has used it, so a reload builds a new one and swaps it. One listener,
one policy: switching contexts by SNI would keep the verify mode of the first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from OpenSSL import SSL, crypto

from mtlsd.tls import alerts
from mtlsd.tls.verify import RefuseIn, Verifier

ClientCertificate = Literal["required", "optional", "none"]
PrivateKey = (
    rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
)

MAX_DEPTH = 10
"""How many CA certificates a path may have below its anchor."""

# RFC 9325: forward secrecy and AEAD only. Security level 2 is for certificates too: no SHA-1, no RSA-1024.
_TLS_1_2_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"
# those that its section 4.2 recommends, which FAPI 2.0 has alone
_RECOMMENDED_CIPHERS = b"ECDHE+AESGCM:@SECLEVEL=2"

# Tickets and the cache have to be off both: a resumed session would never meet the judge (R47).
_OPTIONS = (
    SSL.OP_NO_TICKET | SSL.OP_NO_RENEGOTIATION | SSL.OP_NO_COMPRESSION | SSL.OP_CIPHER_SERVER_PREFERENCE
)

# SSL_MODE_NO_AUTO_CHAIN: OpenSSL would look for our own chain among the clients' anchors, in every handshake.
_NO_AUTO_CHAIN = 0x8


@attrs.frozen
class ListenerTLS:
    """How one listener speaks TLS.

    :ivar listener: its name.
    :ivar certificates: DER, the leaf first, then its intermediates.
    :ivar private_key: of the leaf.
    :ivar anchors: DER of every trust anchor of the listener, all its groups together. Intermediates do not
        belong here: the judge has them.
    :ivar strict: whether certificates must be as RFC 5280 has them (X509_STRICT).
    :ivar pinned: whether clients with pinned certificates come here. A client that is sent names of CAs does
        not offer a self-signed certificate, so none are sent then.
    :ivar recommended_ciphers: whether TLS 1.2 has the cipher suites alone that BCP 195 recommends.
    """

    listener: str
    certificates: tuple[bytes, ...]
    private_key: PrivateKey = attrs.field(repr=False)
    client_certificate: ClientCertificate
    refuse_in: RefuseIn = "handshake"
    anchors: tuple[bytes, ...] = ()
    strict: bool = True
    pinned: bool = False
    recommended_ciphers: bool = False

    @property
    def asks_for_certificates(self) -> bool:
        return self.client_certificate != "none"

    @property
    def fails_without_certificate(self) -> bool:
        """Whether a client without a certificate fails in the handshake already; the one predicate for it.

        Where this is false, such a client becomes a connection without an identity: it fails closed.
        """
        return self.client_certificate == "required" and self.refuse_in == "handshake"


class ListenerContext(SSL.Context):
    """A context that keeps its verify callback alive: connections keep their context."""

    verify_handle: object = None


def build_context(tls: ListenerTLS, now: Callable[[], datetime]) -> ListenerContext:
    """Build the context of a listener.

    :param now: the clock, aware UTC.
    :raises RuntimeError: when pyOpenSSL or cryptography have moved what the verify callback needs.
    :raises OpenSSL.SSL.Error: when OpenSSL does not take the certificate or the key.
    """
    context = ListenerContext(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(_RECOMMENDED_CIPHERS if tls.recommended_ciphers else _TLS_1_2_CIPHERS)
    context.set_options(_OPTIONS)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS | _NO_AUTO_CHAIN)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_session_id(hashlib.sha256(tls.listener.encode()).digest())
    _present(context, tls)
    if tls.asks_for_certificates:
        _ask(context, tls, now)
    return context


def _present(context: SSL.Context, tls: ListenerTLS) -> None:
    leaf, *intermediates = map(x509.load_der_x509_certificate, tls.certificates)
    context.use_certificate(leaf)
    context.use_privatekey(tls.private_key)
    for intermediate in intermediates:
        context.add_extra_chain_cert(intermediate)
    context.check_privatekey()


def _ask(context: ListenerContext, tls: ListenerTLS, now: Callable[[], datetime]) -> None:
    moved = alerts.moved_names()
    if moved:
        raise RuntimeError(f"the installed pyOpenSSL and cryptography lack {', '.join(moved)}")
    # Without PARTIAL_CHAIN only what is self-signed is an anchor here; other paths are the judge's.
    store = context.get_cert_store()
    if store is None:
        raise RuntimeError("OpenSSL gave the context no certificate store")
    for anchor in dict.fromkeys(tls.anchors):
        store.add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, anchor))
    if tls.strict:
        store.set_flags(crypto.X509StoreFlags.X509_STRICT)
    if not tls.pinned:
        _name_anchors(context, tls.anchors)
    context.set_verify_depth(MAX_DEPTH)
    mode = SSL.VERIFY_PEER
    if tls.fails_without_certificate:
        mode |= SSL.VERIFY_FAIL_IF_NO_PEER_CERT
    context.verify_handle = alerts.install(context, mode, Verifier(tls.listener, tls.refuse_in, now))


def _name_anchors(context: SSL.Context, anchors: tuple[bytes, ...]) -> None:
    """Tell clients the names of this listener's anchors, so that they can choose a certificate (R48)."""
    loaded = map(x509.load_der_x509_certificate, anchors)
    for anchor in {anchor.subject.public_bytes(): anchor for anchor in loaded}.values():
        context.add_client_ca(anchor)

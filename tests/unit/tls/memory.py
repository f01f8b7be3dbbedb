"""Real handshakes of OpenSSL's through memory: no sockets, no reactor."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import attrs
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import load_der_x509_certificate
from OpenSSL import SSL, crypto

from mtlsd.clients.client import Client
from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.judge import Judgement, ListenerTrust, NothingKnown, Snapshot, Standing, settle
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import AnchorGroup
from mtlsd.pki.revocation_check import NOT_ASKED, Failures
from mtlsd.tls.context import ListenerTLS, build_context
from mtlsd.tls.factory import ConnectionCreator
from mtlsd.tls.failures import library_reasons
from mtlsd.tls.peer import Judging, Peer
from mtlsd.verdicts import Judge
from tests.pki import NOW, Pki, Presented, dn

VERSIONS = (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION)
LISTENER = "mtls"
PARTNERS = "partners"

PKI = Pki(datetime.now(tz=NOW.tzinfo))
"""At the real time: OpenSSL takes no other in a handshake."""


def now() -> datetime:
    return PKI.now


def server_tls(**changes: Any) -> ListenerTLS:
    """A listener that trusts the root of the PKI."""
    own = PKI.leaf(PKI.root, dn(CN="as.example.com"))
    tls = ListenerTLS(LISTENER, (own.leaf,), ec_private(own), "required", anchors=(PKI.root.der,))
    return attrs.evolve(tls, **changes)


def ec_private(presented: Presented) -> ec.EllipticCurvePrivateKey:
    assert isinstance(presented.key, ec.EllipticCurvePrivateKey)
    return presented.key


def pki_client(client_id: str, **members: str) -> Client:
    metadata = {"token_endpoint_auth_method": "tls_client_auth", "trust_anchors": [PARTNERS], **members}
    return _client(client_id, metadata)


def pinned_client(client_id: str, *certificates: bytes) -> Client:
    metadata = {"token_endpoint_auth_method": "self_signed_tls_client_auth"}
    return _client(client_id, metadata, certificates)


def _client(client_id: str, metadata: Mapping[str, object], certificates: Sequence[bytes] = ()) -> Client:
    whole = {"client_id": client_id, "grant_types": ["client_credentials"], **metadata}
    return Client.from_metadata(whole, place="test", certificates=certificates)


def judge_of(
    *clients: Client, intermediates: Sequence[bytes] = (), anchors: Sequence[bytes] = (), strict: bool = True
) -> Judge:
    """The true judge over these clients, with one trust anchor group."""
    held = tuple(map(Certificate.from_der, anchors or (PKI.root.der,)))
    group = AnchorGroup(PARTNERS, held, tuple(map(Certificate.from_der, intermediates)))
    trust = ListenerTrust.from_groups([group], strict)
    index = ClientIndex.build([Registration(client, "test") for client in clients])
    return Judge(Snapshot(index, {LISTENER: trust}))


def creator(judge: Judging | None, **changes: Any) -> ConnectionCreator:
    return ConnectionCreator(LISTENER, build_context(server_tls(**changes), now), judge)


def client_context(presented: Presented | None = None, version: int = SSL.TLS1_3_VERSION) -> SSL.Context:
    """A client that checks nothing and sends everything."""
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    context.set_cipher_list(b"ALL:@SECLEVEL=0")
    if presented is not None:
        context.use_certificate(load_der_x509_certificate(presented.leaf))
        context.use_privatekey(presented.key)
        for der in presented.chain:
            context.add_extra_chain_cert(load_der_x509_certificate(der))
    return context


def thief_context(presented: Presented, version: int) -> SSL.Context:
    """A client that has a public certificate, and another's key in place of the one that belongs to it."""
    encoded = _sec1(ec_private(presented))
    stolen = _scalar(ec_private(presented))
    assert encoded.count(stolen) == 1
    forged = encoded.replace(stolen, _scalar(ec.generate_private_key(ec.SECP256R1())))
    context = client_context(None, version)
    context.use_certificate(load_der_x509_certificate(presented.leaf))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # cryptography would not load such a key
        context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_ASN1, forged))
    for der in presented.chain:
        context.add_extra_chain_cert(load_der_x509_certificate(der))
    return context


def _sec1(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _scalar(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_numbers().private_value.to_bytes(32, "big")


class Forgetful:
    """A judge without memory; a base for those of the tests."""

    version = 0

    def cached(
        self, listener: str, leaf_sha256: bytes, path_sha256s: tuple[bytes, ...], at: datetime, /
    ) -> Judgement | None:
        return None

    def settle(self, standing: Standing, at: datetime, failures: Failures = NOT_ASKED, /) -> Judgement:
        return settle(standing, NothingKnown(), at, failures)


@attrs.define
class Handshake:
    """Both ends of a connection, and how far they came.

    :ivar alert: what the client was sent, by its name in RFC 8446 section 6.
    """

    server: SSL.Connection
    client: SSL.Connection
    server_completed: bool = False
    server_error: SSL.Error | None = None
    alert: str | None = None

    @property
    def peer(self) -> Peer:
        peer = self.server.peer
        assert isinstance(peer, Peer)
        return peer

    @property
    def refused_for(self) -> str | None:
        """The code of the reason that is recorded."""
        refused = self.peer.refused
        return None if refused is None else refused.refusal.reason.code

    def run(self, chunk: int = 65536) -> Handshake:
        """Carry bytes until nothing moves any more.

        :param chunk: how many bytes the server gets at a time.
        """
        while self._client_step() | self._to_server(chunk) | self._to_client():
            pass
        return self

    def begin(self) -> None:
        """ClientHello, and what the server answers."""
        self._client_step()
        self._to_server(65536)
        _outgoing(self.server)

    def finish(self) -> Handshake:
        """Let the server look at what it has been given."""
        self._server_step()
        return self

    def _client_step(self) -> bool:
        try:
            self.client.do_handshake()
            self.client.recv(1)
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            self.alert = self.alert or _alert(error)
        return False

    def _to_server(self, chunk: int) -> bool:
        sent = _outgoing(self.client)
        for start in range(0, len(sent), chunk):
            self.server.bio_write(sent[start : start + chunk])
            self._server_step()
        return bool(sent)

    def _server_step(self) -> None:
        if self.server_completed or self.server_error is not None:
            return
        try:
            self.server.do_handshake()
            self.server_completed = True
        except SSL.WantReadError:
            pass
        except SSL.Error as error:
            self.server_error = error

    def _to_client(self) -> bool:
        answered = _outgoing(self.server)
        if answered:
            self.client.bio_write(answered)
        return bool(answered)


def present_bytes(made_by: ConnectionCreator, *certificates: bytes) -> Handshake:
    """Send a server anything in place of certificates: in TLS 1.2 their message is in the clear.

    Nothing follows it, so the handshake cannot complete.
    """
    handshake = Handshake(
        made_by.connection(), SSL.Connection(client_context(None, SSL.TLS1_2_VERSION), None)
    )
    handshake.server.set_accept_state()
    handshake.client.set_connect_state()
    handshake.begin()
    handshake.server.bio_write(certificate_message(*certificates))
    return handshake.finish()


def certificate_message(*certificates: bytes) -> bytes:
    """A TLS 1.2 record with a Certificate message (RFC 5246 section 7.4.2)."""
    listed = b"".join(map(_counted, certificates))
    message = b"\x0b" + _counted(_counted(listed))
    return b"\x16\x03\x03" + len(message).to_bytes(2, "big") + message


def _counted(content: bytes) -> bytes:
    return len(content).to_bytes(3, "big") + content


def _outgoing(connection: SSL.Connection) -> bytes:
    try:
        return connection.bio_read(1_000_000)
    except SSL.WantReadError:
        return b""


def _alert(error: SSL.Error) -> str | None:
    """OpenSSL says ``tlsv1 alert unknown ca``."""
    for reason in library_reasons(error):
        _, found, name = reason.partition("alert ")
        if found:
            return name.replace(" ", "_")
    return None


def shake(made_by: ConnectionCreator, context: SSL.Context, chunk: int = 65536) -> Handshake:
    """A handshake of that client with that listener."""
    server = made_by.connection()
    server.set_accept_state()
    client = SSL.Connection(context, None)
    client.set_connect_state()
    return Handshake(server, client).run(chunk)

"""A TLS client over a socket that presents whatever it is told to, even what no library would load.

OpenSSL is the client. Where it refuses to load a certificate, it is given another one, and its Certificate
message is replaced on its way out: in TLS 1.2 that message is not encrypted, in TLS 1.3 the key is known from
the key log. A server that reads such a message must refuse it there and then, so what would come after it
(a CertificateVerify over another transcript) does not matter.
"""

from __future__ import annotations

import socket
import struct
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import attrs
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand
from OpenSSL import SSL, crypto

from mtlsd.tls.failures import library_reasons
from tests.pki import Presented
from tests.unit.tls.memory import client_context

HOST = "127.0.0.1"
TIMEOUT = 20.0
VERSIONS = {"tls1.2": SSL.TLS1_2_VERSION, "tls1.3": SSL.TLS1_3_VERSION}

_HANDSHAKE, _APPLICATION_DATA, _CERTIFICATE = 22, 23, 11
_CIPHER_SUITE = b"TLS_AES_128_GCM_SHA256"
_RECORD = 16_000  # octets of a fragment; 2**14 are allowed
_RECEIVED = 65_536

Rewrite = Callable[[bytes], bytes]


@attrs.frozen
class Refusing(Exception):
    """The server ended the connection.

    :ivar alert: its name in RFC 8446 section 6; empty where the connection was closed without one.
    """

    alert: str


@attrs.frozen
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes


class Client:
    """One connection.

    :param rewrite: changes what goes out.
    :raises Refusing: when the handshake fails for the client already.
    """

    def __init__(self, port: int, context: SSL.Context, rewrite: Rewrite | None = None) -> None:
        self.socket = socket.create_connection((HOST, port), TIMEOUT)
        self.tls = SSL.Connection(context, None)
        self.tls.set_connect_state()
        self._rewrite = rewrite
        try:
            self._until(self.tls.do_handshake)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.tls.sendall(data)
        self.flush()

    def ask(self, request: bytes) -> Answer:
        """:raises Refusing: when the server refuses, as it does in TLS 1.3 only after the handshake."""
        self.send(request)
        received = b""
        while b"\r\n\r\n" not in received:
            received += self.receive()
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(
            int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        while len(body) < length:
            body += self.receive()
        return Answer(int(head.split()[1]), body)

    def receive(self) -> bytes:
        received: bytes = self._until(lambda: self.tls.recv(_RECEIVED))
        return received

    def _until(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                done = step()
                self.flush()
                return done
            except SSL.WantReadError:
                self.flush()
                self._fill()
            except SSL.ZeroReturnError:
                raise Refusing("") from None
            except SSL.Error as error:
                raise Refusing(_alert(error)) from None

    def flush(self) -> None:
        """Send what OpenSSL has for the server."""
        try:
            outgoing = self.tls.bio_read(1_000_000)
        except SSL.WantReadError:
            return
        with suppress(OSError):  # the server may have closed already; its alert is still to be read
            self.socket.sendall(outgoing if self._rewrite is None else self._rewrite(outgoing))

    def _fill(self) -> None:
        try:
            received = self.socket.recv(_RECEIVED)
        except ConnectionResetError:
            received = b""
        if not received:
            raise Refusing("")
        self.tls.bio_write(received)


def _alert(error: SSL.Error) -> str:
    for reason in library_reasons(error):
        _, found, name = reason.partition("alert ")
        if found:
            return name.replace(" ", "_")
    return ""


def presenting(port: int, presented: Presented, version: int, loadable: Presented) -> Client:
    """Connect and present this, with OpenSSL as it is where it can, otherwise by :func:`forging`.

    :raises Refusing: as :class:`Client`.
    """
    context = client_context(None, version)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # `cryptography` would load less
            context.use_certificate(_load(presented.leaf))
            for der in presented.chain:
                context.add_extra_chain_cert(_load(der))
            context.use_privatekey(presented.key)
    except (crypto.Error, SSL.Error, ValueError):
        return forging(port, (presented.leaf, *presented.chain), version, loadable)
    return Client(port, context)


def _load(der: bytes) -> crypto.X509:
    """:raises ValueError: where OpenSSL would send other octets than these."""
    loaded = crypto.load_certificate(crypto.FILETYPE_ASN1, der)
    if crypto.dump_certificate(crypto.FILETYPE_ASN1, loaded) != der:
        raise ValueError
    return loaded


def forging(port: int, certificates: Sequence[bytes], version: int, loadable: Presented) -> Client:
    """Connect and present these certificates, leaf first, whatever they are; in TLS 1.3 nothing follows them.

    :param loadable: what OpenSSL is given in their place.
    :raises Refusing: as :class:`Client`.
    """
    context = client_context(loadable, version)
    if version == SSL.TLS1_2_VERSION:
        plain = _message(certificates, b"", b"")
        return Client(port, context, lambda outgoing: _replaced(outgoing, plain))
    context.set_tls13_ciphersuites(_CIPHER_SUITE)
    secrets: list[bytes] = []

    def log(connection: SSL.Connection, line: bytes) -> None:
        label, _, secret = line.split()
        if label == b"CLIENT_HANDSHAKE_TRAFFIC_SECRET":
            secrets.append(bytes.fromhex(secret.decode()))

    context.set_keylog_callback(log)
    message = _message(certificates, b"\0", b"\0\0")
    return Client(port, context, lambda outgoing: _encrypted(outgoing, message, secrets))


def _message(certificates: Sequence[bytes], request_context: bytes, extensions: bytes) -> bytes:
    """A Certificate message (RFC 5246 section 7.4.2, RFC 8446 section 4.4.2)."""
    entries = b"".join(_vector(certificate) + extensions for certificate in certificates)
    return bytes((_CERTIFICATE,)) + _vector(request_context + _vector(entries))


def _vector(content: bytes) -> bytes:
    return len(content).to_bytes(3, "big") + content


def _replaced(outgoing: bytes, message: bytes) -> bytes:
    """The records with another Certificate message, in TLS 1.2."""
    result = b""
    for kind, record in _records(outgoing):
        if kind == _HANDSHAKE and record[5] == _CERTIFICATE:
            result += b"".join(_record(_HANDSHAKE, part) for part in _fragments(message))
        else:
            result += record
    return result


def _encrypted(outgoing: bytes, message: bytes, secrets: Sequence[bytes]) -> bytes:
    """The records, but in place of the first encrypted ones that message alone, in TLS 1.3."""
    kept = b"".join(record for kind, record in _records(outgoing) if kind != _APPLICATION_DATA)
    if len(kept) == len(outgoing):
        return outgoing
    key, iv = _expand(secrets[0], b"key", 16), _expand(secrets[0], b"iv", 12)
    for number, part in enumerate(_fragments(message)):
        nonce = (int.from_bytes(iv, "big") ^ number).to_bytes(12, "big")
        inner = part + bytes((_HANDSHAKE,))
        header = struct.pack("!BHH", _APPLICATION_DATA, 0x0303, len(inner) + 16)
        kept += header + AESGCM(key).encrypt(nonce, inner, header)
    return kept


def _expand(secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446 section 7.1)."""
    named = b"tls13 " + label
    return HKDFExpand(SHA256(), length, struct.pack("!HB", length, len(named)) + named + b"\0").derive(secret)


def _records(outgoing: bytes) -> list[tuple[int, bytes]]:
    found = []
    while outgoing:
        end = 5 + int.from_bytes(outgoing[3:5], "big")
        found.append((outgoing[0], outgoing[:end]))
        outgoing = outgoing[end:]
    return found


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("!BHH", kind, 0x0303, len(content)) + content


def _fragments(message: bytes) -> list[bytes]:
    return [message[start : start + _RECORD] for start in range(0, len(message), _RECORD)]

"""Attacks on the running daemon beyond bad certificates. A good client is served before, during and after."""

from __future__ import annotations

import random
import signal
import socket
import sqlite3
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest
from cryptography import x509
from OpenSSL import SSL

from tests.end_to_end.daemon import MTLSD
from tests.end_to_end.hostile import MODES, Hostile, hostile, hostile_setup, token_request
from tests.end_to_end.raw_tls import HOST, TIMEOUT, VERSIONS, Client, Refusing, forging
from tests.pki import BAD, Presented, dn
from tests.unit.tls.memory import client_context

MALLORY = "mallory"
"""A client with a good certificate and bad intentions."""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    setup = hostile_setup(tmp_path_factory.mktemp("attacks"))
    setup.add_client(MALLORY, tls_client_auth_san_dns="mallory.example")
    setup.add_listener("hurried", "required", limits={"handshake_seconds": 1, "request_seconds": 1})
    with hostile(setup) as running:
        yield running


@pytest.fixture(autouse=True)
def good_client_is_served(target: Hostile) -> Iterator[None]:
    yield
    assert target.good_token().status == 200
    target.audit.events()


def mallory(target: Hostile) -> Presented:
    return target.pki.leaf(subject=dn(CN=MALLORY), names=[x509.DNSName("mallory.example")])


def connect(target: Hostile, listener: str = "handshake", version: str = "tls1.3") -> Client:
    return Client(target.port(listener), client_context(mallory(target), VERSIONS[version]))


def rest(client: Client) -> bytes:
    """What comes until the server closes."""
    received = b""
    with suppress(Refusing):
        while True:
            received += client.receive()
    return received


# -- HTTP ----------------------------------------------------------------------------------------------


def test_pipelined_requests_for_others(target: Hostile) -> None:
    """However requests are strung together, the connection's identity is the one that counts."""
    wanted = [MALLORY, "by-dn", MALLORY, "by-dns", "nobody", MALLORY]
    with connect(target) as client:
        *first, last = wanted
        client.send(b"".join(map(token_request, first)) + token_request(last, "Connection: close\r\n"))
        answers = rest(client)
    statuses = [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200 if client_id == MALLORY else 401 for client_id in wanted]
    events = target.audit.wait_for(len(wanted))
    assert {event["client_id"] for event in events if event["event"] == "token.issued"} == {MALLORY}


@pytest.mark.parametrize(
    "header",
    [
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Content-Length: 0\r\n",
        "Content-Length : 5\r\n",
        "Host: other\r\n",
        " folded: yes\r\n",
    ],
)
def test_smuggled_requests(target: Hostile, header: str) -> None:
    """A request with two readings is answered once, and then the connection is closed."""
    with connect(target) as client:
        client.send(token_request(MALLORY, header) + token_request(MALLORY))
        answers = rest(client)
    assert answers.count(b"\r\n\r\n") == 1
    assert answers.startswith(b"HTTP/1.1 400 ")
    assert b"access_token" not in answers


def test_a_client_that_never_reads(target: Hostile) -> None:
    """What it leaves unread does not pile up in memory, and its requests are not worked off in vain."""
    before = target.daemon.resident_bytes()
    with connect(target) as client:
        client.socket.settimeout(0.5)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sent = 0
        with suppress(OSError):
            while sent < 20_000:
                client.send(token_request(MALLORY) * 100)
                sent += 100
        assert target.good_token().status == 200
        assert target.daemon.resident_bytes() - before < 8_000_000
        issued = sum(event["event"] == "token.issued" for event in target.audit.events())
        assert issued < 5000


def test_dripping_requests(target: Hostile) -> None:
    """The deadline is the whole request's."""
    with connect(target, "hurried") as client:
        began = time.monotonic()
        with suppress(Refusing, OSError):
            for octet in token_request(MALLORY):
                client.send(bytes((octet,)))
                time.sleep(0.02)
        answer = rest(client)
        assert time.monotonic() - began < 5
    assert answer.startswith(b"HTTP/1.1 408 ")


# -- TLS -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01"])
def test_handshakes_that_never_end(target: Hostile, sent: bytes) -> None:
    """They end at their deadline; nothing was presented, yet the audit log has the time-out."""
    with closing(socket.create_connection((HOST, target.port("hurried")), TIMEOUT)) as stuck:
        stuck.sendall(sent)
        with suppress(ConnectionResetError):
            assert stuck.recv(100) == b""
    (event,) = target.audit.wait_for(1)
    assert (event["event"], event["reason"]) == ("handshake.refused", "tls.timeout")


def client_hello() -> bytes:
    client = SSL.Connection(client_context(None), None)
    client.set_connect_state()
    with suppress(SSL.WantReadError):
        client.do_handshake()
    return client.bio_read(10_000)


def mutated(octets: bytes, chance: random.Random) -> bytes:
    """The octets with a few of them changed, doubled or left out."""
    changed = bytearray(octets)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed))
        kind = chance.randrange(4)
        if kind == 0:
            changed[at] = chance.randrange(256)
        elif kind == 1:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del changed[at : at + chance.randint(1, 8)]
        else:
            changed[at:at] = changed[at : at + chance.randint(1, 8)]
    return bytes(changed)


def test_mutated_client_hellos(target: Hostile) -> None:
    """Whatever is sent first, the daemon lives and says nothing but what OpenSSL answers."""
    chance, hello = random.Random(8446), client_hello()
    for _ in range(150):
        with closing(socket.create_connection((HOST, target.port("handshake")), TIMEOUT)) as connection:
            connection.sendall(mutated(hello, chance))
    assert target.good_token().status == 200


@pytest.mark.parametrize("listener", MODES)
@pytest.mark.parametrize("version", VERSIONS)
def test_mutated_certificates(target: Hostile, listener: str, version: str) -> None:
    """Certificates with a few octets changed, whose signatures cannot be good, never become an identity."""
    chance, good = random.Random(5280), target.pki.leaf()
    for _ in range(60):
        sent = (mutated(good.leaf, chance), *good.chain)
        with suppress(Refusing), forging(target.port(listener), sent, VERSIONS[version], good) as client:
            client.ask(token_request("by-dn"))
    events = target.audit.wait_for(60)
    assert {event["event"] for event in events} == {"handshake.refused"}
    reasons = {event["reason"] for event in events}
    assert reasons >= {"certificate.malformed", "chain.signature"} or listener == "response"
    assert "tls.internal" not in reasons


@pytest.mark.parametrize("protocols", [["h2"], ["h2", "http/1.1"], ["mtlsd"]])
def test_other_protocols(target: Hostile, protocols: list[str]) -> None:
    """Whatever a client would like to speak, this is HTTP/1.1."""
    written = target.daemon.setup.present(MALLORY, mallory(target))
    context = ssl.create_default_context(cafile=str(target.daemon.setup.ca_file))
    context.load_cert_chain(written.certificate, written.key)
    context.set_alpn_protocols(protocols)
    plain = socket.create_connection((HOST, target.port("handshake")), TIMEOUT)
    with context.wrap_socket(plain, server_hostname=HOST) as secure:
        assert secure.selected_alpn_protocol() in (None, "http/1.1")
        secure.sendall(token_request(MALLORY))
        assert secure.recv(12) == b"HTTP/1.1 200"


@pytest.mark.parametrize("name", [b"localhost", b"public", b"other.example", b"x" * 255])
def test_the_server_name_changes_nothing(target: Hostile, name: bytes) -> None:
    """One policy for a listener, whatever name the client asks for: no certificate, no handshake."""
    context = client_context(None)
    connection = SSL.Connection(context, socket.create_connection((HOST, target.port("handshake")), TIMEOUT))
    connection.set_tlsext_host_name(name)
    connection.set_connect_state()
    with pytest.raises(SSL.Error, match="certificate required"):
        _shake_and_read(connection)
    (event,) = target.audit.wait_for(1)
    assert event["reason"] == "certificate.absent"


def _shake_and_read(connection: SSL.Connection) -> None:
    for step in (connection.do_handshake, lambda: connection.recv(1)):
        while True:
            try:
                step()
                break
            except SSL.WantReadError:
                time.sleep(0.01)


# -- the audit log -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "client_id",
    [
        '"},{"event":"token.issued"',
        "a\r\nb",
        "\x1b[2J",
        "\u202e\u2066",
        "\U0001f600",
        "x" * 60_000,
        "\x7f\x80",
    ],
)
def test_nobody_writes_lines_of_his_own(target: Hostile, client_id: str) -> None:
    """And what a caller can have written is no longer than it helps anybody to understand."""
    with connect(target) as client:
        status = client.ask(token_request(client_id)).status
    assert status in (400, 401)
    (event,) = target.audit.wait_for(1)
    assert event["event"] == "token.refused"
    assert len(str(event)) < 8192


def test_the_longest_names_make_no_long_line(target: Hostile) -> None:
    """Whoever has no key at all can have a certificate's names written down: that must not fill the disk."""
    long = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "\u202e" * 20) for _ in range(50)])
    stranger = target.pki.leaf(target.pki.ca("Stranger", None), long)
    with pytest.raises(Refusing):
        Client(target.port("handshake"), client_context(stranger, VERSIONS["tls1.2"]))
    (event,) = target.audit.wait_for(1)
    assert event["reason"] == "chain.untrusted"
    assert len(str(event)) < 8192


# -- files and signals ---------------------------------------------------------------------------------


def test_a_storm_of_reloads(target: Hostile) -> None:
    """No request is lost, and connections that were open stay open."""
    with connect(target) as client:
        for _ in range(30):
            target.daemon.process.send_signal(signal.SIGHUP)
            assert client.ask(token_request(MALLORY)).status == 200
            assert target.good_token().status == 200


def test_a_store_that_somebody_locks(target: Hostile) -> None:
    """Tokens need no store, and no look at it blocks anybody."""
    with closing(sqlite3.connect(target.daemon.setup.directory / "mtlsd.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        until = time.monotonic() + 2.5
        while time.monotonic() < until:
            began = time.monotonic()
            assert target.good_token().status == 200
            assert time.monotonic() - began < 1
            time.sleep(0.1)
        other.execute("ROLLBACK")


@pytest.mark.parametrize(
    "name", ["line_break_in_subject", "escapes_in_subject", "bidi_in_subject", "nul_in_uri_san"]
)
def test_hostile_certificates_on_a_terminal(target: Hostile, name: str) -> None:
    """`mtlsd explain` prints names of strangers; none of them moves the cursor or rings the bell."""
    setup = target.daemon.setup
    written = setup.present(name, BAD[name].make(target.pki))
    for more in ([], ["--json"]):
        command = [
            MTLSD,
            "explain",
            "-c",
            str(setup.config),
            "--certificate",
            str(written.certificate),
            *more,
        ]
        said = subprocess.run(command, text=True, capture_output=True, timeout=TIMEOUT).stdout
        assert "subject.unknown" in said
        assert all(character.isprintable() or character == "\n" for character in said)

"""Start, reload, registration by command, rotation of keys, drain, and how the daemon ends."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import jwt
import pytest
from cryptography import x509

from tests.end_to_end.clients import NoAnswer, Session, context, get, http_text, python, tcp
from tests.end_to_end.clients import request_token as form
from tests.end_to_end.daemon import BIN, MTLSD, Daemon, eventually, mtlsd, running
from tests.end_to_end.setup import HOST, Setup, free_port, to_toml
from tests.pki import DNS, Written

RUN = (MTLSD, "run", "-c")
TWISTD = (str(BIN / "twistd"), "-n", "--pidfile=", "mtlsd", "--config")
TWIST = (str(BIN / "twist"), "mtlsd", "--config")


@pytest.fixture
def setup(tmp_path: Path) -> Setup:
    setup = Setup(tmp_path / "daemon")
    setup.add_client("billing", tls_client_auth_san_dns=DNS)
    return setup


@pytest.fixture
def billing(setup: Setup) -> Written:
    return setup.leaf("billing", x509.DNSName(DNS))


def server_certificate(setup: Setup, listener: str, presented: Written | None) -> bytes | None:
    with Session(setup.url(listener), setup.ca_file, presented) as session:
        return session.socket.getpeercert(True)


# -- reload --------------------------------------------------------------------------------------------------


def test_a_reload_takes_everything_new(setup: Setup, billing: Written) -> None:
    """And a connection that is open goes on."""
    setup.add_listener("leaving", "required")
    with running(setup) as daemon, Session(setup.url(), setup.ca_file, billing) as session:
        assert session.post(form("billing")).status == 200
        kept, old = session.socket, session.socket.getpeercert(True)
        new = setup.new_server_certificate("renewed")
        setup.listener("mtls").update(certificate="renewed.pem", key="renewed.key")
        setup.document["listener"].remove(setup.listener("leaving"))
        setup.add_listener("joining", "required", refuse_in="response")
        setup.document["tokens"] = {"access_token_seconds": 77}
        add_beside(setup, "added", "added.example")
        added = setup.leaf("added", x509.DNSName("added.example"))
        assert daemon.reload()["event"] == "reload.done"
        assert session.post(form("billing")).json["expires_in"] == 77
        assert session.socket is kept
        assert server_certificate(setup, "mtls", billing) == new != old
        for listener in ("mtls", "joining"):
            assert python(setup.url(listener), setup.ca_file, added, form("added")).status == 200
        with pytest.raises(NoAnswer, match="refused"):
            python(setup.url("leaving"), setup.ca_file, billing, form("billing"))


def add_beside(setup: Setup, client_id: str, name: str) -> Path:
    """Register a client in clients.d."""
    client = {
        "client_id": client_id,
        "token_endpoint_auth_method": "tls_client_auth",
        "tls_client_auth_san_dns": name,
        "trust_anchors": ["partners"],
    }
    directory = setup.directory / "clients.d"
    directory.mkdir(exist_ok=True)
    file = directory / f"{client_id}.toml"
    file.write_text(to_toml({"client": [client]}))
    return file


def test_a_request_under_way_is_finished_by_a_listener_that_moves(setup: Setup, billing: Written) -> None:
    setup.add_listener("leaving", "required")
    with running(setup) as daemon, context(setup.ca_file, billing).wrap_socket(
        tcp(setup.url("leaving")), server_hostname=HOST
    ) as open_one:  # fmt: skip
        text = http_text(setup.url("leaving"), form("billing")).encode()
        open_one.sendall(text[:-5])
        setup.listener("leaving")["endpoint"] = f"tcp:{free_port()}:interface={HOST}"
        assert daemon.reload()["event"] == "reload.done"
        open_one.sendall(text[-5:])
        assert open_one.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_listener_is_renamed(setup: Setup, billing: Written) -> None:
    """Its port stays open, and so do connections, which are judged by the new name's trust from then on."""
    with running(setup) as daemon, Session(setup.url(), setup.ca_file, billing) as session:
        assert session.post(form("billing")).status == 200
        kept = session.socket
        setup.listener("mtls")["name"] = "renamed"
        event = daemon.reload()
        assert event["event"] == "reload.done"
        assert any(place.startswith("renamed ") for place in event["listeners"])
        mark = daemon.mark()
        assert session.post(form("billing")).status == 200
        assert session.socket is kept
        assert daemon.event("token.issued", mark)["listener"] == "renamed"
        mark = daemon.mark()
        assert python(setup.url(), setup.ca_file, billing, form("billing")).status == 200
        assert daemon.event("token.issued", mark)["listener"] == "renamed"


def test_two_listeners_swap_their_endpoints(setup: Setup, billing: Written) -> None:
    """A certificate that only one of them trusts gets tokens at that one alone, on open connections too."""
    setup.add_anchors("strangers", setup.pki.anchors[1])
    setup.add_listener("other", "required", trust_anchors=["strangers"], refuse_in="response")
    setup.listener("mtls")["trust_anchors"] = ["partners"]
    with running(setup) as daemon, Session(setup.url(), setup.ca_file, billing) as session:
        assert session.post(form("billing")).status == 200
        mtls, other = setup.listener("mtls"), setup.listener("other")
        mtls["endpoint"], other["endpoint"] = other["endpoint"], mtls["endpoint"]
        assert daemon.reload()["event"] == "reload.done"
        assert session.post(form("billing")).status == 401
        assert python(setup.url("other"), setup.ca_file, billing, form("billing")).status == 200
        assert python(setup.url("mtls"), setup.ca_file, billing, form("billing")).status == 401


def test_a_client_that_leaves_is_refused_on_its_open_connection(setup: Setup, billing: Written) -> None:
    file = add_beside(setup, "brief", "brief.example")
    brief = setup.leaf("brief", x509.DNSName("brief.example"))
    with running(setup) as daemon, Session(setup.url(), setup.ca_file, brief) as session:
        assert session.post(form("brief")).status == 200
        file.unlink()
        daemon.reload()
        answer = session.post(form("brief"))
        assert (answer.status, answer.json["error"]) == (401, "invalid_client")
        with pytest.raises(NoAnswer):
            python(setup.url(), setup.ca_file, brief, form("brief"))


def test_a_bad_file_changes_nothing(setup: Setup, billing: Written) -> None:
    """All of its mistakes are in the audit log and on standard error."""
    with running(setup) as daemon, Session(setup.url(), setup.ca_file, billing) as session:
        good = dict(setup.document)
        setup.document = {**good, "issuer": "http://as.example", "tokenz": {"x": 1}}
        setup.add_client("lost", tls_client_auth_san_dns="lost.example", trust_anchors=["nobody"])
        event = daemon.reload()
        assert event["event"] == "reload.refused"
        said = "\n".join(event["seen"])
        for mistake in ("issuer", "tokenz", "client.lost.trust_anchors[0]"):
            assert mistake in said
            eventually(lambda mistake=mistake: mistake in daemon.stderr)  # type: ignore[misc]  # typeshed has no defaults of a lambda
        assert session.post(form("billing")).status == 200
        assert python(setup.url(), setup.ca_file, billing, form("billing")).status == 200
        setup.config.write_text("[[listener")
        setup.write = lambda: setup.config  # type: ignore[method-assign]  # the broken file stays
        assert daemon.reload()["event"] == "reload.refused"
        assert session.post(form("billing")).status == 200


def occupy(other: socket.socket, port: int) -> None:
    other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    other.bind((HOST, port))
    other.listen()


def test_a_port_in_use_changes_nothing(setup: Setup, billing: Written) -> None:
    with running(setup) as daemon, socket.socket() as other:
        setup.add_listener("more", "required")
        setup.add_listener("busy", "required")
        setup.listener("mtls")["refuse_in"] = "response"
        occupy(other, setup.ports["busy"])
        event = daemon.reload()
        assert event["event"] == "reload.refused"
        assert str(setup.ports["busy"]) in event["seen"][0]
        with pytest.raises(NoAnswer, match="refused"):
            python(setup.url("more"), setup.ca_file, billing, form("billing"))
        with pytest.raises(NoAnswer):  # still refused in the handshake
            python(setup.url(), setup.ca_file, None, form("billing"))
        assert python(setup.url(), setup.ca_file, billing, form("billing")).status == 200
        other.close()
        assert daemon.reload()["event"] == "reload.done"
        assert python(setup.url("more"), setup.ca_file, billing, form("billing")).status == 200


# -- what other processes change -----------------------------------------------------------------------------


def test_clients_come_and_go_by_command(setup: Setup, billing: Written) -> None:
    """Without a reload, and with effect on connections that are open."""
    late = setup.leaf("late", x509.DNSName("late.example"))
    config = ("-c", setup.config)
    with running(setup) as daemon:

        def status() -> int:
            try:
                return python(setup.url(), setup.ca_file, late, form("late")).status
            except NoAnswer:
                return 0

        def becomes(wanted: int, ask: Callable[[], int] = status) -> None:
            eventually(lambda: ask() == wanted, seconds=5)

        assert status() == 0
        mtlsd("client", "add", *config, "--client-id", "late", "--certificate", late.certificate)
        becomes(200)
        with Session(setup.url(), setup.ca_file, late) as session:
            kept = session.socket
            assert session.post(form("late")).status == 200
            mtlsd("client", "disable", *config, "late")
            becomes(401, lambda: session.post(form("late")).status)
            assert status() == 0
            mtlsd("client", "enable", *config, "late")
            becomes(200)
            assert session.post(form("late")).status == 401  # a refusal on a connection is final
            assert session.socket is kept
        with Session(setup.url(), setup.ca_file, late) as session:
            assert session.post(form("late")).status == 200
            mtlsd("client", "remove", *config, "late")
            becomes(401, lambda: session.post(form("late")).status)
        assert status() == 0
        assert "refresh.failed" not in daemon.stderr


def test_a_second_client_with_the_same_name_is_refused(setup: Setup, billing: Written) -> None:
    """By command, while the daemon knows the first one from its file."""
    with running(setup):
        said = mtlsd(
            "client", "add", "-c", setup.config, "--client-id", "twin", "--certificate", billing.certificate,
            "--by", "dns", code=78,
        )  # fmt: skip
        assert "billing" in said


def test_keys_are_rotated_by_command(setup: Setup, billing: Written) -> None:
    """The next key signs, the old one stays published, and so does a new next one."""

    def token_kid() -> str:
        token = python(setup.url(), setup.ca_file, billing, form("billing")).token
        kid: str = jwt.get_unverified_header(token)["kid"]
        return kid

    def published() -> list[str]:
        keys = get(setup.url("public", "/jwks"), setup.ca_file).json["keys"]
        return [key["kid"] for key in keys]

    with running(setup):
        first, before = token_kid(), published()
        assert first in before
        mtlsd("keys", "rotate", "-c", setup.config)
        second = eventually(lambda: kid if (kid := token_kid()) != first else None, seconds=5)
        assert second in before, "it was published before it signed"
        assert {first, second} < set(published())
        assert len(published()) == 3


def test_locked_keys_hold_up_no_request(setup: Setup, billing: Written) -> None:
    """Somebody keeps the directory's lock, and the daemon reloads meanwhile."""
    with running(setup) as daemon:
        held = os.open(setup.directory / "keys", os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            mark = daemon.mark()
            daemon.process.send_signal(signal.SIGHUP)
            until = time.monotonic() + 1.5
            while (begun := time.monotonic()) < until:
                assert python(setup.url(), setup.ca_file, billing, form("billing")).status == 200
                assert time.monotonic() - begun < 1
            assert daemon.events("reload.done", mark) == []
        finally:
            os.close(held)
        daemon.event("reload.done", mark)


# -- the end -------------------------------------------------------------------------------------------------


@attrs.define
class Load:
    """Clients that ask for one token after the other until they are refused, and what they met."""

    setup: Setup
    presented: Written
    answered: int = 0
    lost: list[str] = attrs.field(factory=list)
    threads: list[threading.Thread] = attrs.field(factory=list)
    lock: Any = attrs.field(factory=threading.Lock)

    def start(self, kept: int, fresh: int) -> None:
        work = [self._kept] * kept + [self._fresh] * fresh
        self.threads = [threading.Thread(target=own, daemon=True) for own in work]
        for thread in self.threads:
            thread.start()

    def join(self) -> None:
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive(), "a request has no answer"

    def _session(self) -> Session | None:
        """A connection with its handshake done; None where it was refused before that."""
        session = Session(self.setup.url(), self.setup.ca_file, self.presented)
        try:
            session.connection.connect()
        except OSError:
            session.connection.close()
            return None
        return session

    def _ask(self, session: Session) -> bool:
        """Whether the connection may go on. From here on every request has to be answered."""
        try:
            answer = session.post(form("billing"))
        except Exception as error:
            self.lost.append(repr(error))
            return False
        if answer.status != 200:
            self.lost.append(repr(answer))
        with self.lock:
            self.answered += 1
        return answer.headers.get("connection") != "close"

    def _kept(self) -> None:
        session = self._session()
        while session is not None and self._ask(session):
            pass
        if session is not None:
            session.connection.close()

    def _fresh(self) -> None:
        while (session := self._session()) is not None:
            self._ask(session)
            session.connection.close()


def test_no_request_is_lost_when_it_stops(setup: Setup, billing: Written) -> None:
    """Under load, on open connections and on new ones."""
    with running(setup) as daemon:
        load = Load(setup, billing)
        load.start(kept=6, fresh=4)
        eventually(lambda: load.answered > 100)
        daemon.terminate()
        assert daemon.wait() == 0
        load.join()
        assert load.lost == []
        assert len(daemon.events("token.issued")) == load.answered
        assert daemon.events()[-1]["event"] == "server.stopped"


def test_a_slow_request_is_waited_for(setup: Setup, billing: Written) -> None:
    with running(setup) as daemon, context(setup.ca_file, billing).wrap_socket(
        tcp(setup.url()), server_hostname=HOST
    ) as slow:  # fmt: skip
        text = http_text(setup.url(), form("billing")).encode()
        slow.sendall(text[:-5])
        assert get(setup.url("public", "/jwks"), setup.ca_file).status == 200  # so that it was read
        daemon.terminate()

        def refused() -> bool:
            try:
                tcp(setup.url()).close()
            except ConnectionRefusedError:
                return True
            return False

        eventually(refused)
        assert daemon.process.poll() is None
        slow.sendall(text[-5:])
        answer = slow.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" in answer.lower()
        slow.close()
        assert daemon.wait() == 0


def test_the_drain_has_an_end(setup: Setup, billing: Written) -> None:
    """A request that never ends does not hold it up beyond drain_seconds."""
    setup.document["drain_seconds"] = 1
    with running(setup) as daemon, context(setup.ca_file, billing).wrap_socket(
        tcp(setup.url()), server_hostname=HOST
    ) as endless:  # fmt: skip
        endless.sendall(http_text(setup.url(), form("billing")).encode()[:-5])
        assert get(setup.url("public", "/jwks"), setup.ca_file).status == 200
        daemon.terminate()
        assert daemon.process.wait(5) == 0


# -- ways to start, and not to -------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [TWISTD, TWIST])
def test_twisted_s_own_commands(setup: Setup, billing: Written, command: Sequence[str]) -> None:
    """They start the same service. Once it has stopped they end by the signal that they got."""
    with running(setup, command, -signal.SIGTERM) as daemon:
        assert python(setup.url(), setup.ca_file, billing, form("billing")).status == 200
        assert daemon.event("token.issued")["client_id"] == "billing"
        setup.document["tokens"] = {"access_token_seconds": 77}
        assert daemon.reload()["event"] == "reload.done"
        assert python(setup.url(), setup.ca_file, billing, form("billing")).json["expires_in"] == 77


def test_the_audit_log_in_a_file(setup: Setup, billing: Written) -> None:
    """After it was rotated away, a reload begins a new one."""
    setup.document["audit"] = {"file": "audit.log"}
    file, rotated = setup.directory / "audit.log", setup.directory / "audit.log.1"
    daemon = Daemon(setup)
    daemon.out = file
    try:
        eventually(file.exists)
        daemon.wait_until_ready()
        assert python(setup.url(), setup.ca_file, billing, form("billing")).status == 200
        file.rename(rotated)
        daemon.process.send_signal(signal.SIGHUP)
        eventually(lambda: "reload.done" in rotated.read_text())  # the last word in there
        assert python(setup.url(), setup.ca_file, billing, form("billing")).status == 200
        daemon.event("token.issued")
        assert len(daemon.events("token.issued")) == rotated.read_text().count('"token.issued"') == 1
        daemon.terminate()
        assert daemon.wait() == 0
    finally:
        daemon.process.kill()


def ended(setup: Setup, command: Sequence[str] = RUN) -> tuple[int, str]:
    """How a daemon ends that cannot start, and what it says."""
    daemon = Daemon(setup, command)
    try:
        code = daemon.wait()
    finally:
        daemon.process.kill()
    assert "Traceback" not in daemon.stderr
    assert daemon.events("server.started") == []
    return code, daemon.stderr


@pytest.mark.parametrize("command", [RUN, TWISTD, TWIST])
def test_mistakes_in_the_configuration(setup: Setup, command: Sequence[str]) -> None:
    """All of them at once, with their places."""
    setup.add_listener("other", "maybe")
    setup.listener("mtls")["certificate"] = "nowhere.pem"
    setup.document["tokens"] = {"access_token_seconds": "300"}
    code, said = ended(setup, command)
    assert code == 78
    for place in (
        "listener.mtls.certificate",
        "listener.other.client_certificate",
        "tokens.access_token_seconds",
    ):
        assert place in said
    assert "listener.mtls.certificate" in mtlsd("check", "-c", setup.config, code=78)


def test_no_configuration(setup: Setup) -> None:
    assert "does not exist" in mtlsd("run", "-c", setup.directory / "nowhere.toml", code=78)


def test_a_store_that_cannot_be_used(setup: Setup) -> None:
    (setup.directory / "mtlsd.db").write_text("This is no database. " * 100)
    code, said = ended(setup)
    assert code == 69
    assert "mtlsd.db" in said


def test_a_store_of_a_newer_version(setup: Setup) -> None:
    with running(setup):
        pass
    with sqlite3.connect(setup.directory / "mtlsd.db") as database:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        database.execute(f"PRAGMA user_version = {version + 1}")
    (setup.directory / "out").unlink()
    code, said = ended(setup)
    assert code == 69
    assert "newer" in said


def test_signing_keys_that_others_can_read(setup: Setup) -> None:
    with running(setup):
        pass
    for file in (setup.directory / "keys").iterdir():
        file.chmod(0o644)
    (setup.directory / "out").unlink()
    code, said = ended(setup)
    assert code in (69, 78)
    assert str(setup.directory / "keys") in said


@pytest.mark.parametrize("command", [RUN, TWISTD, TWIST])
def test_a_port_in_use(setup: Setup, command: Sequence[str]) -> None:
    with socket.socket() as other:
        occupy(other, setup.ports["mtls"])
        code, said = ended(setup, command)
    assert code == 69
    assert str(setup.ports["mtls"]) in said
    assert "in use" in said


def test_the_console_script_says_its_version() -> None:
    assert mtlsd("--version").startswith("mtlsd ")
    assert Path(MTLSD).exists()

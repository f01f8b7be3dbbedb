"""Resuming sessions with ``openssl s_client``: none is ever taken up again, whoever comes with it.

A resumed session would bring back an identity without any certificate being looked at (R47). In TLS 1.3
OpenSSL sends tickets even so, but keeps nothing that they could be for. The same steps do resume sessions
with a server of openssl's, or this would mean nothing; what comes from there is offered to mtlsd as well.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import attrs
import pytest

from tests.end_to_end.clients import TLS_1_2, TLS_1_3, VERSIONS, NoAnswer, http_text, s_client
from tests.end_to_end.clients import request_token as form
from tests.end_to_end.daemon import DEADLINE, Daemon, eventually, running
from tests.end_to_end.real_pki import ALERTS, CLIENT, REVOKED, RealPki
from tests.end_to_end.setup import HOST, Setup, free_port
from tests.end_to_end.tools import needs
from tests.pki import Written

pytestmark = needs("openssl", "nginx")

OTHER = "other"
OTHER_NAME = "other.real.example"
WAYS = {"tickets": (), "ids": ("-no_ticket",)}
NO_CERTIFICATE = {TLS_1_2: 40, TLS_1_3: 116}
"""handshake_failure and certificate_required (RFC 8446 section 6.2)."""


@attrs.frozen
class Spoken:
    """What s_client printed."""

    said: str

    @property
    def handshakes(self) -> list[str]:
        """``New`` or ``Reused`` for each."""
        lines = (line.partition(",")[0] for line in self.said.splitlines() if ", Cipher is " in line)
        return [own for own in lines if own in ("New", "Reused")]

    @property
    def status(self) -> int | None:
        """Of the HTTP answer, where there was one."""
        start = self.said.find("HTTP/1.1 ")
        return None if start < 0 else int(self.said[start:].split()[1])

    @property
    def alert(self) -> int:
        return NoAnswer(self.said).alert


def speak(
    url: str, ca: Path, presented: Written | None, version: str, *more: str | Path, say: str = ""
) -> Spoken:
    command = s_client(url, ca, presented, version, "-ign_eof", *more)
    done = subprocess.run(
        list(map(str, command)), input=say, text=True, capture_output=True, timeout=DEADLINE, check=False
    )
    return Spoken(done.stdout + done.stderr)


@attrs.frozen
class Case:
    pki: RealPki
    daemon: Daemon
    good: Written
    other: Written
    revoked: Written

    def speak(self, listener: str, presented: Written | None, version: str, *more: str | Path) -> Spoken:
        """Ask for a token as the good certificate's client."""
        url = self.pki.setup.url(listener)
        say = http_text(url, form(CLIENT))
        return speak(url, self.pki.setup.ca_file, presented, version, *more, say=say)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    with RealPki(tmp_path_factory.mktemp("resumption")) as pki:
        setup, ca = pki.setup, pki.ca("own")
        place = setup.directory / "own.crl"
        ca.publish(place)
        pki.root.publish(setup.directory / "root.crl")
        pki.group("own", ca, crl=["own.crl", "root.crl"])
        setup.add_listener("answers", "required", trust_anchors=["own"], refuse_in="response")
        setup.add_listener("optional", "optional", trust_anchors=["own"])
        setup.add_client(OTHER, tls_client_auth_san_dns=OTHER_NAME, trust_anchors=["own"])
        other = ca.leaf("other", subjectAltName=f"DNS:{OTHER_NAME}")
        good, revoked = pki.leaf(ca, "good"), pki.leaf(ca, "revoked")
        with running(setup) as daemon:
            made = Case(pki, daemon, good, other, revoked)
            for number, version in enumerate(VERSIONS):
                for way, options in WAYS.items():
                    saved = setup.directory / f"revoked-{way}-{number}"
                    assert made.speak("own", revoked, version, *options, "-sess_out", saved).status == 200
            ca.revoke(revoked.certificate)
            ca.publish(place)
            assert daemon.reload()["event"] == "reload.done"
            yield made


@contextmanager
def openssl_server(setup: Setup, version: str, *options: str) -> Iterator[str]:
    """A server that resumes sessions; yields its URL."""
    port = free_port()
    command = ["openssl", "s_server", "-accept", f"{HOST}:{port}", "-cert", "server.pem"]
    command += ["-key", "server.key", "-www", f"-tls{version.replace('.', '_')}", *options]
    said = setup.directory / "s_server.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=setup.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        eventually(lambda: "ACCEPT" in said.read_text())
        yield f"https://{HOST}:{port}/"
    finally:
        process.kill()
        process.wait()


_NUMBERS = count()


def sessions(case: Case, version: str, way: str) -> list[Path]:
    """What can be offered: what mtlsd gave, if anything, and a session that another server has resumed."""
    setup = case.pki.setup
    own, others = (setup.directory / f"session-{next(_NUMBERS)}" for _ in range(2))
    spoken = case.speak("own", case.good, version, *WAYS[way], "-sess_out", own)
    assert (spoken.status, spoken.handshakes) == (200, ["New"])
    with openssl_server(setup, version, *WAYS[way]) as url:
        for number, expected in enumerate(("New", "Reused")):
            files = ("-sess_in", others) if number else ("-sess_out", others)
            say = "GET / HTTP/1.0\r\n\r\n"
            spoken = speak(url, setup.ca_file, case.good, version, *WAYS[way], *files, say=say)
            assert spoken.handshakes[:1] == [expected], spoken.said
    return [file for file in (own, others) if file.exists()]


@pytest.fixture(scope="module")
def offered(case: Case) -> dict[tuple[str, str], list[Path]]:
    return {(version, way): sessions(case, version, way) for version in VERSIONS for way in WAYS}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("version", VERSIONS)
class TestResumption:
    """From a session of a good certificate."""

    def test_nothing_to_resume(self, case: Case, version: str, way: str) -> None:
        """In TLS 1.2 there is neither a ticket nor a session id; in TLS 1.3 there may be."""
        spoken = case.speak("own", case.good, version, *WAYS[way])
        assert spoken.status == 200
        if version == TLS_1_2:
            assert "TLS session ticket:" not in spoken.said
            ids = [line.split(":")[1].strip() for line in spoken.said.splitlines() if "Session-ID:" in line]
            assert ids
            assert not any(ids)

    def test_same_certificate(
        self, case: Case, offered: dict[tuple[str, str], list[Path]], version: str, way: str
    ) -> None:
        """Whoever offers a session is not turned away, but shows the certificate again."""
        for session in offered[version, way]:
            spoken = case.speak("own", case.good, version, *WAYS[way], "-sess_in", session)
            assert (spoken.handshakes, spoken.status) == (["New"], 200)

    def test_revoked(
        self, case: Case, offered: dict[tuple[str, str], list[Path]], version: str, way: str
    ) -> None:
        """Also with the session that this very certificate had when it was good."""
        own = case.pki.setup.directory / f"revoked-{way}-{VERSIONS.index(version)}"
        for session in (*offered[version, way], *([own] if own.exists() else [])):
            mark = case.daemon.mark()
            spoken = case.speak("own", case.revoked, version, *WAYS[way], "-sess_in", session)
            assert (spoken.status, spoken.alert) == (None, ALERTS[REVOKED])
            assert "Reused" not in spoken.handshakes
            case.daemon.event("handshake.refused", mark, reason=REVOKED)
            spoken = case.speak("answers", case.revoked, version, *WAYS[way], "-sess_in", session)
            assert (spoken.handshakes, spoken.status) == (["New"], 401)
            case.daemon.event("token.refused", mark, reason=REVOKED, listener="answers")

    def test_another(
        self, case: Case, offered: dict[tuple[str, str], list[Path]], version: str, way: str
    ) -> None:
        for session in offered[version, way]:
            for listener in ("own", "answers", "optional"):
                mark = case.daemon.mark()
                spoken = case.speak(listener, case.other, version, *WAYS[way], "-sess_in", session)
                assert (spoken.handshakes, spoken.status) == (["New"], 401)
                event = case.daemon.event("token.refused", mark, listener=listener)
                assert event["subject"] == "CN=other,O=Real CA"

    def test_none(
        self, case: Case, offered: dict[tuple[str, str], list[Path]], version: str, way: str
    ) -> None:
        for session in offered[version, way]:
            spoken = case.speak("own", None, version, *WAYS[way], "-sess_in", session)
            assert (spoken.status, spoken.alert) == (None, NO_CERTIFICATE[version])
            for listener in ("answers", "optional"):
                mark = case.daemon.mark()
                spoken = case.speak(listener, None, version, *WAYS[way], "-sess_in", session)
                assert (spoken.handshakes, spoken.status) == (["New"], 401)
                assert "subject" not in case.daemon.event("token.refused", mark, listener=listener)

    def test_reconnect(self, case: Case, version: str, way: str) -> None:
        """s_client connects five more times with the session that it has."""
        spoken = case.speak("own", case.good, version, *WAYS[way], "-reconnect")
        assert spoken.handshakes == ["New"] * 6
        assert spoken.status == 200

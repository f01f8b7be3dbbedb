"""`mtlsd proxy-test`: what is sent, and what the answers mean."""

from __future__ import annotations

import base64
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.cli.exits import CONFIGURATION, OK, UNAVAILABLE, UNEXPECTED, USAGE
from mtlsd.cli.proxies.canary import Canary
from mtlsd.cli.proxies.findings import Outcome, Trial, counted
from mtlsd.cli.proxies.forgeries import PROXY, Forgery, encodings, forgeries
from mtlsd.cli.proxies.probing import Answer, NoAnswer, Target, read_answer
from mtlsd.cli.proxies.wanted import Upstream, Wanted, titled
from mtlsd.errors import Refusal
from mtlsd.forwarded.formats import FORMATS, KNOWN_FIELDS
from mtlsd.reasons import FORWARDED_MALFORMED, FORWARDED_SPELLING, REQUEST_MALFORMED
from tests.pki import Pki
from tests.unit.cli.conftest import Ran, add_tables

Mtlsd = Callable[..., Ran]
HOST = "127.0.0.1"
FORGERY = Forgery("Client-Cert", "as Client-Cert", b"Client-Cert: x\r\n")
WANTED = Wanted(
    listener="proxied",
    host="as.example.com",
    port=443,
    upstream=Upstream(None, "mtlsd.example", 8445, "mtlsd.example", "server.pem"),
    form="rfc9440",
    fields=("Client-Cert", "Client-Cert-Chain"),
    client_address="X-Forwarded-For",
    strip=tuple(sorted(titled(own.decode()) for own in KNOWN_FIELDS if not own.startswith(b"client-cert"))),
    proxy_certificate=None,
    credentials="credentials",
    proxy_users=(),
    anchors=("ca.pem",),
    names_cas=True,
    intermediates={"partners": 0},
    proxy_protocol=None,
    body_bytes=65_536,
    header_bytes=16_384,
    keepalive_seconds=60,
)


@pytest.fixture(scope="module")
def sent() -> list[Forgery]:
    pki = Pki(datetime.now(UTC))
    return list(forgeries(WANTED, pki.self_signed("canary").leaf, pki.leaf().leaf))


def test_every_field_is_tried_in_every_spelling(sent: list[Forgery]) -> None:
    names = {own.head.partition(b":")[0] for own in sent}
    for field in (*KNOWN_FIELDS, b"x-forwarded-for", b"x-proxy-authorization"):
        assert {field, field.upper(), titled(field.decode()).encode().replace(b"-", b"_")} <= names


def test_they_are_many_and_none_is_there_twice(sent: list[Forgery]) -> None:
    assert 250 < len(sent) < 600
    wire = [(own.head, own.nominated, own.trailer, own.before_tls, own.before_request) for own in sent]
    assert len(set(wire)) == len(wire)
    assert len({(own.field, own.how) for own in sent}) == len(sent)


def test_a_certificate_is_tried_as_formats_have_it() -> None:
    """All of them are really read, but for those whose fields nobody else sends."""
    der = Pki(datetime.now(UTC)).self_signed("canary").leaf
    spelt = list(encodings(der).values())
    for name, found in FORMATS.items():
        if name in ("header", "wso2"):
            continue
        reader = found.reader()
        read = []
        for value in spelt:
            with suppress(Refusal):
                read.append(reader.parse({reader.fields[0]: value}))
        assert [own.leaf for own in read if own is not None] == [der], name


# -- what answers mean -------------------------------------------------------------------------------------


def refusal(error: str, description: str) -> dict[str, str]:
    return {"error": error, "error_description": description, "correlation_id": "x"}


CONTROL = Answer(401, refusal("invalid_client", "Client authentication failed."))
LEAK = Answer(400, refusal("invalid_request", FORWARDED_SPELLING.meaning))
TOKEN = Answer(200, {"access_token": "opaque"})


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (CONTROL, "stripped"),
        (LEAK, "leaks"),
        (TOKEN, "believed"),
        (Answer(503, refusal("temporarily_unavailable", "")), "believed"),
        (Answer(0), "refused"),
        (Answer(400), "refused"),
        (Answer(403), "refused"),
        (Answer(401), "refused"),
        (Answer(502), "refused"),
        (Answer(400, refusal("invalid_request", REQUEST_MALFORMED.meaning)), "refused"),
        (Answer(431, refusal("invalid_request", "Too long.")), "refused"),
    ],
)
def test_outcomes(answer: Answer, outcome: Outcome) -> None:
    assert Trial(_target(1), CONTROL, strips=True).outcome(FORGERY, answer) == outcome


def test_mtlsd_itself_refuses_where_tls_is_passed_on() -> None:
    trial = Trial(_target(1), CONTROL, strips=False)
    assert trial.outcome(FORGERY, LEAK) == "refused"
    assert trial.outcome(FORGERY, TOKEN) == "believed"


def test_a_proxy_header_must_not_be_taken() -> None:
    trial = Trial(_target(1), CONTROL, strips=False)
    header = Forgery(PROXY, "version 1, before TLS", before_tls=b"PROXY")
    assert trial.outcome(header, CONTROL) == "believed"
    assert trial.outcome(header, Answer(0)) == "refused"
    assert trial.outcome(header, Answer(400, refusal("invalid_request", ""))) == "refused"


def test_a_token_that_is_bound_to_another_certificate() -> None:
    """The forged certificate was taken, though the client's own was there."""

    def bound(thumbprint: str) -> Answer:
        claims = json.dumps({"cnf": {"x5t#S256": thumbprint}}).encode()
        text = base64.urlsafe_b64encode(claims).decode().rstrip("=")
        return Answer(200, {"access_token": f"e30.{text}.c2ln"})

    trial = Trial(_target(1), bound("own"), strips=True)
    assert trial.outcome(FORGERY, bound("own")) == "stripped"
    assert trial.outcome(FORGERY, bound("forged")) == "believed"
    assert trial.outcome(FORGERY, CONTROL) == "believed", "the client's own was taken away"


@given(st.binary(max_size=300))
@settings(max_examples=300)
def test_any_answer_is_read(octets: bytes) -> None:
    assert read_answer(octets).status in range(1000)
    assert str(read_answer(b"HTTP/1.1 401 x\r\n\r\n" + octets)).isprintable()


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'{"error": ["invalid_request"], "correlation_id": 1}', b"\xff"]
)
def test_odd_bodies(body: bytes) -> None:
    answer = read_answer(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\n" + body)
    assert (answer.status, answer.reason) == (400, None)


# -- on the wire -------------------------------------------------------------------------------------------


def _target(port: int) -> Target:
    return Target(HOST, port, "/token", ssl.create_default_context(), b"a=b")


def test_a_request_is_sent_as_it_is() -> None:
    forged = Forgery("A", "b", b"A:\tb\r\n c\r\n", nominated=b"A", before_request=b"PROXY\r\n")
    lines = _target(443).request(forged).split(b"\r\n")
    assert lines[:5] == [b"PROXY", b"POST /token HTTP/1.1", b"A:\tb", b" c", b"Host: 127.0.0.1"]
    assert b"Connection: close, A" in lines
    assert lines[-3:] == [b"Content-Length: 3", b"", b"a=b"]


def test_a_trailer_comes_in_chunks() -> None:
    request = _target(443).request(Forgery("A", "b", trailer=b"A: b\r\n"))
    assert request.endswith(b"Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\nA: b\r\n\r\n")


def test_who_says_nothing_is_not_waited_for() -> None:
    with socket.create_server((HOST, 0)) as listening, pytest.raises(NoAnswer):
        _target(listening.getsockname()[1]).ask(FORGERY, 0.1)


def test_a_round_has_an_end() -> None:
    findings = list(Trial(_target(1), CONTROL, strips=True).run([FORGERY] * 5, -1))
    assert [own.outcome for own in findings] == ["no answer"] * 5
    assert counted(findings)["Client-Cert"] == {"no answer": 5}


# -- the command -------------------------------------------------------------------------------------------

PROXIED = """
[[listener]]
name = "proxied"
endpoint = "tcp:8555"
certificate = "server.pem"
key = "server.key"
client_certificate = "forwarded"
public_url = "https://as.example.com"
serves = ["token"]
[listener.forwarded]
format = "nginx"
proxy_certificates = ["billing.pem"]
"""


@pytest.mark.parametrize(
    ("serves", "more", "why"),
    [
        ("token", {"--through": "http://as.example.com"}, "https URL"),
        ("token", {"--through": "https://as.example.com:99999"}, "no port"),
        ("token", {"--ca": "/nonexistent"}, "--ca cannot be used"),
        ("token", {"--certificate": "billing.pem"}, "belong together"),
        ("token", {"--key": "billing.key"}, "--key needs --certificate"),
        ("metadata", {}, "serves nothing at which clients authenticate"),
    ],
)
def test_what_makes_no_sense(
    directory: Path, mtlsd: Mtlsd, serves: str, more: Mapping[str, str], why: str
) -> None:
    add_tables(directory, PROXIED.replace('serves = ["token"]', f'serves = ["{serves}"]'))
    options: dict[str, Any] = {"--through": "https://localhost:1", **more}
    ran = mtlsd("proxy-test", *(word for pair in options.items() for word in pair))
    assert (ran.code, ran.out) == (USAGE, "")
    assert why in ran.err


def test_nobody_is_there(directory: Path, mtlsd: Mtlsd) -> None:
    add_tables(directory, PROXIED)
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        ran = mtlsd("proxy-test", "--through", f"https://{HOST}:{bound.getsockname()[1]}")
    assert ran.code == UNAVAILABLE
    assert "Connection refused" in ran.out


# -- what an honest request already shows ------------------------------------------------------------------

PASSED_ON = """
[[listener]]
name = "passed-on"
endpoint = "tcp:8556"
certificate = "server.pem"
key = "server.key"
client_certificate = "required"
public_url = "https://as.example.com"
serves = ["token"]
proxy_protocol = { version = 2, proxies = ["10.0.0.1"] }
"""
CLOSED = Answer(0)
THROUGH = ("--through", "https://as.example.com")


def own_of(directory: Path) -> tuple[object, ...]:
    files = ("--certificate", directory / "billing.pem", "--key", directory / "billing.key")
    return (*files, "--client-id", "billing")


def answering(monkeypatch: pytest.MonkeyPatch, first: Answer, unknown: Answer, own: Answer) -> None:
    """Have requests answered by what they present: nothing, the certificate of nobody, or the client's."""
    strangers: list[ssl.SSLContext] = []
    clients: list[ssl.SSLContext] = []
    present, load = Canary.present_by, ssl.SSLContext.load_cert_chain

    def presenting(canary: Canary, context: ssl.SSLContext) -> None:
        present(canary, context)
        strangers.append(context)

    def loading(context: ssl.SSLContext, *files: Any, **more: Any) -> None:
        load(context, *files, **more)
        clients.append(context)

    def ask(target: Target, forgery: Forgery, _seconds: float) -> Answer:
        if forgery.field == PROXY:
            return CLOSED
        if target.tls in strangers:
            return unknown
        return own if target.tls in clients else first

    monkeypatch.setattr(Canary, "present_by", presenting)
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", loading)
    monkeypatch.setattr(Target, "ask", ask)


@pytest.mark.parametrize(
    ("unknown", "code", "said"),
    [
        (CONTROL, OK, "None of"),
        (CLOSED, OK, "None of"),  # a proxy that lets only those in whom it knows
        (
            Answer(400, refusal("invalid_request", FORWARDED_MALFORMED.meaning)),
            CONFIGURATION,
            "configured format",
        ),
        (Answer(400, refusal("invalid_request", "Odd.")), CONFIGURATION, "cannot read the certificate"),
    ],
)
def test_the_format_is_tried(
    directory: Path, mtlsd: Mtlsd, monkeypatch: pytest.MonkeyPatch, unknown: Answer, code: int, said: str
) -> None:
    """Even by who has no client's certificate: without any, every format looks good."""
    add_tables(directory, PROXIED)
    answering(monkeypatch, CONTROL, unknown, TOKEN)
    ran = mtlsd("proxy-test", *THROUGH)
    assert ran.code == code
    assert said in ran.out
    if code != OK:
        assert "The audit log says why, at x." in ran.out


def test_a_client_that_is_not_taken_for_itself(
    directory: Path, mtlsd: Mtlsd, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two proxies in a row the inner one has forwarded nothing."""
    add_tables(directory, PROXIED)
    answering(monkeypatch, CONTROL, CONTROL, CONTROL)
    ran = mtlsd("proxy-test", *THROUGH, *own_of(directory))
    assert ran.code == CONFIGURATION
    assert "the proxy does not forward it" in ran.out


def test_a_listener_that_lets_nobody_in_without_a_certificate(
    directory: Path, mtlsd: Mtlsd, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_tables(directory, PASSED_ON)
    answering(monkeypatch, CLOSED, CLOSED, TOKEN)
    ran = mtlsd("proxy-test", *THROUGH)
    assert (ran.code, ran.out) == (USAGE, "")
    assert "give --certificate, --key and --client-id" in ran.err
    ran = mtlsd("proxy-test", *THROUGH, *own_of(directory))
    assert "An honest request is answered: 200\n" in ran.out
    assert "does not come through" not in ran.out
    assert ran.code == OK


def test_where_the_proxy_should_connect_is_told(
    directory: Path, mtlsd: Mtlsd, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_tables(directory, PROXIED)
    answering(monkeypatch, Answer(502), CLOSED, CLOSED)
    ran = mtlsd("proxy-test", *THROUGH)
    assert ran.code == UNAVAILABLE
    assert "does not get to localhost:8555" in ran.out


def test_what_comes_through_in_one_way_is_told_once(
    directory: Path, mtlsd: Mtlsd, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_tables(directory, PROXIED)
    answering(monkeypatch, CONTROL, CONTROL, TOKEN)
    leaking = Answer(400, refusal("invalid_request", FORWARDED_MALFORMED.meaning))
    plain = Target.ask
    monkeypatch.setattr(
        Target,
        "ask",
        lambda own, it, seconds: leaking if it.field == "SSL-Client-Cert" else plain(own, it, seconds),
    )
    ran = mtlsd("proxy-test", *THROUGH)
    assert ran.code == UNEXPECTED
    assert "leaks: SSL-Client-Cert, as SSL-Client-Cert; as ssl-client-cert; " in ran.out
    assert ran.out.count("Have the proxy overwrite SSL-Client-Cert") == 1

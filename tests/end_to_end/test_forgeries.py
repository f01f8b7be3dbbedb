"""Forged fields by the thousand: none gets its sender another client's token.

R23, R70 to R72, R77; P26, P28.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.end_to_end.clients import Answer
from tests.end_to_end.daemon import MTLSD, Daemon, running
from tests.end_to_end.forged_requests import (
    BEHIND,
    BY_CERTIFICATE,
    GROUPS,
    UNKNOWN,
    Case,
    Cases,
    Place,
    Target,
    forged_setup,
    token_request,
)
from tests.end_to_end.forgeries import LARGE, SYNTAX
from tests.end_to_end.hostile import Audit
from tests.end_to_end.proxying import PROXY, Wire, chain, der, presented
from tests.end_to_end.raw_tls import VERSIONS, Client, Refusing
from tests.end_to_end.setup import Setup
from tests.end_to_end.test_crossing import thumbprint
from tests.end_to_end.test_grants import claims_of
from tests.pki import Presented, dn
from tests.unit.tls.memory import client_context, thief_context

STOCK = (sys.executable, str(Path(__file__).parent / "programs" / "stock_mtlsd.py"), "run", "-c")


@attrs.frozen
class Running:
    """:ivar target: what the forger comes to."""

    target: Target
    daemon: Daemon


@pytest.fixture(scope="module", params=["mtlsd", "stock"])
def under(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Our own channel, and twisted.web's Site in its place: it is the same to the forger."""
    setup = forged_setup(tmp_path_factory.mktemp("forged"))
    stock = request.param == "stock"
    with running(setup, STOCK if stock else (MTLSD, "run", "-c")) as daemon:
        yield Running(Target(setup, stock), daemon)


def send(target: Target, cases: list[Case]) -> list[Answer]:
    """Each over the connection to its place, which is opened again where it was closed."""
    wires: dict[Place, Wire] = {}
    answers = []
    with ExitStack() as stack:
        for case in cases:
            if case.place not in wires:
                wires[case.place] = stack.enter_context(target.wire(case.place))
            answer = wires[case.place].send(token_request("good", case.lines))
            if "content-length" not in answer.headers or answer.headers.get("connection") == "close":
                wires.pop(case.place).socket.close()
            answers.append(answer)
    return answers


def fault(target: Target, case: Case, answer: Answer, events: Mapping[str, dict[str, Any]]) -> str | None:
    """What is wrong with what became of it; None where it was refused as it should be."""
    if answer.status < 400:
        return f"it is answered with {answer.status}: {answer.body[:200]!r}"
    if target.stock and case.why in (SYNTAX, LARGE):
        return None  # to be refused by any part of twisted.web, or repaired
    event = events.get(answer.json.get("correlation_id", ""))
    if event is None:
        return f"no event tells of it: {answer}"
    if event["reason"] not in case.why:
        return f"{event['reason']} is not one of {sorted(case.why)}: {event}"
    if event["event"] == "forwarding.refused":
        if answer.json["error"] != "invalid_request" or event.keys() & {"client_id", "subject", "x5t#S256"}:
            return f"it names somebody: {event} {answer.body!r}"
        if event.get("listener") != case.place.listener:
            return f"it does not name the listener: {event}"
    elif event.get("subject") not in (None, "CN=other"):
        return f"it took its identity from a field: {event}"
    return None


def honest(target: Target, place: Place) -> None:
    """The client `other` gets its own token there, after all that, where it can prove who it is."""
    lines = target.own(place.listener) if place.listener in BEHIND else ()
    with target.wire(place) as wire:
        answer = wire.send(token_request("other", lines))
    if place in UNKNOWN or place.listener == "anothers":
        assert answer.status in (400, 401), (place, answer)
        return
    bound_to = claims_of(answer.token)["cnf"]["x5t#S256"]
    assert bound_to == thumbprint(presented(target.setup, "other")), place


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.__name__)
def test_nobody_gets_the_token_of_another(under: Running, group: Callable[[Target], Cases]) -> None:
    target = under.target
    # What is too large for a Site, it does not answer, or not at once
    cases = [case for case in group(target) if not target.stock or case.why != LARGE]
    audit = Audit(under.daemon.out)
    answers = send(target, cases)
    for place in dict.fromkeys(case.place for case in cases):
        honest(target, place)
    events = {event["correlation_id"]: event for event in audit.events() if "correlation_id" in event}
    outcomes = {case: fault(target, case, own, events) for case, own in zip(cases, answers, strict=True)}
    wrong = [f"{case}: {found}" for case, found in outcomes.items() if found is not None]
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong[:30])
    issued = [event for event in events.values() if event["event"] == "token.issued"]
    own = thumbprint(presented(target.setup, "other"))
    assert {(event["client_id"], event["bound_to"]) for event in issued} <= {("other", own)}


def test_there_are_enough_of_them(under: Running) -> None:
    assert sum(len({str(case) for case in group(under.target)}) for group in GROUPS) > 5000


# -- certificates in the handshake ---------------------------------------------------------------------------


def loaded(setup: Setup, name: str) -> Presented:
    written = presented(setup, name)
    key = load_pem_private_key(written.key.read_bytes(), None)
    return Presented(der(written), key, tuple(chain(written)))  # type: ignore[arg-type]  # one that we made


def impostor(setup: Setup, kind: str) -> Presented:
    """What somebody has who would like to be the proxy."""
    if kind == "a client":
        return loaded(setup, "other")
    if kind == "its subject, self-signed":
        return setup.pki.self_signed("impostor", dn(CN="proxy"))
    issuer = setup.pki.ca("Stranger", None) if kind == "its name, of a stranger's" else None
    name = {"a wildcard": "*.dmz.example", "a subdomain": f"a.{PROXY}"}.get(kind, PROXY)
    mail = kind == "its name as an address"
    names = [x509.RFC822Name(f"proxy@{PROXY}") if mail else x509.DNSName(name)]
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if kind == "for servers" else ExtendedKeyUsageOID.CLIENT_AUTH
    return setup.pki.leaf(issuer, dn(CN=PROXY), names=names, purposes=[purpose])


IMPOSTORS = (
    "a client",
    "its subject, self-signed",
    "its name, of a stranger's",
    "a wildcard",
    "a subdomain",
    "its name as an address",
    "for servers",
)


def refused_in_handshake(under: Running, listener: str, context: Any) -> None:
    setup, audit = under.target.setup, Audit(under.daemon.out)
    forged = under.target.own(listener, "good")
    with pytest.raises(Refusing), Client(setup.ports[listener], context) as client:
        client.ask(token_request("good", forged))
    (event,) = audit.wait_for(1)
    assert (event["event"], event["listener"]) == ("handshake.refused", listener)


@pytest.mark.parametrize("kind", IMPOSTORS)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("listener", BY_CERTIFICATE)
def test_who_is_not_the_proxy(under: Running, listener: str, version: str, kind: str) -> None:
    """It has all that the proxy sends, credentials included, but not the proxy's certificate."""
    refused_in_handshake(
        under, listener, client_context(impostor(under.target.setup, kind), VERSIONS[version])
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("listener", BY_CERTIFICATE)
def test_who_has_the_certificate_and_not_the_key(under: Running, listener: str, version: str) -> None:
    known = loaded(under.target.setup, BY_CERTIFICATE[listener])
    refused_in_handshake(under, listener, thief_context(known, VERSIONS[version]))


@pytest.mark.parametrize(
    ("listener", "own", "client_id"),
    [("anchored", "proxy", "proxy-by-name"), ("pinned", "pinned-proxy", "proxy-by-pin")],
)
def test_a_proxy_does_not_forward_its_own(under: Running, listener: str, own: str, client_id: str) -> None:
    """P28: it is never what a token is bound to, though a client is registered by it."""
    audit = Audit(under.daemon.out)
    with under.target.wire(Place(listener)) as wire:
        answer = wire.send(token_request(client_id, under.target.own(listener, own)))
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    (event,) = audit.wait_for(1)
    assert event["reason"] == "forwarded.proxy"


@pytest.mark.parametrize("client_id", ["proxy-by-name", "proxy-by-pin", "good"])
@pytest.mark.parametrize("who", [None, "other"])
@pytest.mark.parametrize("listener", BY_CERTIFICATE)
def test_a_proxy_is_no_client(under: Running, listener: str, who: str | None, client_id: str) -> None:
    """Where it speaks for others, its own certificate is nobody's, though a client is registered by it."""
    audit = Audit(under.daemon.out)
    with under.target.wire(Place(listener)) as wire:
        answer = wire.send(token_request(client_id, under.target.own(listener, who)))
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")
    (event,) = audit.wait_for(1)
    assert event["reason"] in ("certificate.absent", "subject.mismatch", "pin.mismatch")
    assert event.get("subject") == (None if who is None else "CN=other")


@pytest.mark.parametrize("proxy", ["proxy", "pinned-proxy"])
@pytest.mark.parametrize("listener", ["mtls", "optional"])
def test_a_proxy_speaks_for_nobody_where_clients_connect(under: Running, listener: str, proxy: str) -> None:
    audit = Audit(under.daemon.out)
    with under.target.wire(Place(listener, proxy)) as wire:
        for behind in BEHIND:
            answer = wire.send(token_request("good", under.target.own(behind, "good")))
            assert (answer.status, answer.json["error"]) == (400, "invalid_request")
        assert wire.send(token_request("good", ())).status == 401
    events = audit.wait_for(len(BEHIND) + 1)
    assert {event["reason"] for event in events[:-1]} == {"forwarded.unexpected"}
    assert events[-1]["reason"] in ("subject.mismatch", "pin.mismatch")

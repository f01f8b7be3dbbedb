"""Every kind of bad certificate against the running daemon, in TLS 1.2 and 1.3, in both modes of refusing.

None gets a token, none ends or hangs the daemon, and each leaves exactly one event with its reason. What no
client of OpenSSL's would load is sent all the same, by :func:`tests.end_to_end.raw_tls.forging`.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from mtlsd.judge import Identity, judge
from mtlsd.pki.certificate import Certificate
from tests.end_to_end.hostile import MODES, SUBJECTS, Hostile, hostile, hostile_setup, pin, token_request
from tests.end_to_end.raw_tls import VERSIONS, Answer, Client, Refusing, forging, presenting
from tests.pki import BAD, GOOD, Presented
from tests.unit import world
from tests.unit.tls.memory import thief_context

CLIENTS = (*SUBJECTS, "pinned-0", "pinned-1")
WAYS = [pytest.param(mode, version, id=f"{mode}-{version}") for mode in MODES for version in VERSIONS]

TOO_LARGE = frozenset({"chain_of_1000", "sans_20000"})
"""OpenSSL does not even read the message (100 KB)."""

NO_SIGNATURES = frozenset({"ec_192", "dsa_key"})
"""TLS 1.3 has no signatures for these keys, so a client of OpenSSL's does not send them."""

UNUSABLE_KEY = frozenset({"key_on_unknown_curve", "key_not_on_its_curve", "key_of_unknown_kind"})
"""Nobody can verify a signature with it, so the handshake ends whatever the listener's mode is."""

UNREADABLE = frozenset(
    {
        "boolean_of_two_octets",
        "garbage",
        "garbage_in_chain",
        "invalid_utf8_in_subject",
        "nothing",
        "odd_bmp_string",
        "signing_request",
        "time_without_seconds",
        "trailing_bytes",
        "truncated",
    }
)
"""OpenSSL ends the handshake where it cannot read the message."""

READ_AS_DER = frozenset({"indefinite_length"})
"""OpenSSL reads BER and hands on DER, which is the honest client's own certificate again."""

OTHERWISE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(TOO_LARGE, ("tls.failed",)),
    **dict.fromkeys(READ_AS_DER, ("tls.possession", "tls.failed")),
}
"""The reasons where OpenSSL sees something else wrong first."""


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    setup = hostile_setup(tmp_path_factory.mktemp("bad"))
    pin(setup, "pinned-0", setup.pki.pinned)
    pin(setup, "pinned-1", setup.pki.pinned_expired)
    with hostile(setup) as running:
        yield running


@cache
def made(target: Hostile, name: str) -> Presented:
    return {**GOOD, **BAD}[name].make(target.pki)


def attempt(target: Hostile, name: str, mode: str, version: str) -> Answer | str:
    """What a client gets that asks for a token with that certificate: an answer, or an alert."""
    presented, port, loadable = made(target, name), target.port(mode), target.pki.leaf()
    try:
        if name in NO_SIGNATURES:
            certificates = (presented.leaf, *presented.chain)
            connected = forging(port, certificates, VERSIONS[version], loadable)
        else:
            connected = presenting(port, presented, VERSIONS[version], loadable)
        with connected as client:
            return client.ask(token_request("by-dn"))
    except Refusing as refusing:
        return refusing.alert


def unsigned(name: str, mode: str) -> bool:
    """Whether the server takes the message and waits for a signature, which a forger cannot make."""
    return name in READ_AS_DER or (name in NO_SIGNATURES and mode == "response")


def reasons_for(name: str, mode: str) -> tuple[str, ...]:
    return (
        ("tls.possession", "tls.failed") if unsigned(name, mode) else OTHERWISE.get(name, BAD[name].reasons)
    )


def alerts_for(name: str, mode: str) -> frozenset[str]:
    if name in UNREADABLE:
        return frozenset({"decode_error"})
    if unsigned(name, mode):
        return frozenset({"decrypt_error", "bad_record_mac", "illegal_parameter"})
    if name in UNUSABLE_KEY and mode == "response":
        return frozenset({"internal_error"})
    return BAD[name].alerts


def ends_in_the_handshake(name: str, mode: str) -> bool:
    ended_by_openssl = TOO_LARGE | UNREADABLE | UNUSABLE_KEY
    return mode == "handshake" or name in ended_by_openssl or unsigned(name, mode)


@pytest.mark.parametrize(("mode", "version"), WAYS)
@pytest.mark.parametrize("name", BAD)
def test_no_bad_certificate_gets_a_token(target: Hostile, name: str, mode: str, version: str) -> None:
    """R1 to R3, R29 to R39, R45."""
    got = attempt(target, name, mode, version)
    (event,) = target.aftermath(mode)
    assert event["reason"] in reasons_for(name, mode)
    assert (event["listener"], event["address"]) == (mode, "127.0.0.1")
    if ends_in_the_handshake(name, mode):
        assert event["event"] == "handshake.refused"
        assert got in alerts_for(name, mode)
        return
    assert event["event"] == "token.refused"
    assert isinstance(got, Answer)
    assert got.status == 401
    answered = json.loads(got.body)
    assert answered.pop("correlation_id") == event["correlation_id"]
    assert answered == {"error": "invalid_client", "error_description": "Client authentication failed."}


@pytest.mark.parametrize(("mode", "version"), WAYS)
@pytest.mark.parametrize("name", GOOD)
def test_good_certificates_get_tokens_of_their_own(
    target: Hostile, name: str, mode: str, version: str
) -> None:
    """A token for each client that the certificate is registered for, and for no other one (R2, R17)."""
    presented = made(target, name)
    own = judge(world.offline(presented), world.honest_snapshot(target.pki), target.pki.now)
    assert isinstance(own, Identity)
    with presenting(target.port(mode), presented, VERSIONS[version], presented) as client:
        answers = {client_id: client.ask(token_request(client_id)) for client_id in CLIENTS}
    assert {client_id for client_id, answer in answers.items() if answer.status == 200} == set(own.clients)
    for client_id, answer in answers.items():
        if client_id in own.clients:
            assert claims(answer)["cnf"] == {"x5t#S256": own.certificate.x5t_s256}
            assert claims(answer)["client_id"] == client_id
    events = target.audit.wait_for(len(CLIENTS))
    assert [event["event"] for event in events] == [
        "token.issued" if client_id in own.clients else "token.refused" for client_id in CLIENTS
    ]


def claims(answer: Answer) -> dict[str, Any]:
    payload = json.loads(answer.body)["access_token"].split(".")[1]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=="))
    return found


@pytest.mark.parametrize(("mode", "version"), WAYS)
@pytest.mark.parametrize("name", ["ec_p256", "pinned"])
def test_a_public_certificate_without_its_key_leaves_no_trace_but_one(
    target: Hostile, name: str, mode: str, version: str
) -> None:
    """Whoever saw a client's certificate can send it, and a signature with another key."""
    presented = made(target, name)
    client_id = "pinned-0" if name == "pinned" else "by-dn"
    thief = thief_context(presented, VERSIONS[version])
    with pytest.raises(Refusing) as refusing, Client(target.port(mode), thief) as client:
        client.ask(token_request(client_id))  # TLS 1.3 fails at the first read only
    assert refusing.value.alert == "decrypt_error"
    (event,) = target.aftermath(mode)
    assert (event["event"], event["reason"]) == ("handshake.refused", "tls.possession")
    assert event["x5t#S256"] == Certificate.from_der(presented.leaf).x5t_s256
    assert "client_id" not in event


@pytest.mark.parametrize("mode", MODES)
def test_a_public_certificate_and_then_silence(target: Hostile, mode: str) -> None:
    """Without any signature it is the same."""
    presented = made(target, "ec_p256")
    certificates = (presented.leaf, *presented.chain)
    forging(target.port(mode), certificates, VERSIONS["tls1.3"], target.pki.leaf()).close()
    (event,) = target.aftermath(mode)
    assert (event["event"], event["reason"]) == ("handshake.refused", "tls.possession")

"""Asking what a token is, and for how long the answer is taken."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, cast
from urllib.parse import parse_qs

import attrs
import pytest

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.url import Url
from mtlsd.resource_server.guard import ResourceServer, Waiting
from mtlsd.resource_server.https import Document, HttpsClient
from mtlsd.resource_server.introspection import Introspection
from mtlsd.resource_server.sources import ByIntrospection
from mtlsd.resource_server.values import Verdict
from tests.unit.jose.keys import NOW
from tests.unit.resource_server.world import (
    ANOTHER,
    CERTIFICATE,
    CLAIMS,
    ISSUER,
    RULES,
    accepted,
    refused,
    x5t_s256,
)

ACTIVE = {**CLAIMS, "active": True}
METADATA = {
    "issuer": ISSUER,
    "introspection_endpoint": f"{ISSUER}/introspect",
    "mtls_endpoint_aliases": {"introspection_endpoint": "https://mtls.as.example/introspect"},
}


@attrs.define
class Server:
    """Stands in the place of an :class:`HttpsClient`."""

    answer: Any = attrs.field(factory=lambda: ACTIVE)
    metadata: Any = attrs.field(factory=lambda: METADATA)
    asked: list[tuple[str, dict[str, list[str]]]] = attrs.field(factory=list)
    now: float = 0.0

    def get(self, url: Url) -> Document:
        if isinstance(self.metadata, FetchRefused):
            raise self.metadata
        return Document(self.metadata)

    def post(self, url: Url, form: bytes) -> Document:
        self.asked.append((str(url), parse_qs(form.decode("ascii"))))
        if isinstance(self.answer, Exception):
            raise self.answer
        return Document(self.answer)

    def introspection(self, **more: Any) -> Introspection:
        client = cast(HttpsClient, self)
        return Introspection(client, ISSUER, "api", monotonic=lambda: self.now, **more)

    def guard(self, **more: Any) -> ResourceServer:
        return ResourceServer(RULES, ByIntrospection(self.introspection(**more)), now=lambda: NOW)


def check(guard: ResourceServer, certificate: bytes | None = CERTIFICATE, token: str = "opaque") -> Verdict:
    return guard.check([f"Bearer {token}"], lambda: certificate)


def test_what_is_asked() -> None:
    """R21: at the alias, where there is one; the metadata is read once."""
    server = Server()
    guard = server.guard()
    for _ in range(2):
        accepted(check(guard))
    form = {"client_id": ["api"], "token": ["opaque"], "token_type_hint": ["access_token"]}
    assert server.asked == [("https://mtls.as.example/introspect", form)] * 2


def test_the_thumbprint_is_told() -> None:
    server = Server()
    accepted(check(server.guard(submit_thumbprint=True)))
    assert server.asked[0][1]["x5t#S256"] == [x5t_s256(CERTIFICATE)]
    server.answer = {"active": False, "cnf_matches": False}
    found = check(server.guard(submit_thumbprint=True), ANOTHER)
    refused(found, reasons.ACCESS_TOKEN_CERTIFICATE_MISMATCH)


def test_the_binding_is_compared_here() -> None:
    guard = Server().guard()
    refused(check(guard, ANOTHER), reasons.ACCESS_TOKEN_CERTIFICATE_MISMATCH)
    refused(check(guard, None), reasons.ACCESS_TOKEN_CERTIFICATE_ABSENT)


def test_nobody_is_asked_for_whom_it_would_not_help() -> None:
    """Anybody can come without a certificate, and write any text for a token."""
    server = Server()
    refused(check(server.guard(), None), reasons.ACCESS_TOKEN_CERTIFICATE_ABSENT)
    assert not server.asked
    unbound = attrs.evolve(server.guard(), rules=attrs.evolve(RULES, accept_unbound=True))
    refused(check(unbound, None), reasons.ACCESS_TOKEN_CERTIFICATE_ABSENT)
    assert server.asked


@pytest.mark.parametrize(("seconds", "asked"), [(0, 1), (5, 1), (6, 0)])
def test_a_long_queue_of_threads(seconds: int, asked: int) -> None:
    """Where the server is slow, and strangers come faster than it answers."""
    server, times = Server(), iter([NOW, NOW + timedelta(seconds=seconds), NOW])
    waiting = attrs.evolve(server.guard(), now=lambda: next(times)).begin(["Bearer a"], lambda: CERTIFICATE)
    assert isinstance(waiting, Waiting)
    found = waiting.finish()
    assert len(server.asked) == asked
    if not asked:
        refused(found, reasons.ISSUER_INTROSPECTION_UNAVAILABLE)


@pytest.mark.parametrize(
    "answer",
    [
        FetchRefused("status", "500", 500),
        FetchRefused("deadline", "late"),
        {},
        {"active": "true"},
        {"active": 1, **CLAIMS},
        CLAIMS,
    ],
)
def test_a_server_that_does_not_answer(answer: Any) -> None:
    """It fails closed, with 503: the caller is not to blame."""
    found = refused(check(Server(answer=answer).guard()), reasons.ISSUER_INTROSPECTION_UNAVAILABLE)
    assert found.refusal.reason.status == 503


def test_what_nobody_foresaw() -> None:
    refused(check(Server(answer=RuntimeError("x")).guard()), reasons.SERVER_INTERNAL)


METADATA_OF_OTHERS: list[Mapping[str, Any] | FetchRefused] = [
    {**METADATA, "issuer": "https://thief.example"},
    {**METADATA, "issuer": ISSUER + "/"},
    {"issuer": ISSUER},
    {"issuer": ISSUER, "introspection_endpoint": "http://as.example/introspect"},
    {"issuer": ISSUER, "introspection_endpoint": ["https://as.example/introspect"]},
    FetchRefused("tls", "another name"),
]


@pytest.mark.parametrize("metadata", METADATA_OF_OTHERS)
def test_metadata_that_is_not_the_issuer_s(metadata: object) -> None:
    """RFC 8414 section 3.3; no token goes to where nobody knows."""
    server = Server(metadata=metadata)
    refused(check(server.guard()), reasons.ISSUER_INTROSPECTION_UNAVAILABLE)
    assert server.asked == []


def test_nothing_is_remembered() -> None:
    server = Server()
    guard = server.guard()
    accepted(check(guard))
    server.answer = {"active": False}
    refused(check(guard), reasons.ACCESS_TOKEN_INACTIVE)


def test_what_is_remembered() -> None:
    """By token and certificate, until its time is over; that a token is not active never is."""
    server = Server()
    guard = server.guard(cache_seconds=5)
    for _ in range(3):
        accepted(check(guard))
    assert len(server.asked) == 1
    refused(check(guard, ANOTHER), reasons.ACCESS_TOKEN_CERTIFICATE_MISMATCH)
    assert len(server.asked) == 2
    server.answer, server.now = {"active": False}, 5.0
    for _ in range(2):
        refused(check(guard), reasons.ACCESS_TOKEN_INACTIVE)
    assert len(server.asked) == 4


def test_the_cache_is_bounded() -> None:
    server = Server()
    introspection = server.introspection(cache_seconds=5, max_entries=2)
    for token in "abc":
        introspection.ask(token, CERTIFICATE)
    kept = [introspection.remembered(token, CERTIFICATE) is not None for token in "abc"]
    assert kept == [False, True, True]
    assert "opaque" not in repr(introspection)


def test_too_many_ask() -> None:
    with pytest.raises(Refusal) as found:
        Server().introspection(most_asking=0).ask("opaque", None)
    assert found.value.facts["code"] == "busy"


@pytest.mark.parametrize("more", [{"cache_seconds": 3600}, {"cache_seconds": -1}])
def test_a_cache_that_keeps_revoked_tokens(more: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cache_seconds"):
        Server().introspection(**more)


def test_an_endpoint_without_tls() -> None:
    with pytest.raises(FetchRefused):
        Server().introspection(endpoint="http://as.example/introspect")

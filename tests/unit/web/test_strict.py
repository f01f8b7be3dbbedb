"""Which ambiguity a request has, in our own channel and under a stock Site."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import Site

from mtlsd.errors import Refusal
from mtlsd.web.strict import ambiguity, ambiguity_of
from tests.unit.web.malformed import MALFORMED

H = (b"Host", b"as.example")


def test_none() -> None:
    assert ambiguity(b"HTTP/1.1", b"POST", b"/token?a=%20", [H, (b"Content-Length", b"5")]) is None
    assert ambiguity(b"HTTP/1.0", b"GET", b"/", []) is None
    assert ambiguity(b"HTTP/1.1", b"OPTIONS", b"*", [H]) is None
    assert ambiguity(b"HTTP/1.1", b"POST", b"/", [H, (b"transfer-encoding", b"Chunked")]) is None


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ([], "RFC 9112 section 3.2"),
        ([H, H], "RFC 9110 section 5.3"),
        ([H, (b"Content-Length", b"1"), (b"content-length", b"1")], "RFC 9110 section 5.3"),
        ([H, (b"Content-Length", b"1"), (b"Transfer-Encoding", b"chunked")], "RFC 9112 section 6.3"),
        ([H, (b"Transfer-Encoding", b"chunked, identity")], "RFC 9112 section 6.3"),
        ([H, (b"Transfer-Encoding", b"gzip, chunked")], "RFC 9112 section 6.1"),
        ([H, (b"X ", b"a")], "RFC 9112 section 5.1"),
        ([H, (b"X", b"a\r\nb")], "RFC 9110 section 5.5"),
        ([H, (b"X", b"a\0")], "RFC 9110 section 5.5"),
    ],
)
def test_names_the_rule(fields: list[tuple[bytes, bytes]], rule: str) -> None:
    refusal = ambiguity(b"HTTP/1.1", b"POST", b"/token", fields)
    assert refusal is not None
    assert refusal.facts["rule"] == rule


def test_facts_hold_no_value() -> None:
    """A field's value may be a secret, and facts are written to the audit log."""
    refusal = ambiguity(b"HTTP/1.1", b"POST", b"/", [H, (b"Authorization", b"Bearer secret\x01")])
    assert refusal is not None
    assert "secret" not in str(refusal.facts)


ANY = st.binary(max_size=10)


@settings(max_examples=200)
@given(ANY | st.just(b"HTTP/1.1"), ANY, ANY, st.lists(st.tuples(ANY, ANY), max_size=4))
def test_never_raises(
    version: bytes, method: bytes, target: bytes, fields: list[tuple[bytes, bytes]]
) -> None:
    refusal = ambiguity(version, method, target, fields)
    assert refusal is None or refusal.reason.code.startswith("request.")


@attrs.define(slots=False, eq=False)
class _Asks(Resource):
    """A resource that asks before it acts."""

    isLeaf = True

    heard: Callable[[Refusal | None], None]

    def render(self, request: IRequest) -> bytes:
        self.heard(ambiguity_of(request))
        return b""


def under_site(data: bytes) -> list[Refusal | None]:
    heard: list[Refusal | None] = []
    site = Site(_Asks(heard.append), reactor=Clock())
    channel = site.buildProtocol(None)
    assert channel is not None
    channel.makeConnection(StringTransport())
    channel.dataReceived(data)
    channel.connectionLost(Failure(ConnectionDone()))
    return heard


def test_under_a_stock_site_nothing_malformed_is_acted_on() -> None:
    """What twisted.web itself lets through, a resource that asks refuses.

    Folded lines and chunks nobody can see any more once twisted.web has parsed the request.
    """
    unseen = {"folded value", "trailer without colon", "folded trailer", "chunk size of many digits"}
    unambiguous = {"unknown expectation", "too many fields"}
    for name, (data, _status) in MALFORMED.items():
        if name == "length of many digits":
            continue  # twisted.web's own channel fails with a ValueError before any resource is asked
        heard = under_site(data)
        if name not in unseen | unambiguous:
            assert all(heard), name


def test_under_a_stock_site_a_good_request_is_taken() -> None:
    assert under_site(b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nb") == [None]

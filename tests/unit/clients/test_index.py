"""One name and one certificate belong to one client."""

from __future__ import annotations

import hashlib

import pytest

from mtlsd.clients.client import Client
from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.errors import ConfigError
from tests.pki import NOW, SUBJECT, Pki
from tests.unit.world import PARTNERS, client

REAL = Pki(NOW)


def index(*clients: Client, **anchor_keys: list[bytes]) -> ClientIndex:
    return ClientIndex.build([Registration(own, f"{own.client_id}.toml") for own in clients], anchor_keys)


def conflict(*clients: Client, **anchor_keys: list[bytes]) -> str:
    with pytest.raises(ConfigError) as raised:
        index(*clients, **anchor_keys)
    return str(raised.value)


def test_finds_without_a_scan() -> None:
    named, pinned = client("a", tls_client_auth_subject_dn=SUBJECT), client("b", [REAL.pinned.leaf])
    found = index(named, pinned)
    assert named.subject is not None
    assert found.by_subject(PARTNERS, "tls_client_auth_subject_dn", named.subject.key) is named
    assert found.by_subject("others", "tls_client_auth_subject_dn", named.subject.key) is None
    assert found.by_subject(PARTNERS, "tls_client_auth_san_dns", named.subject.key) is None
    digest = hashlib.sha256(REAL.pinned.leaf).digest()
    assert found.by_pin(digest, REAL.pinned.leaf) == (pinned,)
    assert found.by_pin(digest, REAL.pinned.leaf + b"\0") == ()
    assert found.by_id("c") is None


def test_no_key_finds_nothing() -> None:
    """R34: an Undefined comparison is not a match."""
    assert index().by_subject(PARTNERS, "tls_client_auth_subject_dn", None) is None


def test_one_client_id_once() -> None:
    first, second = (
        client("a", tls_client_auth_san_dns="a.example"),
        client("a", tls_client_auth_san_dns="b.example"),
    )
    assert "a.toml" in conflict(first, second)


def test_one_subject_once_however_it_is_spelled() -> None:
    first = client("a", tls_client_auth_subject_dn="CN=billing,O=Partner,C=DE")
    second = client("b", tls_client_auth_subject_dn="cn = Billing, o = PARTNER, c = de")
    assert "client 'a'" in conflict(first, second)


def test_one_subject_under_two_groups_is_two() -> None:
    first = client("a", tls_client_auth_subject_dn=SUBJECT, trust_anchors=["one"])
    second = client("b", tls_client_auth_subject_dn=SUBJECT, trust_anchors=["two"])
    assert len(index(first, second).registrations) == 2


def test_but_not_where_the_groups_share_an_anchor() -> None:
    """An anchor is known by its key: the same certificate would be both clients."""
    first = client("a", tls_client_auth_subject_dn=SUBJECT, trust_anchors=["one"])
    second = client("b", tls_client_auth_subject_dn=SUBJECT, trust_anchors=["two"])
    assert "client 'a'" in conflict(first, second, one=[b"1", b"2"], two=[b"2"])


def test_one_pin_once() -> None:
    assert "client 'a'" in conflict(client("a", [REAL.pinned.leaf]), client("b", [REAL.pinned.leaf]))


def test_a_disabled_client_keeps_its_claims() -> None:
    first = client("a", tls_client_auth_subject_dn=SUBJECT, disabled=True)
    assert "client 'a'" in conflict(first, client("b", tls_client_auth_subject_dn=SUBJECT))


def test_all_conflicts_at_once() -> None:
    pin = REAL.pinned.leaf
    with pytest.raises(ConfigError) as raised:
        index(client("a", [pin]), client("b", [pin]), client("c", [pin]))
    assert len(raised.value.mistakes) == 2

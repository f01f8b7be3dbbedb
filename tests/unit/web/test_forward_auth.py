"""How those who may pass are named: no name ends a field, or is taken for another one."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from mtlsd.resource_server.values import VerifiedToken
from mtlsd.web.forward_auth import identity_fields
from mtlsd.web.response import field_line
from tests.pki import NOW


def verified(**change: Any) -> VerifiedToken:
    good: dict[str, Any] = {
        "claims": {},
        "issuer": "https://as.example.com",
        "subject": "alice",
        "client_id": "billing",
        "audience": ("urn:a",),
        "scope": ("a", "b"),
        "expires_at": NOW,
        "jti": "id",
        "x5t_s256": "x",
    }
    return VerifiedToken(**{**good, **change})


def test_the_fields() -> None:
    assert identity_fields(verified()) == {
        b"x-auth-client-id": b"billing",
        b"x-auth-subject": b"alice",
        b"x-auth-scope": b"a b",
        b"x-auth-expires": b"%d" % NOW.timestamp(),
    }


def test_no_scope_is_not_an_empty_field() -> None:
    assert identity_fields(verified(scope=()))[b"x-auth-scope"] == b'""'


def test_usual_names_are_as_they_are() -> None:
    for name in ("alice@example.com", "CN=a,O=b", "https://as/x?y#z", "a+b&c;d", "spiffe://x/y", '"'):
        assert identity_fields(verified(subject=name))[b"x-auth-subject"] == name.encode("ascii")


def test_others_are_encoded() -> None:
    for name, encoded in {
        "a b": b"a%20b",
        "100%": b"100%25",
        "müller": b"m%C3%BCller",
        "\r\nX: y": b"%0D%0AX:%20y",
    }.items():
        assert identity_fields(verified(subject=name))[b"x-auth-subject"] == encoded


@given(st.text(min_size=1), st.text(min_size=1))
def test_any_name(one: str, other: str) -> None:
    """Different names stay different, and each is one printable field."""
    first, second = (identity_fields(verified(subject=name))[b"x-auth-subject"] for name in (one, other))
    assert (first == second) == (one == other)
    assert unquote(first.decode("ascii"), errors="surrogatepass") == one
    assert all(0x21 <= octet <= 0x7E for octet in first)
    assert field_line(b"x-auth-subject", first).count(b"\r\n") == 1

"""Redirect URIs: R73, RFC 8252."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.clients.redirection import is_registered_redirect_uri, redirect_kind


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("https://client.example/cb", "https"),
        ("https://client.example", "https"),
        ("https://client.example:8443/cb?tenant=1", "https"),
        ("https://[2001:db8::1]/cb", "https"),
        ("http://127.0.0.1/cb", "loopback"),
        ("http://127.0.0.1:49152/cb", "loopback"),
        ("http://[::1]:49152/", "loopback"),
        ("com.example.app:/oauth2redirect", "private-use"),
        ("com.example.app://cb", "private-use"),
    ],
)
def test_what_may_be_registered(uri: str, kind: str) -> None:
    assert redirect_kind(uri) == kind


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/cb",
        "//client.example/cb",
        "http://client.example/cb",
        "http://localhost/cb",
        "http://127.0.0.1.example/cb",
        "http://127.0.0.1@evil.example/cb",
        "http://127.0.0.2/cb",
        "https://user@client.example/cb",
        "https://user:password@client.example/cb",
        "https://client.example/cb#fragment",
        "https://client.example/cb#",
        "https://client.example\\@evil.example/cb",
        "https://client.example/a b",
        "https://client.example/cb\n",
        "https://client.example/%zz",
        "https://clïent.example/cb",
        "https://CLIENT.example/cb",
        "HTTPS://client.example/cb",
        "https:///cb",
        "https://*.client.example/cb",
        "https://client.example:0/cb",
        "https://client.example:65536/cb",
        "https://client.example:/cb",
        "https://client.example./cb",
        "javascript:alert(1)",
        "data:text/html,x",
        "myapp:/cb",
        "myapp://cb",
        "com.example.app:cb",
        "https://client.example/" + "a" * 2048,
    ],
)
def test_what_may_not(uri: str) -> None:
    assert redirect_kind(uri) is None


REGISTERED = (
    "https://client.example/cb",
    "http://127.0.0.1/cb",
    "http://[::1]:1/cb?a=b",
    "com.example.app:/cb",
)


@pytest.mark.parametrize(
    "asked",
    [
        *REGISTERED,
        "http://127.0.0.1:49152/cb",
        "http://127.0.0.1:1/cb",
        "http://[::1]:49152/cb?a=b",
        "http://[::1]/cb?a=b",
    ],
)
def test_registered(asked: str) -> None:
    assert is_registered_redirect_uri(REGISTERED, asked)


@pytest.mark.parametrize(
    "asked",
    [
        "https://client.example/cb/",
        "https://client.example/cb?x",
        "https://client.example/cb/../cb",
        "https://client.example:443/cb",
        "https://client.example/CB",
        "https://client.example/c%62",
        "https://client.example.evil.example/cb",
        "https://client.example/cb#",
        "http://127.0.0.1:49152/other",
        "http://127.0.0.1:49152/cb?x",
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:@evil.example/cb",
        "http://localhost:49152/cb",
        "http://[::1]/cb",
        "com.example.app:/cb2",
        "",
    ],
)
def test_not_registered(asked: str) -> None:
    assert not is_registered_redirect_uri(REGISTERED, asked)


TEXT = st.text(alphabet="htps:/.@#?\\[]%01279aA -\n\tcomexl*", max_size=40)


@given(st.one_of(TEXT, TEXT.map("https://".__add__), TEXT.map("http://127.0.0.1".__add__)))
def test_another_parser_sees_no_other_host(uri: str) -> None:
    """What we take has the host that the standard library sees, no user and no fragment."""
    kind = redirect_kind(uri)
    if kind in ("https", "loopback"):
        parts = urlsplit(uri)
        assert (parts.username, parts.password, parts.fragment) == (None, None, "")
        assert parts.hostname
        assert kind == "https" or parts.hostname in ("127.0.0.1", "::1")


@given(TEXT, TEXT)
def test_what_is_not_loopback_is_compared_as_it_stands(one: str, other: str) -> None:
    if redirect_kind(other) != "loopback":
        assert is_registered_redirect_uri([one], other) == (one == other)

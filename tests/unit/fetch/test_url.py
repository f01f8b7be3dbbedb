"""URLs: one way to read each, and all others refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.url import Url


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "target", "authority"),
    [
        ("http://a.example", "http", "a.example", 80, "/", "a.example"),
        ("HTTP://A.Example:80/B?c=d", "http", "a.example", 80, "/B?c=d", "a.example"),
        ("https://a.example:8443/%2e?x", "https", "a.example", 8443, "/%2e?x", "a.example:8443"),
        ("http://a.example:443?q", "http", "a.example", 443, "/?q", "a.example:443"),
        ("http://192.0.2.1/", "http", "192.0.2.1", 80, "/", "192.0.2.1"),
        ("http://[2001:DB8:0::1]:8080/", "http", "2001:db8::1", 8080, "/", "[2001:db8::1]:8080"),
        ("http://x_y.example/~a/b;c=1", "http", "x_y.example", 80, "/~a/b;c=1", "x_y.example"),
    ],
)
def test_read(text: str, scheme: str, host: str, port: int, target: str, authority: str) -> None:
    url = Url.from_string(text)
    assert (url.scheme, url.host, url.port, url.target) == (scheme, host, port, target)
    assert url.authority == authority
    assert Url.from_string(str(url)) == url


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("file:///etc/passwd", "url"),
        ("ldap://ldap.example/cn=ca", "scheme"),
        ("ftp://a.example/", "scheme"),
        ("gopher://a.example:70/", "scheme"),
        ("javascript:alert(1)", "url"),
        ("//a.example/", "url"),
        ("http:/a.example/", "url"),
        ("http://", "url"),
        ("http://user@a.example/", "url"),
        ("http://user:secret@a.example/", "url"),
        ("http://a.example\\@b.example/", "url"),
        ("http://a.example#@b.example/", "url"),
        ("http://a.example/#x", "url"),
        ("http://a.example/ b", "url"),
        ("http://a.example/\r\nHost: b", "url"),
        ("http://a.example/\x00", "url"),
        ("http://ä.example/", "url"),
        ("http://a%2eexample/", "url"),
        ("http://a..example/", "url"),
        ("http://a.example./", "url"),
        ("http://-a.example/", "url"),
        ("http://2130706433/", "url"),
        ("http://0x7f000001/", "url"),
        ("http://127.1/", "url"),
        ("http://0177.0.0.1/", "url"),
        ("http://0x7f.0.0.0x1/", "url"),
        ("http://127.0.0.1.5/", "url"),
        ("http://[::1%25eth0]/", "url"),
        ("http://[fe80::1%eth0]/", "url"),
        ("http://[1:2]/", "url"),
        ("http://::1/", "url"),
        ("http://a.example:0/", "port"),
        ("http://a.example:22/", "port"),
        ("http://a.example:25/", "port"),
        ("http://a.example:65536/", "port"),
        ("http://a.example:+80/", "url"),
        ("http://a.example:/", "url"),
        (f"http://{'a' * 64}.example/", "url"),
        (f"http://{'a.' * 127}example/", "url"),
        (f"http://a.example/{'b' * 2048}", "url"),
    ],
)
def test_refused(text: str, code: str) -> None:
    """P23, attack 7."""
    with pytest.raises(FetchRefused) as caught:
        Url.from_string(text)
    assert caught.value.code == code
    assert caught.value.detail.isprintable()


@settings(max_examples=200)
@given(st.text(max_size=40).map("http://".__add__) | st.text(max_size=40))
def test_any_text(text: str) -> None:
    """A URL that can be written into a request as it stands, or a refusal."""
    try:
        url = Url.from_string(text)
    except FetchRefused:
        return
    assert str(url).isascii()
    assert not set(" \r\n\t\0@#\\") & set(str(url))
    assert url.host

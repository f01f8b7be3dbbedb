"""The small parsers: PEM, URLs, endpoint strings, and the words of messages."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.endpoints import quoteStringArgument

from mtlsd.config.endpoints import Place
from mtlsd.config.pem import certificate_blocks, certificates_in
from mtlsd.config.reading import LARGEST_FILE, Unreadable, read_file
from mtlsd.config.text import key_path, shown
from mtlsd.config.urls import check_url, host_of, origin_of, with_port
from mtlsd.errors import ConfigError
from tests.unit.config.example import pem, pki

# -- PEM ------------------------------------------------------------------------------------------------


def test_blocks_in_order() -> None:
    """Text between the blocks and other kinds of blocks do no harm (RFC 7468 section 5.2)."""
    first, second = pki().root.der, pki().intermediate.der
    key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    text = "subject=Root\n" + pem(first) + key + "Certificate:\n  Data:\n" + pem(second).replace("\n", "\r\n")
    assert certificate_blocks(text.encode()) == (first, second)
    assert certificate_blocks(b"\xef\xbb\xbf" + text.encode()) == (first, second)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "ends in the middle of a block"),
        ("-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n", "does not end before line 2"),
        ("-----BEGIN CERTIFICATE-----\n-----END X-----\n", "has an END without its BEGIN in line 2"),
        ("-----END CERTIFICATE-----\n", "has an END without its BEGIN in line 1"),
        ("-----BEGIN CERTIFICATE-----\nA*AA\n-----END CERTIFICATE-----\n", "no base64, before line 3"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "has no certificate"),
        (
            "-----BEGIN TRUSTED CERTIFICATE-----\nAAAA\n-----END TRUSTED CERTIFICATE-----\n",
            "has no certificate",
        ),
    ],
)
def test_no_pem(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        certificate_blocks(text.encode())


@given(st.lists(st.sampled_from([*pem(pki().root.der).splitlines(), "", "x", "-----END X-----"])))
def test_any_lines(lines: list[str]) -> None:
    """Whatever stands in a file is read or refused."""
    with suppress(ValueError):
        assert certificate_blocks("\n".join(lines).encode())


def test_certificates_in(tmp_path: Path) -> None:
    path = tmp_path / "a.pem"
    path.write_text(pem(pki().root.der))
    assert [own.der for own in certificates_in(path)] == [pki().root.der]
    for content in ("", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        path.write_text(content)
        with pytest.raises(ConfigError):
            certificates_in(path)
    with pytest.raises(ConfigError, match="does not exist"):
        certificates_in(tmp_path / "b.pem")


# -- files ----------------------------------------------------------------------------------------------


def test_pipe_does_not_hold_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unreadable) as caught:
        read_file(tmp_path / "pipe")
    assert caught.value.message == "is not a regular file"


def test_too_large(tmp_path: Path) -> None:
    with open(tmp_path / "large", "wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(Unreadable) as caught:
        read_file(tmp_path / "large")
    assert caught.value.message.startswith("is larger than")


# -- URLs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "https://as.example.com",
        "https://as.example.com:8443",
        "https://as.example.com/tenant/1",
        "https://localhost",
        "https://192.0.2.1",
        "https://[2001:db8::1]:8443",
        "https://xn--bcher-kva.example",
    ],
)
def test_issuer(text: str) -> None:
    """RFC 8414 section 2 (R62)."""
    check_url(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "does not start with https://"),
        ("http://as.example.com", "does not start with https://"),
        ("HTTPS://as.example.com", "does not start with https://"),
        ("https://as.example.com/", "ends with a slash"),
        ("https://as.example.com/a/", "ends with a slash"),
        ("https://as.example.com?x", "has a query"),
        ("https://as.example.com#x", "has a fragment"),
        ("https://me@as.example.com", "has a user"),
        ("https://", "is no URL"),
        ("https://as.example.com:", "is no URL"),
        ("https://AS.example.com", "is no URL with a lower-case host"),
        ("https://as example.com", "is no URL"),
        ("https://as.example.com\n", "is no URL"),
        ("https://bücher.example", "is no URL"),
        ("https://as.example.com/ü", "is no URL"),
        ("https://as.example.com:443", "a port to leave out"),
        ("https://as.example.com:0", "a port to leave out"),
        ("https://as.example.com:99999", "a host or port that cannot be"),
        ("https://as..example.com", "a host that cannot be"),
        ("https://-as.example.com", "a host that cannot be"),
        ("https://[::g]", "is no URL"),
        ("https://[1:2]", "a host or port that cannot be"),
        ("https://as.example.com//a", "a path that software would change"),
        ("https://as.example.com/a/../b", "a path that software would change"),
    ],
)
def test_no_issuer(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_url(text)


@given(st.text(alphabet="https:/.[]@?#a0-%\n\\é1", max_size=30).map(lambda text: "https://" + text))
def test_any_url(text: str) -> None:
    """What passes has a host, and the parts make the whole again."""
    try:
        check_url(text)
    except ValueError:
        return
    assert host_of(text)
    assert text.startswith(origin_of(text))


def test_with_port() -> None:
    assert with_port("https://a.example/x", 443) == "https://a.example"
    assert with_port("https://a.example:1", 8443) == "https://a.example:8443"
    assert with_port("https://[::1]", 8443) == "https://[::1]:8443"


# -- endpoint strings -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("tcp:8443", Place("tcp", 8443, "0.0.0.0")),
        ("tcp:port=8443:backlog=7", Place("tcp", 8443, "0.0.0.0")),
        ("tcp:8443:127.0.0.1", Place("tcp", 8443, "127.0.0.1")),
        (r"tcp:8443:interface=\:\:1", Place("tcp", 8443, "::1")),
        (r"tcp:8443:interface=fe80\:\:1%eth0", Place("tcp", 8443, "fe80::1%eth0")),
        ("tcp6:8443", Place("tcp", 8443, "::")),
        ("unix:/run/x", Place("unix", None, "/run/x")),
        ("unix:address=/run/x:mode=660", Place("unix", None, "/run/x")),
        ("systemd:domain=INET:name=mtls", Place("systemd", None, "name=mtls")),
        ("systemd:INET6:index=0", Place("systemd", None, "0")),
        ("systemd:domain=UNIX:name=proxy", Place("unix", None, "name=proxy")),
    ],
)
def test_endpoint(text: str, place: Place) -> None:
    assert Place.from_string(text) == place


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no endpoint string"),
        ("8443", "is no endpoint string"),
        ("tcp", "is no endpoint string"),
        ("tcp:", "no port between"),
        ("tcp:x", "no port between"),
        ("tcp:65536", "no port between"),
        ("tcp:-1", "no port between"),
        ("tcp:٣", "no port between"),
        ("tcp:1:interface=localhost", "no IP address"),
        ("tcp:1:interface=::1", "has interface twice"),
        ("tcp:1:::1", "too many arguments"),
        ("tcp:1:mode=1", "unknown argument mode; tcp takes port, interface, backlog"),
        ("tcp:1:backlog=x", "a backlog that is no number"),
        ("ssl:8443", "brings TLS of its own"),
        ("tls:8443", "brings TLS of its own"),
        ("onion:80", "no Twisted plugin knows it; there are tcp, unix, "),
        ("systemd:name=mtls", "has no domain"),
        ("systemd:domain=INET", "either name= or index="),
        ("systemd:domain=INET:name=a:index=0", "either name= or index="),
        ("tcp:1\n", "control character"),
        ("tcp:1\\", "ends with a backslash"),
        ("haproxy:tcp:8443", "without a PROXY header"),
        (r"haproxy:tcp\:8443", "without a PROXY header"),
    ],
)
def test_no_endpoint(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Place.from_string(text)


@pytest.mark.parametrize(
    ("one", "other", "collide"),
    [
        ("tcp:1", "tcp:1", True),
        ("tcp:1", "tcp:2", False),
        ("tcp:0", "tcp:0", False),
        ("tcp:1", "tcp:1:interface=127.0.0.1", True),
        ("tcp:1:interface=127.0.0.2", "tcp:1:interface=127.0.0.1", False),
        ("tcp:1", r"tcp:1:interface=\:\:1", False),
        ("tcp:1", "tcp6:1", True),
        ("unix:/a", "unix:/a", True),
        ("unix:/a", "tcp:1", False),
        ("systemd:domain=INET:name=a", "systemd:domain=INET:name=b", False),
    ],
)
def test_collision(one: str, other: str, collide: bool) -> None:
    first, second = Place.from_string(one), Place.from_string(other)
    assert first.collides_with(second) is second.collides_with(first) is collide


@given(st.text())
def test_any_endpoint(text: str) -> None:
    with suppress(ValueError):
        Place.from_string(text, lambda _: None)


@given(st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="="), min_size=1))
def test_arguments_as_twisted_quotes_them(path: str) -> None:
    assert Place.from_string(f"unix:{quoteStringArgument(path)}").address == path


# -- words ----------------------------------------------------------------------------------------------


@given(st.text() | st.integers() | st.floats())
def test_shown(value: str | int | float) -> None:
    """No value can forge or flood a line."""
    text = shown(value)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) <= 90


def test_key_path() -> None:
    assert key_path("listener", 0, "limits", "a b\n", "x") == 'listener[0].limits."a b\\n".x'

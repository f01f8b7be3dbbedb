"""Listeners that a proxy connects to: what cannot work, and what would let anybody in."""

from __future__ import annotations

import getpass
import os
import pwd
from pathlib import Path
from typing import Any, get_args

import pytest

from mtlsd.config.model import ForwardedEncoding, ForwardedFormat
from mtlsd.forwarded.credentials import known_uids
from mtlsd.forwarded.formats import FORMATS
from tests.unit.config.example import Example, pem, pki

HERE = "mtlsd.toml: listener.mtls"
CREDENTIALS = "dmz:0123456789abcdef\n"


@pytest.fixture
def example(tmp_path: Path) -> Example:
    made = Example.make(tmp_path)
    del made.mtls["refuse_in"]
    made.mtls.update(
        {
            "client_certificate": "forwarded",
            "public_url": "https://mtls.example.com",
            "forwarded": {"format": "nginx", "proxy_certificates": ["proxy.pem"]},
        }
    )
    return made


def plain(example: Example, endpoint: str, **known_by: Any) -> None:
    """Without TLS, and known in another way."""
    del example.mtls["certificate"], example.mtls["key"]
    example.mtls["endpoint"] = endpoint
    example.mtls["forwarded"] = {"format": "nginx", **known_by}


def credentials(example: Example, content: str = CREDENTIALS, mode: int = 0o600) -> str:
    path = example.directory / "credentials"
    path.write_text(content)
    path.chmod(mode)
    return path.name


def test_formats() -> None:
    assert set(get_args(ForwardedFormat)) == {*FORMATS, "proxy-v2"}
    assert set(get_args(ForwardedEncoding)) == {
        name for name in FORMATS["header"].readers if name is not None
    }


def test_pinned(example: Example) -> None:
    [listener, _] = example.load().config.listeners
    assert listener.forwarding is not None
    assert listener.forwarding.format is not None
    assert listener.forwarding.format.fields == (b"x-ssl-client-cert",)
    assert listener.forwarding.client_address == b"x-forwarded-for"
    assert listener.refuse_in == "response"


def test_anchored(example: Example) -> None:
    example.mtls["forwarded"] = {
        "format": "rfc9440", "proxy_trust_anchors": ["partners"], "proxy_san_dns": ["a.dmz", "b.dmz"],
    }  # fmt: skip
    [listener, _] = example.load().config.listeners
    assert listener.forwarding is not None
    assert listener.forwarding.proxies is not None
    assert set(listener.forwarding.proxies.registrations) == {"proxy a.dmz", "proxy b.dmz"}
    assert [group.name for group in listener.proxy_groups] == ["partners"]


def test_plain_on_loopback(example: Example) -> None:
    plain(example, "tcp:8443:interface=127.0.0.1", proxy_credentials=credentials(example))
    [listener, _] = example.load().config.listeners
    assert listener.credential is None
    assert listener.forwarding is not None
    assert CREDENTIALS.strip() not in repr(listener)


def test_unix_socket(example: Example) -> None:
    plain(example, "unix:/run/mtlsd/proxy.sock", proxy_users=[getpass.getuser()])
    [listener, _] = example.load().config.listeners
    assert listener.forwarding is not None
    assert listener.forwarding.proxy_uids == frozenset({os.getuid()})


@pytest.mark.parametrize(
    ("user", "told"),
    [
        ("nobody", "is what the kernel calls everybody whom it cannot name"),
        ("no-such-user", "is no user of this machine"),
    ],
)
def test_users_that_are_no_proxys(example: Example, user: str, told: str) -> None:
    plain(example, "unix:/run/mtlsd/proxy.sock", proxy_users=[user])
    assert f'{HERE}.forwarded.proxy_users[0]: "{user}" {told}' in example.told()


def test_users_that_a_service_cannot_see(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with PrivateUsers=yes: everybody else has the same number there."""
    uid = pwd.getpwnam("www-data").pw_uid
    monkeypatch.setattr("mtlsd.config.forwarding.known_uids", lambda: [range(uid), range(uid + 1, 65535)])
    plain(example, "unix:/run/mtlsd/proxy.sock", proxy_users=["www-data"])
    told = '.forwarded.proxy_users[0]: "www-data" is nobody in the user namespace that mtlsd runs in'
    assert HERE + told in example.told()
    assert any("restart it" in note.remedy for note in example.notes())


def test_user_namespaces(tmp_path: Path) -> None:
    uid_map = tmp_path / "uid_map"
    uid_map.write_text("         0          0          1\n       998        998          1\n")
    assert known_uids(uid_map) == [range(1), range(998, 999)]
    assert 33 in known_uids(tmp_path / "none")[0]


def test_proxy_v2(example: Example) -> None:
    plain(example, "unix:/run/mtlsd/proxy.sock", proxy_users=[getpass.getuser()])
    example.mtls["forwarded"]["format"] = "proxy-v2"
    [listener, _] = example.load().config.listeners
    assert listener.forwarding is not None
    assert listener.forwarding.format is None
    assert listener.proxy_protocol is not None
    assert listener.proxy_protocol.version == 2


def test_the_header_comes_with_no_credentials(example: Example) -> None:
    known_by = {"proxy_users": [getpass.getuser()], "proxy_credentials": credentials(example)}
    plain(example, "unix:/run/mtlsd/proxy.sock", **known_by)
    example.mtls["forwarded"]["format"] = "proxy-v2"
    told = ".forwarded.proxy_credentials: cannot come: what sends the header adds no fields to requests"
    assert HERE + told in example.told()


def test_a_proxy_is_no_client(example: Example) -> None:
    """P28."""
    example.document["client"][1]["certificate"] = "proxy.pem"
    told = "is known by what a listener's proxy is known by"
    assert f"mtlsd.toml: client.pinned: {told}" in example.told()
    example.mtls["forwarded"] = {
        "format": "nginx", "proxy_trust_anchors": ["partners"], "proxy_san_dns": ["billing.partner.example"],
    }  # fmt: skip
    assert f"mtlsd.toml: client.billing: {told}" in example.told()
    assert f"mtlsd.toml: client.pinned: {told}" not in example.told()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (None, ".forwarded: is missing: nobody is known to forward certificates"),
        (
            {"format": "nginx"},
            ".forwarded: says nothing of who the proxy is: anybody could forward any certificate",
        ),
        ({"format": "x", "proxy_certificates": ["proxy.pem"]}, '.forwarded.format: "x" is unknown here'),
        (
            {"format": "header", "proxy_certificates": ["proxy.pem"]},
            ".forwarded.format: format 'header' needs one of the encodings pem | urlencoded-pem | base64-der",
        ),
        (
            {"format": "nginx", "header": "Authorization", "proxy_certificates": ["proxy.pem"]},
            ".forwarded.format: the field Authorization has another meaning",
        ),
        (
            {"format": "nginx", "header": "X-Real-IP", "client_address": "x-real-ip"},
            ".forwarded.header: is a field that means something else",
        ),
        (
            {"format": "nginx", "client_address": "Host", "proxy_certificates": ["proxy.pem"]},
            '.forwarded.client_address: "Host" cannot be used',
        ),
        (
            {"format": "nginx", "proxy_trust_anchors": ["partners"]},
            ".forwarded.proxy_trust_anchors: and proxy_san_dns belong together",
        ),
        (
            {"format": "nginx", "proxy_trust_anchors": ["dmz"], "proxy_san_dns": ["a.dmz"]},
            '.forwarded.proxy_trust_anchors[0]: "dmz" is no trust anchor group',
        ),
        (
            {"format": "nginx", "proxy_trust_anchors": ["partners"], "proxy_san_dns": ["*.dmz"]},
            ".forwarded.proxy_san_dns.tls_client_auth_san_dns: '*.dmz' is not a host name in ASCII."
            " A wildcard would not be a pattern here. Register the one name that the certificate has.",
        ),
        (
            {"format": "nginx", "proxy_certificates": ["none.pem"]},
            '.forwarded.proxy_certificates: "none.pem" does not exist',
        ),
        (
            {"format": "nginx", "proxy_users": ["root"]},
            ".forwarded.proxy_users: cannot be seen: the endpoint is no unix: socket",
        ),
        (
            {"format": "nginx", "proxy_credentials": "none"},
            '.forwarded.proxy_credentials: "none" does not exist',
        ),
        (
            {"format": "proxy-v2", "proxy_certificates": ["proxy.pem"]},
            ".forwarded.format: comes in the clear before everything else, so it needs a unix: socket",
        ),
    ],
)
def test_mistakes(example: Example, table: dict[str, Any] | None, told: str) -> None:
    if table is None:
        del example.mtls["forwarded"]
    else:
        example.mtls["forwarded"] = table
    assert HERE + told in example.told()


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        ("dmz:short\n", 0o600, "does not have one line user:password"),
        ("0123456789abcdef0123", 0o600, "does not have one line user:password"),
        (CREDENTIALS * 2, 0o600, "does not have one line user:password"),
        ("dmz:0123456789 abcdef", 0o600, "does not have one line user:password"),
        (CREDENTIALS, 0o644, "is open to other users"),
    ],
)
def test_credentials(example: Example, content: str, mode: int, told: str) -> None:
    name = credentials(example, content, mode)
    plain(example, "tcp:8443:interface=127.0.0.1", proxy_credentials=name)
    assert f'{HERE}.forwarded.proxy_credentials: "credentials" {told}' in example.told()
    assert "0123456789" not in str(example.told())


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp:8443",
        "tcp6:8443",
        "tcp:8443:interface=192.0.2.1",
        "systemd:domain=INET:name=a",
        "systemd:INET6:0",
    ],
)
def test_nothing_comes_in_the_clear_from_elsewhere(example: Example, endpoint: str) -> None:
    """R77."""
    plain(example, endpoint, proxy_credentials=credentials(example))
    told = f"{HERE}.endpoint: would take certificates and tokens in the clear from other machines"
    assert told in example.told()


def test_certificates_cannot_be_seen_without_tls(example: Example) -> None:
    plain(example, "unix:/run/mtlsd/proxy.sock", proxy_certificates=["proxy.pem"])
    assert f"{HERE}.forwarded.proxy_certificates: cannot be seen without TLS" in example.told()


@pytest.mark.parametrize("kind", ["required", "optional", "none"])
def test_only_listeners_of_proxies_take_certificates_from_proxies(example: Example, kind: str) -> None:
    example.mtls["client_certificate"] = kind
    told = f"{HERE}.forwarded: means nothing on a listener that clients connect to"
    assert told in example.told()


def test_a_certificate_alone(example: Example) -> None:
    del example.mtls["key"]
    assert f"{HERE}.key: is missing" in example.told()


def test_all_others_need_one(example: Example) -> None:
    del example.public["certificate"]
    assert "mtlsd.toml: listener.public.certificate: is missing" in example.told()


def test_where_clients_find_the_proxy(example: Example) -> None:
    del example.mtls["public_url"]
    assert f"{HERE}.public_url: is missing, and the endpoint tells the proxy's way alone" in example.told()


def test_a_proxy_whose_certificate_expires(example: Example) -> None:
    until = pki().valid(-1, 10)
    example.put("proxy.pem", pem(pki().self_signed("a proxy", valid=until).leaf))
    told = f"?{HERE}.forwarded.proxy_certificates: a certificate expires on {until[1]:%Y-%m-%d}"
    assert told in example.told()


def test_refuse_in(example: Example) -> None:
    example.mtls["refuse_in"] = "handshake"
    assert f"{HERE}.refuse_in: means nothing where a proxy forwards certificates" in example.told()


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"version": 3, "proxies": ["10.0.0.1"]}, ".version: 3 is out of bounds"),
        ({"version": 2, "proxies": []}, ".proxies: is empty"),
        ({"version": 2, "proxies": ["10.0.0.1/8"]}, '.proxies[0]: "10.0.0.1/8" is no network'),
        ({"version": 2}, ".proxies: is missing"),
    ],
)
def test_proxy_protocol(example: Example, table: dict[str, Any], told: str) -> None:
    example.public["proxy_protocol"] = table
    assert f"mtlsd.toml: listener.public.proxy_protocol{told}" in example.told()


def test_passed_on(example: Example) -> None:
    example.public["proxy_protocol"] = {"version": 1, "proxies": ["10.0.0.0/8", "2001:db8::1"]}
    [_, listener] = example.load().config.listeners
    assert listener.proxy_protocol is not None
    assert [str(network) for network in listener.proxy_protocol.networks] == ["10.0.0.0/8", "2001:db8::1/128"]

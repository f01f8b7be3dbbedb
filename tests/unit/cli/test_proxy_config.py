"""`mtlsd proxy-config`: what is printed for which listener, and what cannot be."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mtlsd.cli.exits import OK, USAGE
from mtlsd.cli.proxies.programs import PROGRAMS
from mtlsd.forwarded.formats import FORMATS, KNOWN_FIELDS
from tests.unit.cli.conftest import Ran, add_tables

Mtlsd = Callable[..., Ran]
PASSWORD = "correct-horse-battery-staple"
SETTINGS = {
    "nginx": 'format = "nginx"',
    "nginx header": 'format = "header"\nheader = "X-Own"\nencoding = "urlencoded-pem"',
    "haproxy": 'format = "haproxy"',
    "haproxy rfc9440": 'format = "rfc9440"',
    "apache": 'format = "apache"',
    "apache rfc9440": 'format = "rfc9440"',
    "caddy": 'format = "rfc9440"',
    "envoy": 'format = "envoy"',
    "traefik": 'format = "traefik"',
}
BY_ITSELF = {"envoy": "x-forwarded-client-cert", "traefik": "x-forwarded-for"}
"""What a proxy overwrites without its name being told."""
EVERY = pytest.mark.parametrize("setting", SETTINGS)
FORWARDED = """
[[listener]]
name = "proxied"
endpoint = "tcp:8555"
certificate = "server.pem"
key = "server.key"
client_certificate = "forwarded"
public_url = "https://as.example.com:9443"
serves = ["token"]
[listener.forwarded]
proxy_certificates = ["billing.pem"]
proxy_credentials = "credentials"
"""
PASSED_ON = """
[[listener]]
name = "passed-on"
endpoint = "tcp:8556"
certificate = "server.pem"
key = "server.key"
client_certificate = "required"
public_url = "https://as.example.com:9443"
serves = ["token"]
"""


@pytest.fixture(autouse=True)
def credentials(directory: Path) -> None:
    (directory / "credentials").touch(0o600)
    (directory / "credentials").write_text(f"proxy:{PASSWORD}\n")


def only_issued(directory: Path) -> None:
    """Take out the client whose certificate is pinned."""
    config = directory / "mtlsd.toml"
    tables = re.split(r"(?=^\[\[)", config.read_text(), flags=re.MULTILINE)
    config.write_text("".join(own for own in tables if "self_signed" not in own))


def without_comments(text: str) -> str:
    return re.sub(r"^\s*#.*\n|  # .*", "", text, flags=re.MULTILINE)


@EVERY
def test_each_field_is_removed_or_overwritten(directory: Path, mtlsd: Mtlsd, setting: str) -> None:
    """R71, R77"""
    add_tables(directory, FORWARDED, SETTINGS[setting])
    ran = mtlsd("proxy-config", setting.split()[0])
    assert ran.code == OK
    body = without_comments(ran.out).lower()
    for field in (*KNOWN_FIELDS, b"x-forwarded-for", b"x-proxy-authorization"):
        name = field.decode()
        in_another_file = name == "x-proxy-authorization" and "credentials." in body
        written = re.search(rf"(?:(?<![\w-])|(?<=\s-)){name}(?![\w-])", body)
        assert written or in_another_file or BY_ITSELF.get(setting) == name, name


@EVERY
def test_no_secret_is_printed(directory: Path, mtlsd: Mtlsd, setting: str) -> None:
    add_tables(directory, FORWARDED, SETTINGS[setting])
    printed = mtlsd("proxy-config", setting.split()[0]).out
    assert PASSWORD not in printed
    assert "X-Proxy-Authorization" in printed


@EVERY
def test_no_line_is_odd(directory: Path, mtlsd: Mtlsd, setting: str) -> None:
    """Templates leave no gaps, and comments can be read."""
    add_tables(directory, FORWARDED, SETTINGS[setting])
    printed = mtlsd("proxy-config", setting.split()[0]).out
    assert "\n\n\n" not in printed
    assert not re.search(r"[ \t]\n", printed)
    assert printed.endswith("\n")
    assert not printed.endswith("\n\n")
    assert [line for line in printed.splitlines() if line.startswith("#") and len(line) > 125] == []


@EVERY
def test_clients_are_told_the_names_of_cas_where_that_helps(
    directory: Path, mtlsd: Mtlsd, setting: str
) -> None:
    """Who has a pinned certificate would not offer it then."""
    add_tables(directory, FORWARDED, SETTINGS[setting])
    program = setting.split()[0]
    named = " ca-file" if program == "haproxy" else "trust-anchors.pem"
    with_pins = without_comments(mtlsd("proxy-config", program).out)
    assert named not in with_pins.partition("backend ")[0]
    only_issued(directory)
    assert named in without_comments(mtlsd("proxy-config", program).out)


@pytest.mark.parametrize("program", ["envoy", "traefik"])
def test_yaml(directory: Path, mtlsd: Mtlsd, program: str) -> None:
    add_tables(directory, FORWARDED, SETTINGS[program])
    document: Any = yaml.safe_load(mtlsd("proxy-config", program).out)
    if program == "envoy":
        (listener,) = document["static_resources"]["listeners"]
        manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
        assert manager["forward_client_cert_details"] == "SANITIZE_SET"
        removed = manager["route_config"]["request_headers_to_remove"]
        assert "X-Forwarded-Client-Cert" not in removed
        assert len(removed) == len(set(removed)) == len(KNOWN_FIELDS) - 1
    else:
        set_to = document["http"]["middlewares"]["mtlsd-strip"]["headers"]["customRequestHeaders"]
        assert set(set_to.values()) == {"", 'Basic {{ env "MTLSD_PROXY_CREDENTIALS" }}'}
        assert document["http"]["routers"]["mtlsd"]["middlewares"] == ["mtlsd-strip", "mtlsd-certificate"]


@pytest.mark.parametrize("program", ["envoy", "traefik"])
@pytest.mark.parametrize("version", [1, 2])
def test_yaml_for_passthrough(directory: Path, mtlsd: Mtlsd, program: str, version: int) -> None:
    add_tables(directory, PASSED_ON, f'proxy_protocol = {{ version = {version}, proxies = ["10.0.0.1"] }}')
    ran = mtlsd("proxy-config", program)
    assert ran.code == OK
    assert f"version: {'V' if program == 'envoy' else ''}{version}" in ran.out
    assert yaml.safe_load(ran.out)


def test_every_pair_is_printed_or_refused(directory: Path, mtlsd: Mtlsd) -> None:
    """With the formats that this proxy can send, and the proxies that can send this one."""
    config = directory / "mtlsd.toml"
    before = config.read_text()
    for form in sorted(FORMATS):
        encodings = ("pem", "urlencoded-pem", "base64-der") if form == "header" else (None,)
        for encoding in encodings:
            more = "" if encoding is None else f'\nheader = "X-Own"\nencoding = "{encoding}"'
            config.write_text(f'{before}\n{FORWARDED}\nformat = "{form}"{more}')
            for name, program in PROGRAMS.items():
                ran = mtlsd("proxy-config", name)
                fits = f"{form} {encoding or ''}".strip() in program.formats
                assert ran.code == (OK if fits else USAGE)
                if not fits:
                    assert f'format = "{program.formats[0].split()[0]}"' in ran.err


def test_every_format_is_some_proxys() -> None:
    """But for those of services, which nobody here configures."""
    used = {own.split()[0] for program in PROGRAMS.values() for own in program.formats}
    assert set(FORMATS) - used == {"aws-alb", "wso2"}


@pytest.mark.parametrize(
    ("program", "format_", "more", "why"),
    [
        ("haproxy", "nginx", "", "nginx can"),
        ("nginx", "wso2", "", 'With nginx take format = "nginx"'),
        ("envoy", "envoy", 'header = "X-Other"', "cannot send it as X-Other"),
        ("traefik", "traefik", 'client_address = "X-Real-IP"', "cannot send it as X-Real-Ip"),
    ],
)
def test_what_a_proxy_cannot_do(
    directory: Path, mtlsd: Mtlsd, program: str, format_: str, more: str, why: str
) -> None:
    add_tables(directory, FORWARDED, f'format = "{format_}"', more)
    ran = mtlsd("proxy-config", program)
    assert (ran.code, ran.out) == (USAGE, "")
    assert why.lower() in ran.err.lower()


@pytest.mark.parametrize(
    ("program", "version", "code"),
    [("nginx", 1, OK), ("nginx", 2, USAGE), ("haproxy", 2, OK), ("apache", 1, USAGE), ("caddy", 2, USAGE)],
)
def test_passthrough(directory: Path, mtlsd: Mtlsd, program: str, version: int, code: int) -> None:
    add_tables(directory, PASSED_ON, f'proxy_protocol = {{ version = {version}, proxies = ["10.0.0.1"] }}')
    assert mtlsd("proxy-config", program).code == code


def test_a_unix_socket(directory: Path, mtlsd: Mtlsd) -> None:
    add_tables(directory, FORWARDED, 'format = "rfc9440"')
    config = directory / "mtlsd.toml"
    plain = config.read_text().replace('"tcp:8555"\ncertificate = "server.pem"\nkey = "server.key"',
                                       '"unix:/run/mtlsd/proxy.sock"')  # fmt: skip
    config.write_text(plain.replace('proxy_certificates = ["billing.pem"]', 'proxy_users = ["root"]'))
    for program, written in (
        ("haproxy", "unix@/run/mtlsd/proxy.sock"),
        ("apache", "unix:/run/mtlsd/proxy.sock|http://"),
        ("caddy", "unix//run/mtlsd/proxy.sock"),
    ):
        ran = mtlsd("proxy-config", program)
        assert written in ran.out
        assert "mtlsd-ca.pem" not in ran.out
        assert "client.pem" not in ran.out
        assert "as root" in ran.out
        assert ("chroot" in ran.out) == (program == "haproxy")
    config.write_text(config.read_text().replace('"rfc9440"', '"traefik"'))
    assert "UNIX" in mtlsd("proxy-config", "traefik").err


def test_a_port_that_is_not_told(directory: Path, mtlsd: Mtlsd) -> None:
    """It is a word, so that no proxy starts with it."""
    add_tables(
        directory, FORWARDED.replace("tcp:8555", "systemd:domain=INET:name=proxied"), 'format = "nginx"'
    )
    assert "server localhost:PORT;" in mtlsd("proxy-config", "nginx").out


def test_which_listener(directory: Path, mtlsd: Mtlsd) -> None:
    assert "no listener is for a proxy" in mtlsd("proxy-config", "nginx").err
    add_tables(
        directory,
        FORWARDED,
        'format = "nginx"',
        PASSED_ON,
        'proxy_protocol = { version = 1, proxies = ["::1"] }',
    )
    several = mtlsd("proxy-config", "nginx")
    assert several.code == USAGE
    assert "--listener proxied | passed-on" in several.err
    assert "ssl_verify_client" in mtlsd("proxy-config", "nginx", "--listener", "proxied").out
    assert "stream {" in mtlsd("proxy-config", "nginx", "--listener", "passed-on").out
    assert mtlsd("proxy-config", "nginx", "--listener", "mtls").code == USAGE


@pytest.mark.parametrize("program", ["nginx", "haproxy"])
def test_listeners_of_one_proxy_do_not_share_names(directory: Path, mtlsd: Mtlsd, program: str) -> None:
    """Neither program starts with two parts of one name."""
    one = FORWARDED + f'format = "{program}"'
    add_tables(directory, one, one.replace('"proxied"', '"other"').replace(":8555", ":8557"))
    both = [mtlsd("proxy-config", program, "--listener", name).out for name in ("proxied", "other")]
    parts = [set(re.findall(r"^(?:upstream|frontend|backend) \S+", own, re.MULTILINE)) for own in both]
    assert parts[0]
    assert not parts[0] & parts[1]


def test_a_listener_that_proxies_ask(directory: Path, mtlsd: Mtlsd) -> None:
    """A proxy before it would let clients ask it."""
    asked = FORWARDED.replace('["token"]', '["forward-auth"]').replace('"proxied"', '"asked"')
    add_tables(directory, FORWARDED, 'format = "nginx"', asked.replace(":8555", ":8557"), 'format = "nginx"')
    assert "for the listener proxied" in mtlsd("proxy-config", "nginx").out
    ran = mtlsd("proxy-config", "nginx", "--listener", "asked")
    assert (ran.code, ran.out) == (USAGE, "")
    assert "docs/forward-auth.md" in ran.err


def test_debians_ways_are_told(directory: Path, mtlsd: Mtlsd) -> None:
    add_tables(directory, FORWARDED, 'format = "haproxy"')
    assert "/etc/default/haproxy" in mtlsd("proxy-config", "haproxy").out
    config = directory / "mtlsd.toml"
    config.write_text(config.read_text().replace('format = "haproxy"', 'format = "rfc9440"'))
    assert "/etc/default" not in mtlsd("proxy-config", "caddy").out
    assert "runs as caddy" in mtlsd("proxy-config", "caddy").out


def test_the_page_tells_which_format_is_for_which_proxy() -> None:
    page = (Path(__file__).parents[3] / "docs/proxies.md").read_text("utf-8")
    for program in PROGRAMS.values():
        found = re.search(rf"^\| {program.title} \| ([^|]*) \|", page, re.MULTILINE)
        assert found
        told = re.sub(r"`header` with `([\w-]+)`", r"`header \1`", found[1])
        assert tuple(re.findall(r"`([^`]+)`", told)) == program.formats

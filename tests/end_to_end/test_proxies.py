"""Proxies of Debian's with what `mtlsd proxy-config` prints for them, and curl (R71, R77, P26 to P29)."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.end_to_end.daemon import Daemon, mtlsd
from tests.end_to_end.daemon import running as daemon_running
from tests.end_to_end.real_proxies import ADDRESS, CLIENT, NGINX_MODULES, Fronted, running
from tests.end_to_end.test_crossing import thumbprint
from tests.end_to_end.test_docs import ROOT, Shown, blocks
from tests.end_to_end.test_grants import claims_of
from tests.end_to_end.tools import needs

STREAM = NGINX_MODULES / "ngx_stream_module.so"
pytestmark = needs("nginx", STREAM, "haproxy", "apache2", "caddy", "curl", "openssl")

PINNED: dict[str, Any] = {"proxy_certificates": ["presented/proxy/client.pem"]}
SECRET: dict[str, Any] = {"proxy_credentials": "credentials"}
LISTENERS: dict[str, tuple[str, dict[str, Any]]] = {
    "nginx": ("nginx", {"format": "nginx", **PINNED}),
    "nginx-header": (
        "nginx",
        {"format": "header", "header": "X-Own-Cert", "encoding": "urlencoded-pem", **SECRET},
    ),
    "nginx-socket": ("nginx", {"format": "nginx", "socket": True, "proxy_users": [getpass.getuser()]}),
    "haproxy": ("haproxy", {"format": "haproxy", "chain": True, **PINNED, **SECRET}),
    "haproxy-rfc9440": ("haproxy", {"format": "rfc9440", **SECRET}),
    "haproxy-socket": ("haproxy", {"format": "haproxy", "chain": True, "socket": True, **SECRET}),
    "apache": ("apache", {"format": "apache", **PINNED, **SECRET}),
    "apache-rfc9440": ("apache", {"format": "rfc9440", "chain": True, **PINNED}),
    "apache-header": (
        "apache",
        {"format": "header", "header": "X-Own-Cert", "encoding": "pem", **SECRET},
    ),
    "caddy": ("caddy", {"format": "rfc9440", **PINNED}),
    "caddy-header": (
        "caddy",
        {"format": "header", "header": "X-Own-Cert", "encoding": "base64-der", **SECRET},
    ),
    "caddy-socket": ("caddy", {"format": "rfc9440", "socket": True, "proxy_users": [getpass.getuser()]}),
}
PASSTHROUGH = {"nginx-1": ("nginx", 1), "haproxy-1": ("haproxy", 1), "haproxy-2": ("haproxy", 2)}
EVERYWHERE = pytest.mark.parametrize("listener", [*LISTENERS, *PASSTHROUGH])


@pytest.fixture(scope="module")
def fronted(tmp_path_factory: pytest.TempPathFactory) -> Fronted:
    made = Fronted(tmp_path_factory.mktemp("mtlsd"))
    for name, (_, forwarded) in LISTENERS.items():
        made.add(name, **forwarded)
    for name, (_, version) in PASSTHROUGH.items():
        made.add_passthrough(name, version)
    return made


@pytest.fixture(scope="module", autouse=True)
def daemon(fronted: Fronted, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """The daemon, and a proxy in front of each listener."""
    programs = {name: own[0] for name, own in (*LISTENERS.items(), *PASSTHROUGH.items())}
    with daemon_running(fronted.setup) as found, ExitStack() as proxies:
        for name, program in programs.items():
            directory = tmp_path_factory.mktemp(name)
            directory.chmod(0o755)
            proxies.enter_context(running(fronted, program, name, directory))
        yield found


@EVERYWHERE
def test_token_is_bound_to_the_clients_certificate(fronted: Fronted, daemon: Daemon, listener: str) -> None:
    """And not to the proxy's (P28). The client comes from its own address."""
    mark = daemon.mark()
    claims = claims_of(fronted.curl(listener, fronted.good).token)
    assert (claims["sub"], claims["cnf"]) == (CLIENT, {"x5t#S256": thumbprint(fronted.good)})
    event = daemon.event("token.issued", mark, client_id=CLIENT)
    assert (event["listener"], event["address"]) == (listener, ADDRESS)


@EVERYWHERE
def test_no_certificate(fronted: Fronted, daemon: Daemon, listener: str) -> None:
    mark = daemon.mark()
    answer = fronted.curl(listener, None)
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")
    assert daemon.event("token.refused", mark)["address"] == ADDRESS


@EVERYWHERE
@pytest.mark.parametrize(
    ("name", "reason"), [("other", "subject.mismatch"), ("revoked", "revocation.revoked")]
)
def test_wrong_certificate(fronted: Fronted, daemon: Daemon, listener: str, name: str, reason: str) -> None:
    mark = daemon.mark()
    answer = fronted.curl(listener, getattr(fronted, name))
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")
    assert daemon.event("token.refused", mark)["reason"] == reason


@EVERYWHERE
def test_a_large_request_with_a_large_certificate(fronted: Fronted, listener: str) -> None:
    """They need not fit into one buffer of the proxy's."""
    assert fronted.curl(listener, fronted.large, "-d", "padding=" + "x" * 50_000).token


@EVERYWHERE
def test_no_forgery_comes_through(fronted: Fronted, listener: str) -> None:
    """Once for each program beside a client's own certificate, too."""
    beside = listener == LISTENERS.get(listener, ("",))[0]
    report = fronted.tested(listener, fronted.good if beside else None)
    assert report["ok"] is True
    assert len(report["forgeries"]) > (500 if beside else 250)


def test_the_page_shows_what_is_printed(fronted: Fronted) -> None:
    (block,) = blocks(ROOT / "docs/proxies.md", "text")
    printed = mtlsd(
        "proxy-test", "-c", fronted.setup.config, "--through", fronted.url("nginx"), "--listener", "nginx",
        "--ca", fronted.setup.ca_file,
    )  # fmt: skip
    assert Shown("", block).fits(printed), printed

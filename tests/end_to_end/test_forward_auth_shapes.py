"""Forward authentication as Traefik and Envoy ask, by their documentation: they are not run here.

And what no proxy should ask.
"""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import pytest

from tests.end_to_end.clients import TIMEOUT, Answer, get
from tests.end_to_end.daemon import Daemon, running
from tests.end_to_end.forward_auth import API, ELSEWHERE, ForwardAuthSetup
from tests.end_to_end.proxying import forwarded_by
from tests.end_to_end.test_introspection import presented
from tests.end_to_end.tools import needs

pytestmark = needs("curl")

Fields = Sequence[tuple[str, str]]
TARGET = f"/forward-auth?audience={API}&scope=invoices:read"
DEMANDS = (("x-forward-auth-audience", API), ("x-forward-auth-scope", "invoices:read"))
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> ForwardAuthSetup:
    return ForwardAuthSetup(tmp_path_factory.mktemp("daemon"))


@pytest.fixture(scope="module")
def daemon(setup: ForwardAuthSetup) -> Iterator[Daemon]:
    with running(setup) as daemon:
        yield daemon


def send(path: Path, method: str, target: str, fields: Fields, body: bytes = b"") -> Answer:
    """One request over a UNIX socket, as it is."""
    lines = [f"{method} {target} HTTP/1.1", "Host: api.example.com", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in fields]
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(TIMEOUT)
        raw.connect(str(path))
        raw.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        got = http.client.HTTPResponse(raw, method=method)
        got.begin()
        return Answer(got.status, got.read(), {name.lower(): own for name, own in got.getheaders()})


@attrs.frozen
class Asked:
    """A proxy of one of the four kinds."""

    setup: ForwardAuthSetup
    kind: str

    def ask(
        self, token: str | None, over: str | None, more: Fields = (), *,
        method: str = "GET", target: str = TARGET, body: bytes = b"",
    ) -> Answer:  # fmt: skip
        fields = [*self.around(over), *more]
        if token is not None:
            fields.append(("authorization", f"Bearer {token}"))
        return send(self.setup.socket(self.kind), method, target, fields, body)

    def around(self, over: str | None) -> list[tuple[str, str]]:
        certificate = () if over is None else forwarded_by(self.kind, presented(self.setup, over))
        if self.kind == "envoy":
            return [
                *certificate,
                ("x-envoy-external-address", "198.51.100.7"),
                ("x-envoy-internal", "true"),
                ("x-forwarded-for", "192.0.2.9"),
            ]
        return [
            *certificate,
            ("X-Forwarded-For", "198.51.100.7"),
            ("X-Forwarded-Host", "api.example.com"),
            ("X-Forwarded-Method", "POST"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Uri", "/invoices?key=secret"),
        ]


@pytest.fixture
def traefik(setup: ForwardAuthSetup, daemon: Daemon) -> Asked:
    return Asked(setup, "traefik")


@pytest.fixture
def envoy(setup: ForwardAuthSetup, daemon: Daemon) -> Asked:
    return Asked(setup, "envoy")


def test_traefik(traefik: Asked, daemon: Daemon) -> None:
    mark, token = daemon.mark(), traefik.setup.token("jwt")
    good = traefik.ask(token, "jwt")
    assert (good.status, good.body, good.headers["x-auth-client-id"]) == (200, b"", "jwt")
    assert good.headers["cache-control"] == "no-store"
    event = daemon.event("forward_auth.allowed", mark)
    assert event["request"] == "POST api.example.com/invoices"
    assert (event["address"], event["listener"]) == ("198.51.100.7", "traefik")
    for over in ("other", None):
        bad = traefik.ask(token, over)
        assert (bad.status, bad.headers["cache-control"]) == (401, "no-store")
        assert 'error="invalid_token"' in bad.headers["www-authenticate"]
        assert not [name for name in bad.headers if name.startswith("x-auth-")]
    bad = traefik.ask(traefik.setup.token("jwt", scope="invoices:write"), "jwt")
    assert bad.status == 403
    assert 'error="insufficient_scope"' in bad.headers["www-authenticate"]
    assert 'scope="invoices:read"' in bad.headers["www-authenticate"]
    assert "secret" not in daemon.out.read_text()


@pytest.mark.parametrize("method", METHODS)
def test_envoy_keeps_the_method_and_appends_the_path(envoy: Asked, daemon: Daemon, method: str) -> None:
    mark, token = daemon.mark(), envoy.setup.token("jwt")
    target = "/forward-auth/invoices/1?x=%00secret"
    good = envoy.ask(token, "jwt", DEMANDS, method=method, target=target)
    assert (good.status, good.body, good.headers["x-auth-subject"]) == (200, b"", "jwt")
    event = daemon.event("forward_auth.allowed", mark, address="198.51.100.7")
    assert event["request"] == f"{method} api.example.com/invoices/1"
    for over in ("other", None):
        assert envoy.ask(token, over, DEMANDS, method=method, target=target).status == 401


@pytest.mark.parametrize(
    "path",
    [
        "/", "//", "/../forward-auth", "/%2e%2e/forward-auth", "/forward-auth", "/?", "/;a", "/a//b/./c",
        f"/?audience={ELSEWHERE}", f"/?audience={ELSEWHERE}&audience={API}", "/token",
    ],
)  # fmt: skip
def test_the_client_s_path_and_query_mean_nothing(envoy: Asked, path: str) -> None:
    elsewhere = envoy.setup.token("jwt", resource=ELSEWHERE)
    assert envoy.ask(elsewhere, "jwt", DEMANDS, target="/forward-auth" + path).status == 401
    assert envoy.ask(envoy.setup.token("jwt"), "jwt", DEMANDS, target="/forward-auth" + path).status == 200


@pytest.mark.parametrize(
    "fields",
    [
        (),
        DEMANDS[1:],
        (*DEMANDS, ("X-Forward-Auth-Audience", ELSEWHERE)),
        (("x-forward-auth-audience", ""), DEMANDS[1]),
        (("x_forward_auth_audience", API), DEMANDS[1]),
    ],
    ids=str,
)
def test_an_envoy_that_demands_nothing_clearly(envoy: Asked, daemon: Daemon, fields: Fields) -> None:
    mark = daemon.mark()
    answer = envoy.ask(envoy.setup.token("jwt"), "jwt", fields, target="/forward-auth/")
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    daemon.event("forward_auth.refused", mark, reason="forward_auth.demands")


@pytest.mark.parametrize(
    "query", ["", "?", "?scope=a", "?audience=", f"?audience={API}&scopes=a", f"?audience={API}&scope="]
)
def test_a_proxy_that_demands_nothing_clearly(traefik: Asked, daemon: Daemon, query: str) -> None:
    """A token for anybody would do, so it does not."""
    mark = daemon.mark()
    answer = traefik.ask(traefik.setup.token("jwt"), "jwt", target=f"/forward-auth{query}")
    assert (answer.status, answer.json["error"]) == (400, "invalid_request")
    assert "audience" in answer.json["error_description"]
    assert daemon.event("forward_auth.refused", mark, reason="forward_auth.demands")["detail"]


def test_demands_in_fields_where_the_query_says_them(traefik: Asked, daemon: Daemon) -> None:
    mark = daemon.mark()
    elsewhere = traefik.setup.token("jwt", resource=ELSEWHERE)
    for name in ("X-Forward-Auth-Audience", "x-forward-auth-scope"):
        assert traefik.ask(elsewhere, "jwt", [(name, ELSEWHERE)]).status == 401
        daemon.event("forward_auth.refused", mark, reason="forward_auth.forged")
        mark = daemon.mark()


def test_any_of_several_audiences(traefik: Asked) -> None:
    target = f"/forward-auth?audience={API}&audience={ELSEWHERE}"
    for resource in (API, ELSEWHERE):
        assert traefik.ask(traefik.setup.token("jwt", resource=resource), "jwt", target=target).status == 200
    assert traefik.ask(traefik.setup.token("jwt"), "jwt", target="/forward-auth?audience=urn:x").status == 401


@pytest.mark.parametrize("listener", ["mtls", "public"])
def test_whoever_is_no_proxy(setup: ForwardAuthSetup, daemon: Daemon, listener: str) -> None:
    """It is not served where clients come, and the certificate that they claim is an attack there."""
    own = presented(setup, "jwt")
    assert get(setup.url(listener, TARGET), setup.ca_file, own).status == 404


def test_two_authorization_fields(traefik: Asked) -> None:
    token = traefik.setup.token("jwt")
    assert traefik.ask(token, "jwt", [("Authorization", f"Bearer {token}")]).status in (400, 401)


def test_a_body_is_not_looked_at(envoy: Asked) -> None:
    body = f"access_token={envoy.setup.token('jwt')}&audience={API}".encode()
    form = (("content-type", "application/x-www-form-urlencoded"), *DEMANDS)
    assert envoy.ask(None, "jwt", form, method="POST", target="/forward-auth/", body=body).status == 401


def test_other_methods(traefik: Asked) -> None:
    assert traefik.ask(traefik.setup.token("jwt"), "jwt", method="TRACE").status in (405, 501)

"""Real nginx and Caddy ask whether a request may pass to an application: no bearer fallback (R16)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.end_to_end.clients import Answer
from tests.end_to_end.daemon import Daemon, eventually, running
from tests.end_to_end.forward_auth import (
    ELSEWHERE,
    Application,
    ForwardAuthSetup,
    Proxy,
    application,
    caddy,
    nginx,
    seen_by_application,
)
from tests.end_to_end.test_introspection import post, revoke
from tests.end_to_end.tools import needs

pytestmark = needs("nginx", "caddy", "curl")

PROXIES = pytest.mark.parametrize("proxy", ["nginx", "caddy"], indirect=True)
FORMATS = pytest.mark.parametrize("client_id", ["jwt", "opaque"])
IDENTITY = {"x_auth_client_id", "x_auth_subject", "x_auth_scope", "x_auth_expires"}
FORGED = [
    *((name, "root") for name in ("X-Auth-Client-Id", "X-Auth-Subject", "x-auth-scope", "X-AUTH-EXPIRES")),
    *((name, "root") for name in ("X_Auth_Subject", "X-Auth_Subject", "X_Auth-Client-Id", "x_auth_scope")),
]


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> ForwardAuthSetup:
    return ForwardAuthSetup(tmp_path_factory.mktemp("daemon"))


@pytest.fixture(scope="module")
def daemon(setup: ForwardAuthSetup) -> Iterator[Daemon]:
    with running(setup) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def behind() -> Iterator[Application]:
    with application() as started:
        yield started


@pytest.fixture(scope="module")
def proxy(
    request: pytest.FixtureRequest, setup: ForwardAuthSetup, daemon: Daemon, behind: Application
) -> Iterator[Proxy]:
    with {"nginx": nginx, "caddy": caddy}[request.param](setup, behind) as started:
        yield started


def refused(answer: Answer, error: str = "invalid_token") -> bool:
    """By the header of RFC 6750, R56."""
    challenge = answer.headers.get("www-authenticate", "")
    return answer.status == 401 and challenge.startswith(f'Bearer error="{error}"')


@PROXIES
@FORMATS
def test_the_right_certificate(proxy: Proxy, daemon: Daemon, client_id: str) -> None:
    mark, token = daemon.mark(), proxy.setup.token(client_id)
    seen = seen_by_application(proxy.ask(token, client_id))
    assert seen["x_auth_client_id"] == seen["x_auth_subject"] == [client_id]
    assert seen["x_auth_scope"] == ["invoices:read invoices:write"]
    issued = daemon.event("token.issued", mark)
    assert seen["x_auth_expires"] == [str(issued["expires_at"])]
    event = daemon.event("forward_auth.allowed", mark, client_id=client_id, jti=issued["jti"])
    assert event["request"].startswith("GET ")
    assert event["request"].endswith("/invoices")
    assert event["address"] == "127.0.0.1"
    assert token not in daemon.out.read_text()


@PROXIES
@FORMATS
def test_another_certificate_and_none(proxy: Proxy, daemon: Daemon, client_id: str) -> None:
    mark, token = daemon.mark(), proxy.setup.token(client_id)
    for over, why in (("other", "mismatch"), (None, "absent")):
        assert refused(proxy.ask(token, over))
        event = daemon.event("forward_auth.refused", mark, reason=f"access_token.certificate_{why}")
        assert event["client_id"] == client_id
    assert proxy.ask(token, client_id).status == 200


@PROXIES
def test_no_token_and_no_good_one(proxy: Proxy, daemon: Daemon) -> None:
    mark = daemon.mark()
    answer = proxy.ask(None, "jwt")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    for bad in ("nonsense", "a.b.c", proxy.setup.token("jwt")[:-4] + "AAAA"):
        assert refused(proxy.ask(bad, "jwt"))
    assert refused(proxy.ask("two words", "jwt"), "invalid_request")
    daemon.event("forward_auth.refused", mark, reason="access_token.unknown")
    assert proxy.ask(None, "jwt", [("Authorization", "Basic and0Og==")]).status == 401


@PROXIES
def test_a_token_in_another_place(proxy: Proxy) -> None:
    token = proxy.setup.token("jwt")
    assert proxy.ask(None, "jwt", path=f"/?access_token={token}").status == 401
    assert proxy.ask(None, "jwt", [("Cookie", f"access_token={token}")]).status == 401
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    body = f"access_token={token}".encode()
    assert proxy.ask(None, "jwt", form, method="POST", body=body).status == 401


@PROXIES
@FORMATS
def test_a_token_that_was_revoked(proxy: Proxy, daemon: Daemon, client_id: str) -> None:
    mark, token = daemon.mark(), proxy.setup.token(client_id)
    assert proxy.ask(token, client_id).status == 200
    assert post(proxy.setup, "/revoke", client_id, token=token).status == 200
    assert refused(proxy.ask(token, client_id))
    reason = "access_token.revoked" if client_id == "jwt" else "access_token.unknown"
    daemon.event("forward_auth.refused", mark, reason=reason)


@PROXIES
@FORMATS
def test_another_audience_and_too_little_scope(proxy: Proxy, daemon: Daemon, client_id: str) -> None:
    mark = daemon.mark()
    assert refused(proxy.ask(proxy.setup.token(client_id, resource=ELSEWHERE), client_id))
    daemon.event("forward_auth.refused", mark, reason="access_token.audience")
    assert proxy.ask(proxy.setup.token(client_id, scope="invoices:write"), client_id).status == 403
    daemon.event("forward_auth.refused", mark, reason="access_token.scope")
    assert proxy.ask(proxy.setup.token(client_id, scope="invoices:read"), client_id).status == 200


@PROXIES
def test_a_token_that_is_bound_to_nothing(proxy: Proxy, daemon: Daemon) -> None:
    mark = daemon.mark()
    assert refused(proxy.ask(proxy.setup.token("unbound"), "unbound"))
    daemon.event("forward_auth.refused", mark, reason="access_token.unbound")


@PROXIES
def test_forged_identity(proxy: Proxy) -> None:
    """In every spelling that an application may take for it."""
    token = proxy.setup.token("jwt")
    for forged in ([own] for own in FORGED):
        seen = seen_by_application(proxy.ask(token, "jwt", forged))
        assert not any("root" in values for values in seen.values())
    seen = seen_by_application(proxy.ask(token, "jwt", FORGED))
    assert {name: len(seen[name]) for name in IDENTITY} == dict.fromkeys(IDENTITY, 1)
    assert not any("root" in values for values in seen.values())
    assert proxy.ask(None, "other", FORGED).status == 401


@PROXIES
@pytest.mark.parametrize(
    "name",
    ["X-SSL-Client-Cert", "X_SSL_Client_Cert", "Client-Cert", "X-Forwarded-Client-Cert", "x-wso2-mtls-cert"],
)
def test_a_forged_certificate(proxy: Proxy, name: str) -> None:
    """Whoever has stolen a token has the certificate too, but not its key."""
    setup = proxy.setup
    token = setup.token("jwt")
    pem = (setup.directory / "presented/jwt/client.pem").read_text()
    der = "".join(pem.splitlines()[1:-1])
    for value in (quote(pem, safe=""), der, f":{der}:", f'Cert="{quote(pem, safe="")}"'):
        for over in ("other", None):
            assert proxy.ask(token, over, [(name, value)]).status in (400, 401)


@PROXIES
def test_demands_of_the_client_s_own(proxy: Proxy) -> None:
    """Neither in the query, nor in fields."""
    elsewhere = proxy.setup.token("jwt", resource=ELSEWHERE)
    path = f"/?audience={ELSEWHERE}"
    assert proxy.ask(elsewhere, "jwt", path=path).status == 401
    for name in ("X-Forward-Auth-Audience", "X_Forward_Auth_Audience"):
        assert proxy.ask(elsewhere, "jwt", [(name, ELSEWHERE)], path=path).status == 401


@PROXIES
def test_a_request_with_a_body(proxy: Proxy) -> None:
    answer = proxy.ask(proxy.setup.token("jwt"), "jwt", method="POST", body=b"x" * 100_000)
    assert seen_by_application(answer)["content_length"] == ["100000"]


@PROXIES
def test_two_tokens(proxy: Proxy) -> None:
    """Whichever the proxy hands on, nobody passes by a token that is not for him."""
    mine, other = proxy.setup.token("jwt"), proxy.setup.token("other")
    for first, second in ((mine, other), (other, mine)):
        answer = proxy.ask(first, "other", [("Authorization", f"Bearer {second}")])
        if answer.status == 200:
            assert seen_by_application(answer)["x_auth_client_id"] == ["other"]


@pytest.mark.parametrize("restart", [False, True], ids=["", "after a restart"])
def test_a_certificate_that_was_revoked(tmp_path: Path, behind: Application, restart: bool) -> None:
    """Also where nobody has got a token with it since the daemon has started."""
    setup = ForwardAuthSetup(tmp_path / "daemon")
    with running(setup) as daemon, nginx(setup, behind) as proxy:
        token = setup.token("jwt")
        assert proxy.ask(token, "jwt").status == 200
        revoke(setup, 2, "jwt")
        if not restart:
            assert daemon.reload()["event"] == "reload.done"
            eventually(lambda: refused(proxy.ask(token, "jwt")))
            daemon.event("forward_auth.refused", reason="access_token.certificate", client_id="jwt")
    if restart:
        daemon.out.unlink()  # or the next one would seem to have started
        with running(setup) as daemon, nginx(setup, behind) as proxy:
            eventually(lambda: refused(proxy.ask(token, "jwt")))
            daemon.event("forward_auth.refused", reason="access_token.certificate", client_id="jwt")

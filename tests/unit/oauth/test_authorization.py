"""Authorization requests, and what is sent back (R63, R65, R67, R73, R79)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal
from mtlsd.oauth.artifacts import Artifact
from mtlsd.oauth.authorization import AuthorizationPolicy, UserAuthenticated
from mtlsd.oauth.authorization_request import AuthorizationRequest, SentBack
from tests.pki import NOW
from tests.unit.oauth.grants_world import (
    ALICE,
    API,
    CALLBACK,
    ISSUER,
    OTHER,
    AuthorizationWorld,
    now_of,
    web_client,
)

WEB = web_client("web")


def world(*clients: Any, **policy: Any) -> AuthorizationWorld:
    return AuthorizationWorld(clients or (WEB,), AuthorizationPolicy(ISSUER, **policy))


def outcome(within: AuthorizationWorld, **changes: Any) -> AuthorizationRequest | SentBack:
    return now_of(within.endpoint.read(within.asking(**changes), NOW))


def shown(within: AuthorizationWorld, **changes: Any) -> Reason:
    with pytest.raises(Refusal) as refused:
        outcome(within, **changes)
    return refused.value.reason


def sent_back(within: AuthorizationWorld, **changes: Any) -> SentBack:
    found = outcome(within, **changes)
    assert isinstance(found, SentBack)
    return found


def parameters(location: str) -> dict[str, str]:
    return {
        name: values[0] for name, values in parse_qs(urlsplit(location).query, strict_parsing=True).items()
    }


def test_a_request() -> None:
    request = world().read(scope="write read", resource=(API, OTHER), state="a b&c", max_age="60")
    assert (request.client_id, request.scope, request.resources) == ("web", ("read", "write"), (API, OTHER))
    assert (request.redirection.uri, request.redirection.state) == (CALLBACK, "a b&c")
    assert (request.max_age, request.prompt) == (60, frozenset())


def test_defaults() -> None:
    request = world().read(redirect_uri=None, state=None)
    assert (request.scope, request.resources) == (("read", "write", "admin"), ())
    assert (request.redirection.uri, request.redirection.named) == (CALLBACK, False)


class TestNothingIsSentToWhatIsNotVerified:
    """R73: these are for the user's eyes."""

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"client_id": ""}, reasons.CLIENT_ID_ABSENT),
            ({"client_id": "nobody"}, reasons.CLIENT_UNKNOWN),
            ({"client_id": "off"}, reasons.CLIENT_DISABLED),
            ({"redirect_uri": "https://evil.example/cb"}, reasons.REDIRECT_URI_UNKNOWN),
            ({"redirect_uri": CALLBACK + "/"}, reasons.REDIRECT_URI_UNKNOWN),
            ({"redirect_uri": CALLBACK + "?x=1"}, reasons.REDIRECT_URI_UNKNOWN),
            ({"redirect_uri": CALLBACK.upper()}, reasons.REDIRECT_URI_UNKNOWN),
            ({"redirect_uri": CALLBACK + "/../cb"}, reasons.REDIRECT_URI_UNKNOWN),
            ({"redirect_uri": CALLBACK.replace("client.", "client.example@")}, reasons.REDIRECT_URI_UNKNOWN),
            ({"client_id": "two", "redirect_uri": None}, reasons.REDIRECT_URI_ABSENT),
            ({"request_uri": "https://client.example/request.jwt"}, reasons.REQUEST_URI_INVALID),
            ({"request_uri": "urn:ietf:params:oauth:request_uri:none"}, reasons.REQUEST_URI_INVALID),
        ],
    )
    def test_shown(self, changes: dict[str, Any], reason: Reason) -> None:
        off = web_client("off", disabled=True)
        two = web_client("two", redirect_uris=[CALLBACK, CALLBACK + "2"])
        assert shown(world(WEB, off, two), **changes) is reason

    def test_it_comes_before_everything_else(self) -> None:
        wrong = {"redirect_uri": "https://evil.example/", "response_type": "token", "scope": "nonsense"}
        assert shown(world(), **wrong) is reasons.REDIRECT_URI_UNKNOWN


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "delete"}, "invalid_scope"),
        ({"resource": "https://evil.example/"}, "invalid_target"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"request": "x.y.z"}, "request_not_supported"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
    ],
)
def test_the_client_is_told(changes: dict[str, Any], error: str) -> None:
    """With `iss` and `state` (R63, R79), and with nothing of the request but these."""
    back = sent_back(world(), **changes)
    assert back.location.startswith(CALLBACK + "?")
    told = parameters(back.location)
    assert (told.pop("error"), told.pop("error_description")) == (error, back.refusal.reason.meaning)
    assert told == {"iss": ISSUER, "state": "of the client"}


def test_a_client_without_the_grant_type() -> None:
    plain = attrs.evolve(WEB, grant_types=("client_credentials",))
    assert sent_back(world(plain)).refusal.reason is reasons.GRANT_UNAUTHORIZED


def test_pkce_can_be_left_to_confidential_clients() -> None:
    """R65: never to public ones."""
    without = {"code_challenge": None, "code_challenge_method": None}
    public = attrs.evolve(WEB, client_id="public", token_endpoint_auth_method="none", subject=None)
    lenient = world(WEB, public, require_pkce=False)
    assert lenient.read(**without).code_challenge is None
    assert sent_back(lenient, client_id="public", **without).refusal.reason is reasons.PKCE_ABSENT


@pytest.mark.parametrize("where", ["server", "client"])
def test_requests_may_have_to_be_pushed(where: str) -> None:
    """R64"""
    own = attrs.evolve(WEB, require_pushed_authorization_requests=where == "client")
    strict = world(own, require_pushed=where == "server")
    assert sent_back(strict).refusal.reason is reasons.REQUEST_NOT_PUSHED


class TestLoopback:
    """R73: the port of a loopback address is free, and nothing else."""

    NATIVE = attrs.evolve(
        WEB, token_endpoint_auth_method="none", subject=None, redirect_uris=("http://127.0.0.1/cb",)
    )

    @pytest.mark.parametrize(
        "uri", ["http://127.0.0.1/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"]
    )
    def test_any_port(self, uri: str) -> None:
        assert world(self.NATIVE).read(redirect_uri=uri).redirection.uri == uri

    @pytest.mark.parametrize(
        "uri",
        [
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:65536/cb",
            "http://127.0.0.1:80/other",
            "http://localhost:80/cb",
            "http://127.0.0.2/cb",
            "http://[::1]:80/cb",
            "https://127.0.0.1:80/cb",
            "http://127.0.0.1:80@evil.example/cb",
        ],
    )
    def test_nothing_else(self, uri: str) -> None:
        assert shown(world(self.NATIVE), redirect_uri=uri) is reasons.REDIRECT_URI_UNKNOWN


class TestCode:
    def test_the_answer(self) -> None:
        """R63: `iss` beside code and state; the code is kept as a digest, for a minute."""
        within = world()
        request = within.read(scope="read write", resource=API)
        location = now_of(within.endpoint.issue_code(request, ALICE, ("read",), NOW))
        told = parameters(location)
        code = told.pop("code")
        assert told == {"iss": ISSUER, "state": "of the client"}
        key = Artifact.key_of(code)
        found = now_of(within.artifacts.find("code", key, NOW + timedelta(seconds=59)))
        assert found is not None
        assert found.artifact.client_id == "web"
        assert json.loads(found.artifact.encoded)["scope"] == ["read"]
        assert code not in found.artifact.encoded
        assert now_of(within.artifacts.find("code", key, NOW + timedelta(seconds=60))) is None

    def test_a_redirect_uri_with_a_query_keeps_it(self) -> None:
        uri = CALLBACK + "?tenant=1"
        within = world(web_client("web", redirect_uris=[uri]))
        location = now_of(within.endpoint.issue_code(within.read(redirect_uri=uri), ALICE, (), NOW))
        assert location.startswith(uri + "&code=")

    def test_never_more_than_was_asked(self) -> None:
        within = world()
        with pytest.raises(ValueError, match="more than"):
            now_of(within.endpoint.issue_code(within.read(scope="read"), ALICE, ("read", "write"), NOW))

    def test_a_user_with_the_name_of_a_client(self) -> None:
        """R66, R78"""
        within = world()
        mallory = UserAuthenticated("web", NOW)
        with pytest.raises(Refusal) as refused:
            now_of(within.endpoint.issue_code(within.read(), mallory, (), NOW))
        assert refused.value.reason is reasons.USER_CONFUSABLE

    @pytest.mark.parametrize("change", [{"disabled": True}, {"redirect_uris": (CALLBACK + "2",)}])
    def test_the_client_has_changed_meanwhile(self, change: dict[str, Any]) -> None:
        request = world().read()
        later = world(attrs.evolve(WEB, **change))
        with pytest.raises(Refusal):
            now_of(later.endpoint.issue_code(request, ALICE, (), NOW))

    def test_the_user_says_no(self) -> None:
        back = world().read().refused(Refusal(reasons.USER_DENIED))
        assert parameters(back.location)["error"] == "access_denied"

"""The authorization_code grant (R17, R54, R65, R67)."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import attrs
import pytest

from mtlsd import reasons
from mtlsd.errors import Reason
from mtlsd.oauth.artifacts import Artifact
from mtlsd.oauth.authorization import AuthorizationPolicy
from tests.pki import NOW
from tests.unit.oauth.grants_world import (
    ALICE,
    API,
    CALLBACK,
    ISSUER,
    ONE,
    OTHER,
    TWO,
    VERIFIER,
    GrantWorld,
    came,
    claims,
    form,
    now_of,
    public_client,
    reason_of,
    web_client,
)

WEB = web_client("web")
REST = web_client("rest", grant_types=["authorization_code"], redirect_uris=[CALLBACK])
PUBLIC = public_client("public")


@pytest.fixture
def world() -> GrantWorld:
    return GrantWorld((WEB, REST, PUBLIC))


def test_tokens(world: GrantWorld) -> None:
    """R17, R66: the user's, for the client, bound to its certificate."""
    code = world.code(scope=("read",), resource=API)
    issued = now_of(world.exchange(code))
    read = claims(issued)
    at = int(NOW.timestamp())
    assert read.pop("jti")
    assert read.pop("grant_id")
    assert read == {
        "iss": ISSUER,
        "sub": ALICE.sub,
        "auth_time": at - 300,
        "client_id": "web",
        "aud": API,
        "scope": "read",
        "cnf": {"x5t#S256": ONE.x5t_s256},
        "iat": at,
        "exp": at + 300,
    }
    answer = json.loads(issued.to_json())
    assert answer.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert issued.on_behalf_of == ALICE.sub


def test_no_refresh_token_for_a_client_without_that_grant(world: GrantWorld) -> None:
    assert now_of(world.exchange(world.code(client_id="rest"), "rest")).refresh_token is None


def test_secrets_are_not_shown(world: GrantWorld) -> None:
    issued = now_of(world.exchange(world.code()))
    assert issued.refresh_token is not None
    assert issued.refresh_token not in repr(issued)


class TestRefused:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"code": None}, reasons.CODE_ABSENT),
            ({"code": "another"}, reasons.CODE_UNKNOWN),
            ({"redirect_uri": None}, reasons.CODE_REDIRECT_URI),
            ({"redirect_uri": CALLBACK + "/"}, reasons.CODE_REDIRECT_URI),
            ({"code_verifier": None}, reasons.PKCE_MISMATCH),
            ({"code_verifier": "w" * 43}, reasons.PKCE_MISMATCH),
            ({"code_verifier": "short"}, reasons.PKCE_MALFORMED),
            ({"resource": OTHER}, reasons.RESOURCE_INVALID),
            ({"client_id": "rest"}, reasons.CODE_UNKNOWN),
            ({"client_id": "public"}, reasons.CODE_UNKNOWN),
            ({"certificate": None}, reasons.BINDING_ABSENT),
            ({"now": NOW + timedelta(seconds=60)}, reasons.CODE_UNKNOWN),
        ],
    )
    def test_and_the_code_is_as_good_as_before(
        self, world: GrantWorld, changes: dict[str, Any], reason: Reason
    ) -> None:
        """R54: nobody uses up what is another's, and no mistake costs the code."""
        code = world.code(resource=API)
        assert reason_of(world.exchange(**{"code": code, **changes})) is reason
        assert reason.error in ("invalid_grant", "invalid_request", "invalid_target")
        assert now_of(world.exchange(code)).token

    def test_a_client_that_may_not(self, world: GrantWorld) -> None:
        without = attrs.evolve(WEB, grant_types=("client_credentials",))
        asked = form(code=world.code(), redirect_uri=CALLBACK, code_verifier=VERIFIER)
        assert reason_of(world.codes(came(without), asked, NOW)) is reasons.GRANT_UNAUTHORIZED


class TestRedirectUri:
    """RFC 6749 section 4.1.3: as in the authorization request, if it was there."""

    def test_not_named_then(self, world: GrantWorld) -> None:
        assert now_of(world.exchange(world.code(redirect_uri=None), redirect_uri=None)).token
        assert now_of(world.exchange(world.code(redirect_uri=None))).token

    def test_another_one_now(self, world: GrantWorld) -> None:
        refused = world.exchange(world.code(redirect_uri=None), redirect_uri="https://evil.example/")
        assert reason_of(refused) is reasons.CODE_REDIRECT_URI


class TestReuse:
    """R54"""

    def test_it_removes_everything(self, world: GrantWorld) -> None:
        code = world.code()
        issued = now_of(world.exchange(code))
        assert issued.refresh_token is not None
        assert reason_of(world.exchange(code)) is reasons.CODE_USED
        assert reason_of(world.refresh(issued.refresh_token)) is reasons.REFRESH_TOKEN_UNKNOWN
        assert now_of(world.artifacts.grant_removed(claims(issued)["grant_id"], NOW))

    def test_even_with_a_wrong_verifier(self, world: GrantWorld) -> None:
        code = world.code()
        issued = now_of(world.exchange(code))
        assert reason_of(world.exchange(code, code_verifier="w" * 43)) is reasons.CODE_USED
        assert now_of(world.artifacts.grant_removed(claims(issued)["grant_id"], NOW))

    def test_another_client_removes_nothing(self, world: GrantWorld) -> None:
        code = world.code()
        issued = now_of(world.exchange(code))
        assert reason_of(world.exchange(code, "rest")) is reasons.CODE_UNKNOWN
        assert not now_of(world.artifacts.grant_removed(claims(issued)["grant_id"], NOW))

    def test_other_grants_stay(self, world: GrantWorld) -> None:
        code, other = world.code(), world.refresh_token()
        now_of(world.exchange(code))
        assert reason_of(world.exchange(code)) is reasons.CODE_USED
        assert now_of(world.refresh(other)).token


def test_a_downgrade_is_seen() -> None:
    """R65: somebody has taken the challenge out of the authorization request."""
    world = GrantWorld((WEB,), AuthorizationPolicy(ISSUER, require_pkce=False))
    code = world.code(code_challenge=None, code_challenge_method=None)
    assert reason_of(world.exchange(code)) is reasons.PKCE_DOWNGRADE
    assert now_of(world.exchange(code, code_verifier=None)).token


def test_a_public_client(world: GrantWorld) -> None:
    """R20: bound to whatever certificate it came with."""
    issued = now_of(world.exchange(world.code(client_id="public"), "public", TWO))
    assert claims(issued)["cnf"] == {"x5t#S256": TWO.x5t_s256}
    bare = world.code(client_id="public")
    assert reason_of(world.exchange(bare, "public", None)) is reasons.BINDING_ABSENT


def test_what_the_client_may_not_have_any_more(world: GrantWorld) -> None:
    code = world.code(resource=API)
    asked = form(code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER)
    less = attrs.evolve(WEB, scope=("read",))
    assert claims(now_of(world.codes(came(less), asked, NOW)))["scope"] == "read"
    asked = form(code=world.code(resource=API), redirect_uri=CALLBACK, code_verifier=VERIFIER)
    none = attrs.evolve(WEB, resources=())
    assert reason_of(world.codes(came(none), asked, NOW)) is reasons.RESOURCE_INVALID


def test_opaque_tokens_are_kept_with_the_rest(world: GrantWorld) -> None:
    opaque = attrs.evolve(WEB, access_token_format="opaque")
    asked = form(code=world.code(), redirect_uri=CALLBACK, code_verifier=VERIFIER)
    issued = now_of(world.codes(came(opaque), asked, NOW))
    found = now_of(world.artifacts.find("access_token", Artifact.key_of(issued.token.value), NOW))
    assert found is not None
    assert found.artifact.content["sub"] == ALICE.sub
    assert found.artifact.grant_id


@pytest.mark.parametrize("standing", [None, "second"])
def test_a_user_who_is_none_any_more(world: GrantWorld, standing: str | None) -> None:
    """Removed between the consent and the exchange, or with another password: the code is worth nothing."""
    code = world.code(user=attrs.evolve(ALICE, standing="first"))
    kept = world.codes
    world.codes = attrs.evolve(kept, standing_of=lambda sub: standing if sub == ALICE.sub else "")
    assert reason_of(world.exchange(code)) is reasons.CODE_UNKNOWN
    world.codes = kept
    assert reason_of(world.exchange(code)) is reasons.CODE_UNKNOWN

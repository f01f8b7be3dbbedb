"""Clients end tokens of their own, and no others: RFC 7009, R57."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal
from mtlsd.oauth.artifacts import Artifact, Kind
from mtlsd.oauth.forms import Form
from mtlsd.oauth.introspection import IntrospectionEndpoint
from mtlsd.oauth.token_revocation import UNKNOWN, RevocationEndpoint
from mtlsd.oauth.tokens import GRANT_ID
from tests.pki import NOW
from tests.unit.oauth.tokens_world import World, clients, done

FORMATS = pytest.mark.parametrize("client_id", ["jwt", "opaque"])
DAY = timedelta(days=1)


def keep(world: World, kind: Kind, secret: str, client_id: str, grant_id: str | None) -> None:
    artifact = Artifact(kind, Artifact.key_of(secret), client_id, grant_id, {}, NOW + DAY)
    world.artifacts.save(artifact, now=NOW)


@FORMATS
@pytest.mark.parametrize("hint", ["", "access_token", "refresh_token", "nonsense"])
def test_an_access_token(client_id: str, hint: str) -> None:
    """The hint is advisory: what it says does not matter."""
    world = World()
    token, other = world.issue(client_id), world.issue(client_id)
    gone = world.revoke(token.value, client_id, token_type_hint=hint)
    assert (gone.outcome, gone.facts["jti"]) == ("revoked", token.jti)
    assert world.ended(token.value) in ("revoked", "unknown")
    assert world.ended(other.value) is None
    assert token.value not in str(gone)


@FORMATS
def test_twice(client_id: str) -> None:
    world = World()
    token = world.issue(client_id).value
    assert world.revoke(token, client_id).outcome == "revoked"
    assert world.revoke(token, client_id).outcome in ("revoked", "unknown")
    assert world.ended(token) is not None


@FORMATS
@pytest.mark.parametrize("thief", ["pinned", "api"])
def test_another_client_s_lives_on(client_id: str, thief: str) -> None:
    world = World()
    token = world.issue(client_id)
    tried = world.revoke(token.value, thief)
    assert tried.outcome == "foreign"
    assert tried.facts == {"kind": "access_token", "jti": token.jti, "issued_to": client_id}
    assert world.ended(token.value) is None


@pytest.mark.parametrize("token", ["x", "a.b.c", "é", "." * 5000])
def test_unknown(token: str) -> None:
    assert World().revoke(token, "jwt") == UNKNOWN


def test_nothing_is_kept_of_what_has_expired() -> None:
    """Or a client could fill the store with old tokens."""
    world = World()
    token = world.issue("jwt").value
    world.artifacts.rows.clear()
    authenticated = world.authenticated("jwt")
    endpoint = RevocationEndpoint(world.tokens)
    late = endpoint.answer(authenticated, Form({"token": (token,)}), NOW + timedelta(minutes=5))
    assert done(late) == UNKNOWN
    assert world.artifacts.rows == {}


def test_what_says_so_ends_with_the_token() -> None:
    world = World()
    token = world.issue("jwt")
    world.revoke(token.value, "jwt")
    (kept,) = world.artifacts.rows.values()
    assert kept.artifact.kind == "revoked"
    assert kept.artifact.expires_at.timestamp() == token.expires_at
    assert (kept.artifact.client_id, kept.artifact.content) == (None, {})


def test_no_revoked_token_comes_to_life_with_its_client() -> None:
    """Disabled, and enabled again."""
    world = World()
    token = world.issue("jwt").value
    world.revoke(token, "jwt")
    world.artifacts.remove_client("jwt", NOW)
    world.reload(clients())
    assert world.ended(token) == "revoked"


class TestRefreshToken:
    @pytest.mark.parametrize("hint", ["", "access_token", "refresh_token"])
    def test_the_grant_goes(self, hint: str) -> None:
        """R57: with the access tokens of both formats, and with every other refresh token of it."""
        world = World()
        tokens = [world.issue(own, {GRANT_ID: "g"}) for own in ("jwt", "opaque")]
        keep(world, "refresh_token", "old", "jwt", "g")
        keep(world, "refresh_token", "new", "jwt", "g")
        gone = world.revoke("old", "jwt", token_type_hint=hint)
        assert (gone.outcome, gone.facts["grant_id"]) == ("revoked", "g")
        assert [world.ended(token.value) for token in tokens] == ["revoked", "unknown"]
        assert world.revoke("new", "jwt") == UNKNOWN

    def test_another_client_s_lives_on(self) -> None:
        world = World()
        keep(world, "refresh_token", "secret", "jwt", "g")
        assert world.revoke("secret", "opaque").outcome == "foreign"
        assert world.revoke("secret", "jwt").outcome == "revoked"

    def test_a_token_that_was_used_names_its_grant_too(self) -> None:
        world = World()
        keep(world, "refresh_token", "used", "jwt", "g")
        world.artifacts.consume("refresh_token", Artifact.key_of("used"), NOW)
        token = world.issue("jwt", {GRANT_ID: "g"}).value
        assert world.revoke("used", "jwt").outcome == "revoked"
        assert world.ended(token) == "revoked"

    def test_without_a_grant(self) -> None:
        world = World()
        keep(world, "refresh_token", "secret", "jwt", None)
        assert world.revoke("secret", "jwt").outcome == "revoked"
        assert world.revoke("secret", "jwt") == UNKNOWN

    @pytest.mark.parametrize("kind", ["code", "request_uri", "session", "interaction"])
    def test_other_secrets_are_no_tokens(self, kind: Kind) -> None:
        world = World()
        keep(world, kind, "secret", "jwt", "g")
        assert world.revoke("secret", "jwt") == UNKNOWN
        assert len(world.artifacts.rows) == 1


def refused(world: World, token: str) -> Reason:
    with pytest.raises(Refusal) as caught:
        world.revoke(token, "jwt")
    return caught.value.reason


def test_refused() -> None:
    """RFC 7009 section 2.2.1: what is ours, and ends in another way."""
    world = World()
    assert refused(world, "") is reasons.TOKEN_ABSENT
    keep(world, "registration_token", "secret", "jwt", None)
    assert refused(world, "secret") is reasons.TOKEN_TYPE_UNSUPPORTED
    signed = IntrospectionEndpoint(world.tokens, world.signer).signed(world.introspect("x"), NOW)
    assert refused(world, signed) is reasons.TOKEN_TYPE_UNSUPPORTED

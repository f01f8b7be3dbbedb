"""The refresh_token grant (R20, R25, R28, R55, R74, R81)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.errors import Reason
from mtlsd.oauth.artifacts import Artifact
from tests.pki import NOW
from tests.unit.oauth.grants_world import (
    ALICE,
    API,
    ONE,
    OTHER,
    TWO,
    GrantWorld,
    came,
    claims,
    form,
    now_of,
    public_client,
    reason_of,
    web_client,
)
from tests.unit.stores.artifacts_memory import MemoryArtifacts

WEB = web_client("web")
REST = web_client("rest")
PUBLIC = public_client("public")
DAY = timedelta(days=1)


@pytest.fixture
def world() -> GrantWorld:
    return GrantWorld((WEB, REST, PUBLIC))


class TestConfidential:
    def test_it_stays_the_same(self, world: GrantWorld) -> None:
        """R81: no rotation; 50 requests at once are as good as one."""
        token = world.refresh_token(scope=("read",), resource=API)
        for _ in range(3):
            issued = now_of(world.refresh(token))
            assert issued.refresh_token is None
            read = claims(issued)
            assert (read["sub"], read["scope"], read["aud"]) == (ALICE.sub, "read", API)

    def test_another_certificate(self, world: GrantWorld) -> None:
        """R25, R28, P32: the client is what counts; the new token is bound to its new certificate."""
        issued = now_of(world.refresh(world.refresh_token(), certificate=TWO))
        assert claims(issued)["cnf"] == {"x5t#S256": TWO.x5t_s256}

    def test_it_says_when_the_user_logged_in(self, world: GrantWorld) -> None:
        later = now_of(world.refresh(world.refresh_token(), now=NOW + DAY))
        assert claims(later)["auth_time"] == int(ALICE.auth_time.timestamp())


class TestNarrowing:
    """R55, R67"""

    def test_less(self, world: GrantWorld) -> None:
        token = world.refresh_token(scope=("read", "write"), resource=(API, OTHER))
        issued = now_of(world.refresh(token, scope="write", resource=OTHER))
        assert (claims(issued)["scope"], claims(issued)["aud"]) == ("write", OTHER)
        again = claims(now_of(world.refresh(token)))
        assert (again["scope"], again["aud"]) == ("read write", [API, OTHER])

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"scope": "read admin"}, reasons.SCOPE_INVALID),
            ({"scope": "read  write"}, reasons.SCOPE_INVALID),
            ({"resource": OTHER}, reasons.RESOURCE_INVALID),
            ({"resource": (API, OTHER)}, reasons.RESOURCE_INVALID),
        ],
    )
    def test_never_more(self, world: GrantWorld, changes: dict[str, Any], reason: Reason) -> None:
        token = world.refresh_token(scope=("read", "write"), resource=API)
        assert reason_of(world.refresh(token, **changes)) is reason

    def test_what_the_client_lost_meanwhile(self, world: GrantWorld) -> None:
        token = world.refresh_token()
        less = attrs.evolve(WEB, scope=("write",))
        issued = now_of(world.refreshing(came(less), form(refresh_token=token), NOW))
        assert claims(issued)["scope"] == "write"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"token": ""}, reasons.REFRESH_TOKEN_ABSENT),
        ({"token": "another"}, reasons.REFRESH_TOKEN_UNKNOWN),
        ({"client_id": "rest"}, reasons.REFRESH_TOKEN_UNKNOWN),
        ({"client_id": "public"}, reasons.REFRESH_TOKEN_UNKNOWN),
        ({"certificate": None}, reasons.BINDING_ABSENT),
        ({"now": NOW + 7 * DAY}, reasons.REFRESH_TOKEN_UNKNOWN),
    ],
)
def test_refused(world: GrantWorld, changes: dict[str, Any], reason: Reason) -> None:
    token = world.refresh_token()
    assert reason_of(world.refresh(**{"token": token, **changes})) is reason
    assert now_of(world.refresh(token)).token


def test_a_client_that_may_not_any_more(world: GrantWorld) -> None:
    without = attrs.evolve(WEB, grant_types=("authorization_code",))
    asked = form(refresh_token=world.refresh_token())
    assert reason_of(world.refreshing(came(without), asked, NOW)) is reasons.GRANT_UNAUTHORIZED


class TestEnd:
    """R74"""

    def test_what_is_used_lives_on_until_its_end(self, world: GrantWorld) -> None:
        token = world.refresh_token()
        for days in (6, 12, 18, 24, 29):
            assert now_of(world.refresh(token, now=NOW + days * DAY)).token
        assert reason_of(world.refresh(token, now=NOW + 30 * DAY)) is reasons.REFRESH_TOKEN_UNKNOWN

    def test_a_client_with_a_span_of_its_own(self, world: GrantWorld) -> None:
        short = GrantWorld((web_client("web", refresh_token_seconds=3600),))
        token = short.refresh_token()
        assert now_of(short.refresh(token, now=NOW + timedelta(minutes=59))).token
        late = short.refresh(token, now=NOW + timedelta(minutes=60))
        assert reason_of(late) is reasons.REFRESH_TOKEN_UNKNOWN

    def test_not_every_use_is_a_write(self, world: GrantWorld) -> None:
        token = world.refresh_token()
        artifacts = world.artifacts
        assert isinstance(artifacts, MemoryArtifacts)
        place = ("refresh_token", Artifact.key_of(token))
        before = artifacts.rows[place]  # type: ignore[index]  # a literal that widened
        assert now_of(world.refresh(token, now=NOW + timedelta(hours=1))).token
        assert artifacts.rows[place] is before  # type: ignore[index]  # as above
        assert now_of(world.refresh(token, now=NOW + DAY)).token
        assert artifacts.rows[place] is not before  # type: ignore[index]  # as above


def test_a_user_who_is_none_any_more(world: GrantWorld) -> None:
    """What the user has granted ends with the user."""
    token = world.refresh_token()
    without = attrs.evolve(world.refreshing, standing_of=lambda sub: None if sub == ALICE.sub else "")
    refused = without(came(WEB), form(refresh_token=token), NOW)
    assert reason_of(refused) is reasons.REFRESH_TOKEN_USER
    assert reason_of(world.refresh(token)) is reasons.REFRESH_TOKEN_UNKNOWN


@pytest.mark.parametrize(
    ("then", "now", "stands"),
    [
        ("first", "first", True),
        ("first", "second", False),
        ("first", None, False),
        ("first", "", True),
        ("", "first", True),
        ("", "", True),
    ],
)
@pytest.mark.parametrize("client_id", ["web", "public"])
def test_a_user_with_another_password(
    world: GrantWorld, client_id: str, then: str, now: str | None, stands: bool
) -> None:
    """What is granted stands on what the login stood on, where somebody can tell."""
    code = world.code(client_id=client_id, user=attrs.evolve(ALICE, standing=then))
    token = now_of(world.exchange(code, client_id)).refresh_token or ""
    if client_id == "public":  # what replaces it stands on the same
        token = now_of(world.refresh(token, client_id)).refresh_token or ""
    later = attrs.evolve(world.refreshing, standing_of=lambda sub: now)
    work = later(came(world.by_id(client_id)), form(refresh_token=token), NOW)
    if stands:
        assert "standing" not in claims(now_of(work))
    else:
        assert reason_of(work) is reasons.REFRESH_TOKEN_USER
        assert reason_of(world.refresh(token, client_id)) is reasons.REFRESH_TOKEN_UNKNOWN


class TestPublic:
    """R20, R74: bound to the certificate, and replaced at each use."""

    def test_rotation(self, world: GrantWorld) -> None:
        token = world.refresh_token("public")
        for _ in range(3):
            issued = now_of(world.refresh(token, "public"))
            assert issued.refresh_token not in (None, token)
            token = issued.refresh_token or ""

    def test_reuse_removes_everything(self, world: GrantWorld) -> None:
        old = world.refresh_token("public")
        issued = now_of(world.refresh(old, "public"))
        assert reason_of(world.refresh(old, "public")) is reasons.REFRESH_TOKEN_USED
        assert reason_of(world.refresh(issued.refresh_token or "", "public")) is reasons.REFRESH_TOKEN_UNKNOWN
        assert now_of(world.artifacts.grant_removed(claims(issued)["grant_id"], NOW))

    def test_another_certificate(self, world: GrantWorld) -> None:
        token = world.refresh_token("public")
        stolen = world.refresh(token, "public", TWO)
        assert reason_of(stolen) is reasons.REFRESH_TOKEN_CERTIFICATE
        assert now_of(world.refresh(token, "public", ONE)).refresh_token

    def test_the_end_does_not_move(self, world: GrantWorld) -> None:
        token = world.refresh_token("public")
        for days in (6, 12, 18, 24, 29):
            token = now_of(world.refresh(token, "public", now=NOW + days * DAY)).refresh_token or ""
        late = world.refresh(token, "public", now=NOW + 30 * DAY)
        assert reason_of(late) is reasons.REFRESH_TOKEN_UNKNOWN


def test_a_client_that_became_public(world: GrantWorld) -> None:
    """What was bound to the client is worth nothing where nobody proves to be the client."""
    token = world.refresh_token()
    opened: Client = attrs.evolve(WEB, token_endpoint_auth_method="none", subject=None)
    refused = world.refreshing(came(opened), form(refresh_token=token), NOW)
    assert reason_of(refused) is reasons.REFRESH_TOKEN_CERTIFICATE

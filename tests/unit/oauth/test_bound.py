"""Certificates that tokens are bound to, on their way into the store and back."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest

from mtlsd.config.document import TokensTable
from mtlsd.errors import Refusal
from mtlsd.judge import Standing
from mtlsd.oauth.artifacts import Artifact
from mtlsd.oauth.bound_artifacts import KEPT_FOR, RENEWED_AFTER, key_of
from mtlsd.stores.refusing import NoArtifacts
from tests.pki import NOW
from tests.unit.oauth.grants_world import now_of
from tests.unit.oauth.tokens_world import CERTIFICATES, REAL, World, clients
from tests.unit.world import LISTENER, PARTNERS, client, group


def kept(world: World) -> list[Artifact]:
    return [found.artifact for (kind, _), found in world.artifacts.rows.items() if kind == "certificate"]


def test_each_is_kept_once() -> None:
    """And pinned ones, which nobody revokes, not at all."""
    world = World()
    for _ in range(3):
        for client_id in ("jwt", "opaque", "pinned"):
            world.issue(client_id)
    assert world.keep() == 1
    [artifact] = kept(world)
    token = world.issue("jwt")
    assert artifact.key == key_of(token.x5t_s256 or "")
    assert (artifact.client_id, artifact.expires_at) == (None, NOW + KEPT_FOR)
    assert world.keep() == 0


def test_it_is_kept_as_long_as_tokens_are_bound_to_it() -> None:
    world = World()
    world.issue("jwt")
    world.keep()
    later = NOW + RENEWED_AFTER + timedelta(seconds=1)
    assert world.keep(later) == 0, "nobody came since"
    world.issue("jwt")
    assert world.keep(later) == 1
    assert [own.expires_at for own in kept(world)] == [later + KEPT_FOR]


def test_no_token_lives_longer() -> None:
    """The longest that an operator can have them live."""
    longest = 86_400
    assert "86400" in str(TokensTable.__annotations__["access_token_seconds"]).replace("_", "")
    assert RENEWED_AFTER + timedelta(seconds=longest) + timedelta(hours=1) < KEPT_FOR


def test_a_reload_writes_nothing() -> None:
    world = World()
    world.issue("jwt")
    world.keep()
    world.reload([own.client for own in world.snapshot.clients.registrations.values()])
    world.issue("jwt")
    assert world.keep() == 0


def test_what_the_store_does_not_take_is_tried_again() -> None:
    world = World()
    world.issue("jwt")
    with pytest.raises(Refusal, match=r"store\.unavailable"):
        now_of(world.bound.keep(NoArtifacts(), NOW, 10))
    assert world.keep() == 1


class TestRestart:
    """What was kept is judged again, by what is known and configured now."""

    def test_a_revoked_certificate(self) -> None:
        world = World()
        token = world.issue("jwt").value
        assert world.keep() == 1
        world.bound = type(world.bound)()
        assert world.ended(token) is None
        world.known.learn(PARTNERS, "revoked")
        assert world.ended(token) == "certificate"
        world.bound = type(world.bound)()
        assert world.ended(token) == "certificate"

    def test_what_is_configured_has_changed_while_it_was_down(self) -> None:
        for registered, groups in (
            (clients(jwt=client("jwt", tls_client_auth_san_dns="other.example")), ()),
            (clients(), (group(PARTNERS, [REAL.ca("Other Root", None).der]),)),
        ):
            world = World()
            token = world.issue("jwt").value
            world.keep()
            world.bound = type(world.bound)()
            world.reload(registered, *groups)
            assert world.ended(token) == "certificate"

    def test_its_revocation_lists_are_in_use_again(self) -> None:
        world = World()
        token = world.issue("jwt").value
        world.keep()
        noticed: list[Standing] = []
        world.bound = type(world.bound)(noticed=noticed.append)
        assert world.ended(token) is None
        assert [own.certificate.der for own in noticed] == [CERTIFICATES["jwt"].leaf]
        assert world.bound.issuers.above(noticed[0].certificate) == CERTIFICATES["jwt"].chain

    def test_what_is_in_the_store_is_not_trusted(self) -> None:
        """Whoever could write there; or two thumbprints that are mixed up."""
        world = World()
        issued = world.issue("jwt")
        assert issued.x5t_s256 is not None
        for first in (CERTIFICATES["opaque"].leaf, b"garbage"):
            content = {"certificates": [base64.b64encode(first).decode()], "listener": LISTENER}
            key = key_of(issued.x5t_s256)
            world.artifacts.save(Artifact("certificate", key, None, None, content, NOW + KEPT_FOR), now=NOW)
            world.bound = type(world.bound)()
            assert world.ended(issued.value) is None
            assert not world.bound.knows(issued.x5t_s256)

"""Anybody can push requests of public clients: how many, and what that does to others."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.oauth.artifacts import Artifact
from mtlsd.oauth.authorization import ANSWERED_WITHIN, AuthorizationPolicy
from mtlsd.oauth.public_pushes import PublicPushes
from mtlsd.oauth.pushed import Pushed, PushedAuthorizationEndpoint
from tests.pki import NOW
from tests.unit.oauth.grants_world import (
    ISSUER,
    AuthorizationWorld,
    came,
    now_of,
    public_client,
    web_client,
)

POLICY = AuthorizationPolicy(ISSUER)
CLIENTS = {own.client_id: own for own in (public_client("native"), public_client("other"), web_client("web"))}
HERE, THERE = "192.0.2.1", "198.51.100.1"


@attrs.define
class World:
    """Requests are pushed at some time from some address."""

    policy: AuthorizationPolicy = POLICY
    seconds: float = 0.0
    within: AuthorizationWorld = attrs.field(init=False)
    pushing: PushedAuthorizationEndpoint = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.within = AuthorizationWorld(tuple(CLIENTS.values()), self.policy)
        self.pushing = PushedAuthorizationEndpoint(self.within.endpoint, PublicPushes())

    def push(self, address: str = HERE, client_id: str = "native", **changes: str | None) -> Pushed:
        asked, now = self.within.asking(client_id, **changes), NOW + timedelta(seconds=self.seconds)
        return now_of(self.pushing.answer(came(CLIENTS[client_id]), asked, now, address))

    def refused(self, address: str = HERE, client_id: str = "native") -> object:
        """How long to wait."""
        with pytest.raises(Refusal) as refused:
            self.push(address, client_id)
        assert refused.value.reason is reasons.PUSH_THROTTLED
        return refused.value.facts["retry_after_seconds"]


def test_one_address() -> None:
    world = World(attrs.evolve(POLICY, public_per_address_per_hour=60))
    for _ in range(60):
        world.push()
    for address in (HERE, f"::ffff:{HERE}"):
        assert world.refused(address) == 61
    assert world.refused(client_id="other") == 61
    world.push(THERE)
    world.push(client_id="web")  # which has proven who it is
    world.seconds = 60
    world.push()
    world.refused()


def test_an_address_that_is_not_known_is_one() -> None:
    world = World(attrs.evolve(POLICY, public_per_address_per_hour=1))
    world.push("")
    world.refused("")


def test_what_is_refused_counts_for_the_address_alone() -> None:
    """It is work, and nothing is kept of it."""
    world = World(attrs.evolve(POLICY, public_per_address_per_hour=2, public_per_hour=1))
    with pytest.raises(Refusal, match=r"pkce\.absent"):
        world.push(code_challenge=None, code_challenge_method=None)
    world.push()
    world.refused()
    world.refused(THERE)
    world.push(THERE, "other")


def test_nothing_is_pushed_out() -> None:
    """However many come, from wherever: what was pushed first can be answered as long as it is kept."""
    world = World()
    first = world.push()
    lives = POLICY.request_uri_lifetime + ANSWERED_WITHIN
    pushed = 0
    for second in range(0, int(lives.total_seconds()), 10):
        world.seconds = second
        for number in range(4000 if second == 0 else 20):
            try:
                world.push(f"2001:db8:{second:x}:{number:x}::1")
                pushed += 1
            except Refusal:
                break
    assert 3500 < pushed < 5000
    key, just_before = Artifact.key_of(first.request_uri), NOW + lives - timedelta(seconds=1)
    assert now_of(world.within.artifacts.find("request_uri", key, just_before)) is not None

"""Tokens are checked where they were issued: R16 to R18, R24, R66, and what the store and lists know."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from mtlsd.errors import Refusal
from mtlsd.judge import PresentedCertificate
from mtlsd.oauth.bound import BoundCertificates
from mtlsd.resource_server.issued import verify_issued
from mtlsd.resource_server.values import RefusedToken, TokenRules, Verdict, VerifiedToken
from mtlsd.stores.refusing import NoArtifacts
from tests.pki import DNS, NOW
from tests.unit.oauth.tokens_world import CERTIFICATES, ISSUER, LEDGER, REAL, World, clients, done, thumbprint
from tests.unit.world import LISTENER, PARTNERS, client

FORMATS = pytest.mark.parametrize("client_id", ["jwt", "opaque"])
RULES = TokenRules(ISSUER, ISSUER)


def presented(name: str) -> PresentedCertificate:
    own = CERTIFICATES[name]
    return PresentedCertificate(own.leaf, tuple(own.chain), LISTENER, "forwarded")


def verdict(
    world: World,
    token: str,
    over: str | None,
    rules: TokenRules = RULES,
    after: timedelta = timedelta(0),
    scope: tuple[str, ...] = (),
) -> Verdict:
    certificate = None if over is None else presented(over)
    return done(verify_issued(world.tokens, token, certificate, rules, NOW + after, scope))


def why(found: Verdict) -> str:
    assert isinstance(found, RefusedToken)
    assert found.trace[-1].reason == found.refusal.reason.code
    assert [check.outcome for check in found.trace[:-1]] == ["passed"] * (len(found.trace) - 1)
    return found.refusal.reason.code


@FORMATS
def test_a_good_one(client_id: str) -> None:
    world = World()
    found = verdict(world, world.issue(client_id).value, client_id, scope=("read",))
    assert isinstance(found, VerifiedToken)
    assert (found.client_id, found.subject, found.scope) == (client_id, client_id, ("read",))
    assert found.x5t_s256 == thumbprint(client_id)
    names = [check.name for check in found.trace]
    assert names[:5] == ["issued", "end", "client", "bound certificate", "revocation"]
    assert {"iss", "aud", "exp", "scope"} < set(names)


@FORMATS
def test_another_certificate_and_none(client_id: str) -> None:
    world = World()
    token = world.issue(client_id).value
    assert why(verdict(world, token, "pinned")) == "access_token.certificate_mismatch"
    assert why(verdict(world, token, None)) == "access_token.certificate_absent"


@FORMATS
def test_the_facts_name_whose_token_it_is(client_id: str) -> None:
    world = World()
    issued = world.issue(client_id)
    found = verdict(world, issued.value, "pinned")
    assert isinstance(found, RefusedToken)
    assert (found.facts["client_id"], found.facts["jti"]) == (client_id, issued.jti)
    assert issued.value not in repr(found)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "....", "\N{SNOWMAN}", "a" * 20_000])
def test_what_nobody_has_issued(token: str) -> None:
    found = verdict(World(), token, "jwt")
    assert why(found) == "access_token.unknown"
    assert isinstance(found, RefusedToken)
    assert found.facts == {}


def test_one_of_another_server() -> None:
    assert why(verdict(World(), World().issue("jwt").value, "jwt")) == "access_token.unknown"


def test_one_of_another_issuer_by_the_same_key() -> None:
    world = World()
    token = world.issue("jwt", issuer="https://other.example.com").value
    assert why(verdict(world, token, "jwt")) == "access_token.unknown"


@FORMATS
def test_for_whom_and_for_what(client_id: str) -> None:
    world = World()
    token = world.issue(client_id).value
    elsewhere = attrs.evolve(RULES, audiences=LEDGER)
    assert why(verdict(world, token, client_id, elsewhere)) == "access_token.audience"
    found = verdict(world, token, client_id, scope=("read", "write"))
    assert why(found) == "access_token.scope"
    assert isinstance(found, RefusedToken)
    assert found.scope == ("read", "write")


def test_expired() -> None:
    world = World()
    token = world.issue("jwt").value
    assert why(verdict(world, token, "jwt", after=timedelta(minutes=5))) == "access_token.expired"
    opaque = world.issue("opaque").value
    assert why(verdict(world, opaque, "opaque", after=timedelta(minutes=5))) == "access_token.unknown"


@FORMATS
def test_revoked(client_id: str) -> None:
    world = World()
    token = world.issue(client_id).value
    world.revoke(token, client_id)
    expected = "access_token.revoked" if client_id == "jwt" else "access_token.unknown"
    assert why(verdict(world, token, client_id)) == expected


def test_a_client_that_is_disabled_or_gone() -> None:
    world = World()
    token = world.issue("jwt").value
    for now in (None, client("jwt", tls_client_auth_san_dns=DNS, disabled=True)):
        world.reload(clients(jwt=now))
        assert why(verdict(world, token, "jwt")) == "access_token.client"


def test_a_pin_that_was_replaced() -> None:
    world = World()
    token = world.issue("opaque").value
    world.reload(clients(opaque=client("opaque", [REAL.self_signed("new").leaf])))
    assert why(verdict(world, token, "opaque")) == "access_token.client"


def test_a_certificate_that_was_revoked() -> None:
    world = World()
    token = world.issue("jwt").value
    world.known.learn(PARTNERS, "revoked")
    assert why(verdict(world, token, "jwt")) == "access_token.certificate"


def test_it_is_found_out_after_a_restart_too() -> None:
    """Nobody got a token with it since; it is here once more, and can be looked at."""
    world = World()
    token = world.issue("jwt").value
    world.bound = BoundCertificates()
    world.known.learn(PARTNERS, "revoked")
    assert why(verdict(world, token, None)) == "access_token.certificate_absent"
    assert why(verdict(world, token, "jwt")) == "access_token.certificate"


def test_strangers_fill_no_memory() -> None:
    world = World()
    token = world.issue("jwt").value
    world.bound = BoundCertificates()
    for name in ("pinned", "opaque", "api"):
        assert why(verdict(world, token, name)) == "access_token.certificate_mismatch"
        assert not world.bound.knows(thumbprint(name))


def test_a_token_that_is_bound_to_nothing() -> None:
    """No bearer fallback, whatever is presented."""
    unbound = client(
        "pinned", [CERTIFICATES["pinned"].leaf], tls_client_certificate_bound_access_tokens=False
    )
    world = World()
    world.reload(clients(pinned=unbound))
    token = world.issue("pinned").value
    for over in ("pinned", "jwt", None):
        assert why(verdict(world, token, over)) == "access_token.unbound"


def test_a_store_that_cannot_be_asked() -> None:
    """Nobody passes, and it is not the token's fault."""
    world = World()
    tokens = attrs.evolve(world.tokens, artifacts=NoArtifacts())
    for token in (world.issue("jwt").value, world.issue("opaque").value):
        with pytest.raises(Refusal):
            done(verify_issued(tokens, token, presented("jwt"), RULES, NOW))

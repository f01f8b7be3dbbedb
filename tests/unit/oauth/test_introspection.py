"""Introspection: RFC 7662, RFC 9701, R18, R58."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import attrs
import jwt
import pytest

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal
from mtlsd.jose import b64
from mtlsd.oauth.introspection import IntrospectionEndpoint
from mtlsd.oauth.tokens import GRANT_ID
from tests.pki import DNS, NOW
from tests.unit.oauth.tokens_world import (
    CERTIFICATES,
    ISSUER,
    LEDGER,
    REAL,
    World,
    clients,
    fresh_signer,
    thumbprint,
)
from tests.unit.world import PARTNERS, client, group

FORMATS = pytest.mark.parametrize("client_id", ["jwt", "opaque"])
INACTIVE = {"active": False}


@FORMATS
def test_active(client_id: str) -> None:
    """R18: the same for both formats."""
    world = World()
    token = world.issue(client_id)
    at = int(NOW.timestamp())
    assert world.introspect(token.value).document == {
        "active": True,
        "iss": ISSUER,
        "sub": client_id,
        "client_id": client_id,
        "aud": ISSUER,
        "scope": "read",
        "cnf": {"x5t#S256": thumbprint(client_id)},
        "iat": at,
        "exp": at + 300,
        "jti": token.jti,
        "token_type": "Bearer",
    }


def test_an_opaque_token_says_nothing_by_itself() -> None:
    world = World()
    token = world.issue("opaque")
    assert "." not in token.value
    (kept,) = world.artifacts.rows.values()
    assert token.value not in repr(kept) + kept.artifact.encoded
    assert token.value not in repr(token)


@FORMATS
def test_its_time_is_over(client_id: str) -> None:
    world = World()
    token = world.issue(client_id).value
    assert world.ended(token, after=timedelta(seconds=299)) is None
    assert world.ended(token, after=timedelta(seconds=300)) in ("expired", "unknown")


@pytest.mark.parametrize("token", ["x", "a.b.c", ".", "..", "é" * 100, "eyJhbGciOiJub25lIn0.e30."])
def test_unknown(token: str) -> None:
    assert World().ended(token) == "unknown"


@FORMATS
def test_for_other_resource_servers(client_id: str) -> None:
    """R58: a token of A's is nothing to B."""
    world = World()
    assert world.ended(world.issue(client_id).value, by="ledger") == "audience"


def test_one_audience_of_several_is_enough() -> None:
    world = World()
    token = world.issue("jwt", resources=(LEDGER, ISSUER)).value
    assert (world.ended(token), world.ended(token, by="ledger")) == (None, None)


@pytest.mark.parametrize(
    ("by", "how", "reason"),
    [
        ("jwt", {}, reasons.INTROSPECTION_UNAUTHORIZED),
        ("api", {"token": ""}, reasons.TOKEN_ABSENT),
        ("api", {"seen": "short"}, reasons.THUMBPRINT_MALFORMED),
        ("api", {"seen": "A" * 43 + "="}, reasons.THUMBPRINT_MALFORMED),
    ],
)
def test_refused(by: str, how: dict[str, str], reason: Reason) -> None:
    world = World()
    with pytest.raises(Refusal) as caught:
        world.introspect(how.get("token", world.issue("jwt").value), by, seen=how.get("seen", ""))
    assert caught.value.reason is reason


class TestForgeries:
    """Nothing but a token that this issuer has made, by a key of its own, as an access token."""

    def test_another_key(self) -> None:
        world = World()
        forged = attrs.evolve(world.signer, private_key=fresh_signer().private_key)
        with_another = World(signer=forged)
        assert world.ended(with_another.issue("jwt").value) == "unknown"

    def test_another_issuer_with_the_same_key(self) -> None:
        world = World()
        token = world.issue("jwt", issuer="https://other.example").value
        assert world.ended(token) == "unknown"

    @pytest.mark.parametrize("alg", ["none", "HS256", "ES384"])
    def test_another_algorithm(self, alg: str) -> None:
        world = World()
        header, payload, signature = world.issue("jwt").value.split(".")
        changed = {**json.loads(b64.decode(header)), "alg": alg}
        header = b64.encode_text(json.dumps(changed, separators=(",", ":")).encode())
        assert world.ended(f"{header}.{payload}.{signature}") == "unknown"
        assert world.ended(f"{header}.{payload}.") == "unknown"

    def test_a_signed_answer_is_no_access_token(self) -> None:
        world = World()
        said = world.introspect(world.issue("jwt").value)
        signed = IntrospectionEndpoint(world.tokens, world.signer).signed(said, NOW)
        assert world.ended(signed) == "unknown"

    def test_the_name_of_an_artifact_is_no_token(self) -> None:
        """Whoever reads the store has no tokens."""
        world = World()
        world.issue("opaque")
        ((_, key),) = world.artifacts.rows
        assert world.ended(key.hex()) == "unknown"
        assert world.ended(b64.encode_text(key)) == "unknown"


class TestThumbprint:
    """The certificate that the resource server saw."""

    @FORMATS
    def test_the_same(self, client_id: str) -> None:
        world = World()
        token = world.issue(client_id).value
        said = world.introspect(token, seen=thumbprint(client_id))
        assert (said.document["active"], said.document["cnf_matches"]) == (True, True)

    @FORMATS
    def test_another(self, client_id: str) -> None:
        world = World()
        token = world.issue(client_id).value
        said = world.introspect(token, seen=thumbprint("api"))
        assert said.document == {"active": False, "cnf_matches": False}
        assert said.facts["inactive"] == "thumbprint"

    def test_a_token_without_binding_matches_none(self) -> None:
        world = World()
        bearer = client("jwt", tls_client_auth_san_dns=DNS, tls_client_certificate_bound_access_tokens=False)
        world.reload(clients(jwt=bearer))
        token = world.issue("jwt")
        assert token.x5t_s256 is None
        assert world.ended(token.value) is None
        said = world.introspect(token.value, seen=thumbprint("jwt"))
        assert said.document == {"active": False, "cnf_matches": False}

    def test_nothing_is_told_of_what_is_not_the_caller_s(self) -> None:
        world = World()
        token = world.issue("jwt").value
        said = world.introspect(token, by="ledger", seen=thumbprint("jwt"))
        assert said.document == INACTIVE


class TestWhatBecameOfTheClient:
    @FORMATS
    def test_gone(self, client_id: str) -> None:
        world = World()
        token = world.issue(client_id).value
        world.reload(clients(**{client_id: None}))
        assert world.ended(token) == "client"

    @FORMATS
    def test_disabled(self, client_id: str) -> None:
        world = World()
        token = world.issue(client_id).value
        own = world.snapshot.clients.by_id(client_id)
        assert own is not None
        world.reload(clients(**{client_id: attrs.evolve(own, disabled=True)}))
        assert world.ended(token) == "client"

    def test_its_pin_was_removed(self) -> None:
        """Also where the certificate itself is not remembered."""
        world = World()
        tokens = world.issue("opaque").value, world.issue("pinned").value
        others = [REAL.self_signed("another"), REAL.self_signed("yet another")]
        world.reload(
            clients(
                opaque=client("opaque", [others[0].leaf], access_token_format="opaque"),
                pinned=client("pinned", [others[1].leaf]),
            )
        )
        for remembered in (world.bound, type(world.bound)()):
            world.bound = remembered
            assert [world.ended(token) for token in tokens] == ["client", "client"]

    def test_its_pin_is_another_client_s_now(self) -> None:
        world = World()
        token = world.issue("pinned").value
        taken = client("opaque", [CERTIFICATES["pinned"].leaf])
        world.reload(clients(opaque=taken, pinned=client("pinned", [CERTIFICATES["opaque"].leaf])))
        assert world.ended(token) == "client"

    def test_it_has_another_name(self) -> None:
        world = World()
        token = world.issue("jwt").value
        world.reload(clients(jwt=client("jwt", tls_client_auth_san_dns="other.example")))
        assert world.ended(token) == "certificate"

    def test_nobody_vouches_for_it_any_more(self) -> None:
        world = World()
        token = world.issue("jwt").value
        world.reload(clients(), group(PARTNERS, [REAL.ca("Other Root", None).der]))
        assert world.ended(token) == "certificate"

    def test_a_reload_that_changes_nothing(self) -> None:
        world = World()
        token = world.issue("jwt").value
        world.reload(clients())
        assert world.ended(token) is None


class TestRevokedCertificate:
    """It reaches the tokens."""

    def test_known_to_be_revoked(self) -> None:
        world = World()
        token = world.issue("jwt").value
        assert world.ended(token) is None
        world.known.learn(PARTNERS, "revoked")
        assert world.ended(token) == "certificate"

    def test_after_a_reload_too(self) -> None:
        world = World()
        token = world.issue("jwt").value
        world.reload(clients())
        world.known.learn(PARTNERS, "revoked")
        assert world.ended(token) == "certificate"

    def test_good_again(self) -> None:
        """A responder may have erred, and certificateHold ends."""
        world = World()
        token = world.issue("jwt").value
        for status, ended in (("revoked", "certificate"), ("good", None), ("revoked", "certificate")):
            world.known.learn(PARTNERS, status)  # type: ignore[arg-type]  # the loop's strings are of that type
            assert world.ended(token) == ended

    def test_nobody_can_tell(self) -> None:
        world = World()
        token = world.issue("jwt").value
        world.known.answers.clear()
        world.known.version += 1
        assert world.ended(token) is None

    def test_a_certificate_that_nobody_remembers(self) -> None:
        """It was killed before the certificate was kept: a matter of seconds."""
        world = World()
        token = world.issue("jwt").value
        world.bound = type(world.bound)()
        world.known.learn(PARTNERS, "revoked")
        assert world.ended(token) is None

    def test_only_a_revocation_counts_for_who_comes_with_any_certificate(self) -> None:
        """A public client's certificate may be anybody's; another client's, that is gone, among them."""
        world = World()
        x5t_s256 = world.issue("jwt").x5t_s256
        assert x5t_s256 is not None
        own = world.snapshot.clients.by_id("jwt")
        assert own is not None
        public = attrs.evolve(own, client_id="public", token_endpoint_auth_method="none")
        world.reload(clients(jwt=None))
        assert world.bound.refusal(x5t_s256, public, world.judge, NOW) is None
        world.reload(clients())
        world.known.learn(PARTNERS, "revoked")
        refusal = world.bound.refusal(x5t_s256, public, world.judge, NOW)
        assert refusal is not None
        assert refusal.reason is reasons.REVOCATION_REVOKED

    def test_what_is_remembered_is_bounded(self) -> None:
        world = World()
        world.bound.max_entries = 2
        for client_id in ("jwt", "opaque", "pinned", "opaque", "jwt"):
            world.issue(client_id)
        assert len(world.bound._known) == 2


def test_the_grant_was_removed() -> None:
    """What came from one authorization ends with it."""
    world = World()
    tokens = [world.issue(client_id, {GRANT_ID: "g", "sub": "alice"}) for client_id in ("jwt", "opaque")]
    said = world.introspect(tokens[0].value)
    assert said.document["sub"] == "alice"
    assert GRANT_ID not in said.document
    world.artifacts.remove_grant("g", NOW)
    assert [world.ended(token.value) for token in tokens] == ["revoked", "unknown"]


def test_signed_answer() -> None:
    """RFC 9701 section 5: of its own type, for the caller alone, and without what could make it a token."""
    world = World()
    for said in (world.introspect(world.issue("jwt").value), world.introspect("nothing")):
        signed = IntrospectionEndpoint(world.tokens, world.signer).signed(said, NOW)
        assert jwt.get_unverified_header(signed)["typ"] == "token-introspection+jwt"
        options: Any = {"verify_iat": False}
        read = jwt.decode(
            signed,
            world.signer.public_key,
            algorithms=["ES256"],
            audience="api",
            issuer=ISSUER,
            options=options,
        )
        assert read.keys() == {"iss", "aud", "iat", "token_introspection"}
        assert read["token_introspection"] == said.document


def test_the_audit_log_has_no_token() -> None:
    world = World()
    token = world.issue("opaque")
    facts = world.introspect(token.value).facts
    assert token.value not in str(facts)
    assert facts == {
        "active": True,
        "inactive": None,
        "jti": token.jti,
        "issued_to": "opaque",
        "audience": (ISSUER,),
        "bound_to": thumbprint("opaque"),
    }

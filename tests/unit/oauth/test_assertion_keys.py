"""Whose assertion it is, and that it serves once (R81)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import pytest

from mtlsd import reasons
from mtlsd.jose.verification import VerificationKey
from tests.pki import NOW
from tests.unit.jose.keys import private_key
from tests.unit.oauth.signing import AT, KINDS, World, claims, index, jwk, secretive, signed, signing
from tests.unit.oauth.test_assertion import ASSERTION, CLIENTS, NO_KEY, accepts, refused


class TestKeys:
    """Which key is meant"""

    def test_the_kid_chooses(self) -> None:
        clients = index([signing("a", jwk("P-256", kid="old"), jwk("P-256", 1, kid="P-256"))])
        assert refused(signed("a"), World(clients)) is ASSERTION
        assert accepts(signed("a", header={"kid": "old"}), World(clients)) == "a"

    def test_a_kid_that_nobody_has(self) -> None:
        assert refused(signed("a", header={"kid": "RSA-2048"})) is NO_KEY
        assert refused(signed("a", header={"kid": "../../etc/passwd"})) is NO_KEY

    def test_without_kid_there_must_be_one_key(self) -> None:
        without: Any = private_key("P-256")
        text = jwt.encode(claims("a"), without, algorithm="ES256")
        assert accepts(text, World(index([signing("a", jwk("P-256", kid="x"), jwk("RSA-2048"))]))) == "a"
        two = World(index([signing("a", jwk("P-256"), jwk("P-256", 1))]))
        assert refused(text, two) is NO_KEY

    def test_a_key_without_kid_takes_any(self) -> None:
        assert accepts(signed("a"), World(index([signing("a", jwk("P-256"))]))) == "a"

    def test_the_registered_algorithm(self) -> None:
        world = World(index([signing("a", jwk("RSA-2048"), token_endpoint_auth_signing_alg="PS256")]))
        assert accepts(signed("a", "PS256"), world) == "a"
        assert refused(signed("a", "RS256", jti="2"), world) is NO_KEY
        world = World(index([signing("a", jwk("RSA-2048", alg="PS256"))]))
        assert refused(signed("a", "RS256"), world) is NO_KEY


class TestReplay:
    def test_once(self) -> None:
        world, text = World(CLIENTS), signed("a")
        assert accepts(text, world) == "a"
        assert refused(text, world) is reasons.CLIENT_ASSERTION_REPLAYED
        again = signed("a", "PS256", exp=AT + 90)
        assert refused(again, world) is reasons.CLIENT_ASSERTION_REPLAYED

    def test_the_jti_of_one_client_is_no_other_clients(self) -> None:
        world = World(CLIENTS)
        assert accepts(signed("a", jti="same"), world) == "a"
        assert accepts(signed("b", jti="same"), world) == "b"

    def test_until_it_expires(self) -> None:
        world, text = World(CLIENTS), signed("a")
        assert accepts(text, world) == "a"
        almost = NOW.replace(microsecond=0) + timedelta(seconds=59, microseconds=999_999)
        assert refused(text, world, now=almost) is reasons.CLIENT_ASSERTION_REPLAYED
        assert refused(text, world, now=NOW + timedelta(seconds=60)) is ASSERTION

    def test_what_is_refused_uses_nothing_up(self) -> None:
        """Nobody but the client can spend its jti."""
        world = World(CLIENTS)
        header, body, _ = signed("a").split(".")
        assert refused(f"{header}.{body}.AAAA", world) is ASSERTION
        assert refused(signed("a", aud="https://other.example"), world) is ASSERTION
        assert accepts(signed("a"), world) == "a"


class TestWhoItIs:
    def test_unknown_and_others_look_alike(self) -> None:
        """Which reason it is only the operator sees."""
        assert refused(signed("nobody")) is reasons.CLIENT_UNKNOWN
        assert refused(signed("old")) is reasons.CLIENT_METHOD

    def test_disabled(self) -> None:
        world = World(index([signing("a", disabled=True)]))
        assert refused(signed("a"), world) is reasons.CLIENT_DISABLED

    def test_where_nobody_has_a_key(self) -> None:
        assert refused(signed("old"), World(index([secretive("old")]))) is reasons.CLIENT_METHOD

    def test_an_unknown_client_costs_as_much(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One signature is verified for each, whether there is a key or not."""
        tried: list[str] = []
        verifies = VerificationKey.verifies

        def counting(self: VerificationKey, alg: str, data: bytes, signature: bytes) -> bool:
            tried.append(alg)
            return verifies(self, alg, data, signature)

        monkeypatch.setattr(VerificationKey, "verifies", counting)
        for alg in KINDS:
            for client_id, kid in (("a", None), ("a", "no"), ("nobody", None), ("old", None)):
                header = {} if kid is None else {"kid": kid}
                tried.clear()
                refused(signed(client_id, alg, header=header, aud="x"))
                assert tried == [alg]

"""The states of the keys, as the keyring's table tells them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from mtlsd.jose.keyring import Keyring, RetiringKey, SigningKey
from tests.unit.jose.keys import NOW, signer, signing_key

HOUR = timedelta(hours=1)
A, B, C, D = (signing_key(number) for number in range(4))


def published(keyring: Keyring, now: datetime = NOW) -> list[str]:
    return [jwk["kid"] for jwk in keyring.jwks(now)["keys"]]


def test_rotation() -> None:
    rotated = Keyring(next=B, active=A).rotate(NOW, C, HOUR)
    assert rotated == Keyring(next=C, active=B, retiring=(RetiringKey(A, NOW + HOUR),))
    assert rotated.signer is B.signer
    again = rotated.rotate(NOW + HOUR / 2, D, HOUR)
    assert again == Keyring(D, C, (RetiringKey(B, NOW + 1.5 * HOUR), RetiringKey(A, NOW + HOUR)))


def test_expired_keys_are_dropped() -> None:
    rotated = Keyring(next=B, active=A).rotate(NOW, C, HOUR)
    assert rotated.without_expired(NOW + HOUR - timedelta(microseconds=1)) is rotated
    assert rotated.without_expired(NOW + HOUR) == Keyring(C, B)
    assert rotated.rotate(NOW + HOUR, D, HOUR).retiring == (RetiringKey(B, NOW + 2 * HOUR),)


def test_jwks() -> None:
    """All that verify or will verify, until they no more do; the active one first."""
    rotated = Keyring(next=B, active=A).rotate(NOW, C, HOUR)
    assert published(rotated) == [B.kid, C.kid, A.kid]
    assert published(rotated, NOW + HOUR) == [B.kid, C.kid]


def test_only_public_members() -> None:
    keyring = Keyring(signing_key(0, "RS256"), signing_key(0, "EdDSA"), (RetiringKey(A, NOW + HOUR),))
    keys = keyring.jwks(NOW)["keys"]
    assert [sorted(jwk) for jwk in keys] == [
        ["alg", "crv", "kid", "kty", "use", "x"],
        ["alg", "e", "kid", "kty", "n", "use"],
        ["alg", "crv", "kid", "kty", "use", "x", "y"],
    ]
    assert {jwk["use"] for jwk in keys} == {"sig"}
    assert [jwk["alg"] for jwk in keys] == ["EdDSA", "RS256", "ES256"]
    json.dumps(keys)


def test_replacements() -> None:
    keyring = Keyring(next=B, active=A)
    assert keyring.replace_active(NOW, C, HOUR) == Keyring(B, C, (RetiringKey(A, NOW + HOUR),))
    assert keyring.replace_next(C) == Keyring(C, A)


def test_another_algorithm() -> None:
    """It comes as next, and signs after a rotation."""
    keyring = Keyring(B, A).replace_next(signing_key(0, "EdDSA"))
    assert keyring.signer.alg == "ES256"
    assert keyring.rotate(NOW, C, HOUR).signer.alg == "EdDSA"


def test_one_key_twice() -> None:
    with pytest.raises(ValueError, match="twice"):
        Keyring(A, A)
    with pytest.raises(ValueError, match="twice"):
        Keyring(A, B, (RetiringKey(A, NOW),))
    with pytest.raises(ValueError, match="twice"):
        Keyring(B, A).rotate(NOW, A, HOUR)


def test_instants_and_spans() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        SigningKey(signer("ES256"), NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="no time zone"):
        RetiringKey(A, NOW.replace(tzinfo=None))
    with pytest.raises(ValueError, match="negative"):
        Keyring(B, A).rotate(NOW, C, -HOUR)


def test_nobody_sees_a_key() -> None:
    assert "private" not in repr(Keyring(B, A)).lower()

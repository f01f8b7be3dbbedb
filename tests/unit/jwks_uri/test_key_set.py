"""What is read from a client's JWK Set: R12, R13, P38."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.jose.jwk import jwk_of_certificate
from mtlsd.jwks_uri.key_set import MOST_CERTIFICATES, MOST_KEYS, KeySet
from tests.pki import Pki
from tests.unit.jwks_uri.world import body
from tests.unit.stores.values import certificate

ONE, TWO = certificate("one"), certificate("two")


def read(*keys: object) -> KeySet:
    return KeySet.from_json(json.dumps({"keys": keys}).encode("ascii"))


def test_certificates_once_each() -> None:
    found = KeySet.from_json(body("one", "two", "one"))
    assert (found.certificates, found.skipped) == ((ONE, TWO), ())


def test_keys_for_other_purposes_are_passed_over() -> None:
    without = {name: value for name, value in jwk_of_certificate(TWO).items() if name != "x5c"}
    found = read(without, jwk_of_certificate(ONE))
    assert (found.certificates, found.skipped) == ((ONE,), ())
    assert read() == KeySet(())


def test_keys_that_verify_signatures() -> None:
    """RFC 7523: the same set may serve clients that are known by keys."""
    without = {name: value for name, value in jwk_of_certificate(TWO).items() if name != "x5c"}
    found = read({**without, "kid": "a"}, {**without, "use": "enc"}, {"kty": "EC", "crv": "P-384"})
    assert [key.kid for key in found.keys] == ["a"]
    [mistake] = found.skipped
    assert mistake.startswith("jwks.keys[2] ")


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({**jwk_of_certificate(TWO), "x5c": jwk_of_certificate(ONE)["x5c"], "kid": "b"}, 'kid "b"'),
        ({**jwk_of_certificate(TWO), "x5c": ["AAAA"]}, "x5c[0]"),
        ({**jwk_of_certificate(TWO), "d": "AAAA"}, "private key"),
        ({"kty": "oct", "k": "AAAA"}, "symmetric"),
        ("key", "not a JSON object"),
        (None, "not a JSON object"),
    ],
)
def test_one_bad_key_spoils_no_other(bad: Any, said: str) -> None:
    """P38: the JWK is skipped and told, by its place; no value of it is."""
    found = read(jwk_of_certificate(ONE), bad)
    assert found.certificates == (ONE,)
    assert len(found.skipped) == 1
    assert found.skipped[0].startswith("jwks.keys[1]")
    assert said in found.skipped[0]
    assert "AAAA" not in found.skipped[0]


def test_it_is_bounded() -> None:
    many = read(*[{"kty": "oct"}] * MOST_KEYS, jwk_of_certificate(ONE))
    assert many.certificates == ()
    assert many.skipped[-1].startswith(f"jwks has {MOST_KEYS + 1} keys")
    made = [Pki().self_signed(f"c{number}").leaf for number in range(MOST_CERTIFICATES + 1)]
    found = read(*map(jwk_of_certificate, made))
    assert found.certificates == tuple(made[:MOST_CERTIFICATES])
    assert found.skipped[-1].startswith(f"jwks has {MOST_CERTIFICATES + 1} certificates")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>",
        b"\xff{}",
        b"null",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b"[" * 100_000,
        b'{"keys":' + b"9" * 9999,
    ],
)
def test_what_is_no_key_set_is_refused(data: bytes) -> None:
    """So the last good copy stays: an error page of a server removes nobody's certificate."""
    with pytest.raises(ValueError, match="the answer is not"):
        KeySet.from_json(data)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["keys", "kty", "x5c", "kid", "crv", "n", "e", "x", "y"]), inner)
    ),
    max_leaves=12,
)


@given(st.binary(max_size=64) | _JSON.map(lambda value: json.dumps(value).encode("ascii")))
def test_anything_is_read_or_refused(data: bytes) -> None:
    try:
        found = KeySet.from_json(data)
    except ValueError:
        return
    assert found.certificates == ()


@given(st.lists(_JSON, max_size=4), st.integers(0, 4))
def test_beside_anything_a_good_key_is_found(others: list[Any], place: int) -> None:
    keys = [*others[:place], jwk_of_certificate(ONE), *others[place:]]
    assert read(*keys).certificates == (ONE,)

"""What clients register as JWK Sets (R12, R13), and how keys are told."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.jose.jwk import certificates_of_jwks, jwk_of_certificate, public_jwk, public_members, thumbprint
from tests.unit.jose.keys import certificate, private_key

KINDS = ("RSA-2048", "P-256", "P-384", "P-521", "Ed25519", "Ed448")


def jwk(kind: str = "P-256", number: int = 0, **members: object) -> dict[str, Any]:
    """A good JWK, changed; a member that is None is taken away."""
    changed = {**jwk_of_certificate(certificate(kind, number)), **members}
    return {name: value for name, value in changed.items() if value is not None}


def mistake(*keys: object) -> str:
    with pytest.raises(ValueError, match=r"^jwks\.keys") as raised:
        certificates_of_jwks({"keys": list(keys)})
    assert type(raised.value) is ValueError
    return str(raised.value)


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind: str) -> None:
    """What is written for a certificate is read as that certificate, through JSON."""
    written = json.loads(json.dumps(jwk(kind)))
    assert certificates_of_jwks({"keys": [written]}) == (certificate(kind),)


def test_several() -> None:
    """Rotation: several certificates at once, each once, in their order; other keys are passed over."""
    keys = [jwk(number=1), jwk(x5c=None), {"kty": "AKP", "pub": "AA"}, jwk(number=0), jwk(number=1)]
    assert certificates_of_jwks({"keys": keys}) == (certificate("P-256", 1), certificate("P-256", 0))


def test_only_the_first_certificate_counts() -> None:
    """R13: the others certify it."""
    chain = [*jwk(number=0)["x5c"], *jwk(number=1)["x5c"]]
    assert certificates_of_jwks({"keys": [jwk(x5c=chain)]}) == (certificate("P-256", 0),)
    assert "is another key" in mistake(jwk(x5c=chain[::-1]))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (jwk("P-256", 0, x=jwk("P-256", 1)["x"]), "another key than that of the first certificate"),
        (jwk("P-256", 0, y=jwk("P-256", 1)["y"]), "(y differ)"),
        (jwk("RSA-2048", e="Aw"), "(e differ)"),
        (jwk("P-256", crv="P-384"), "(crv differ)"),
        (jwk("Ed25519", x5c=jwk("P-256")["x5c"]), "(crv, kty, x differ)"),
        (jwk("P-256", x=None), "has no x"),
        (jwk("RSA-2048", n=None), "has no n"),
        (jwk("P-256", x=jwk("P-256")["x"] + "="), "has a member x that has padding"),
        (jwk("RSA-2048", n="AA" + jwk("RSA-2048")["n"]), "n that"),
        (jwk("P-256", x=5), "has a member x that is not a string"),
        (jwk("P-256", crv=["P-256"]), "(crv differ)"),
        (jwk("P-256", kty=None), "kty"),
        (jwk("P-256", kty="ec"), "kty"),
        (jwk("P-256", kty=["EC"]), "kty"),
        (jwk("P-256", x5c=[]), "not a list of certificates"),
        (jwk("P-256", x5c=jwk("P-256")["x5c"][0]), "not a list of certificates"),
        (jwk("P-256", x5c=[5]), "x5c[0] that is not a string"),
        (jwk("P-256", x5c=["AAAA"]), "x5c[0] that cannot be used"),
        (jwk("P-256", x5c=[*jwk("P-256")["x5c"], "AAAA"]), "x5c[1] that cannot be used"),
        ({**jwk("P-256"), "x5t#S256": jwk("P-256", 1)["x5t#S256"]}, "x5t#S256"),
        (jwk("P-256", x5c=[base64.b64encode(certificate("P-256") + b"\0").decode()]), "x5c[0] that cannot"),
        (jwk("P-256", x5c=[base64.b64encode(certificate("DSA")).decode()]), "neither RSA"),
        (jwk("P-256", x5c=[base64.b64encode(certificate("P-224")).decode()]), "neither RSA"),
        (5, "is not a JSON object"),
        (None, "is not a JSON object"),
    ],
)
def test_refuses(changed: object, message: str) -> None:
    """R13: what does not agree with itself is no registration."""
    told = mistake(jwk("P-256", 7), changed)
    assert message in told
    assert told.startswith("jwks.keys[1] ")


def test_base64url_in_x5c() -> None:
    """R13: x5c is standard base64."""
    der = next(certificate("P-256", number) for number in range(50) if b"+" in _standard(number))
    text = base64.urlsafe_b64encode(der).decode("ascii")
    assert "x5c[0] that is base64url" in mistake(jwk(x5c=[text]))


def _standard(number: int) -> bytes:
    return base64.b64encode(certificate("P-256", number))


@pytest.mark.parametrize("member", ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"])
def test_private_key(member: str) -> None:
    """A client that sends its private key is told so; the message does not have it."""
    told = mistake({**jwk("RSA-2048"), member: "c2VjcmV0"})
    assert f"has the private key in it ({member})" in told
    assert "c2VjcmV0" not in told


def test_symmetric_key() -> None:
    told = mistake({"kty": "oct", "k": "c2VjcmV0", "kid": "shared"})
    assert told.startswith('jwks.keys[0] (kid "shared") is a symmetric key')
    assert "c2VjcmV0" not in told


def test_every_mistake_at_once() -> None:
    assert mistake(5, jwk(), jwk(x=None, kid="b\n")) == (
        'jwks.keys[0] is not a JSON object; jwks.keys[2] (kid "b\\n") has no x'
    )


@pytest.mark.parametrize("jwks", [None, [], {}, {"keys": None}, {"keys": {}}, {"keys": "x"}, "keys"])
def test_no_set(jwks: object) -> None:
    with pytest.raises(ValueError, match="is not a JSON object with a list of keys"):
        certificates_of_jwks(jwks)


@pytest.mark.parametrize("keys", [[], [jwk(x5c=None)]])
def test_no_certificate(keys: list[object]) -> None:
    with pytest.raises(ValueError, match="no key with a certificate"):
        certificates_of_jwks({"keys": keys})


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
_VALUE = _JSON | st.sampled_from(
    ["EC", "RSA", "OKP", "oct", "P-256", *jwk("P-256").values(), *jwk("RSA-2048").values()]
)
_JWK = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("kty", "crv", "x", "y", "n", "e", "x5c", "x5t#S256", "kid", "d"), _VALUE)
)


def read(jwks: object) -> tuple[tuple[bytes, ...], str]:
    """The certificates, or what the ValueError says; anything else that is raised fails the test."""
    try:
        return certificates_of_jwks(jwks), ""
    except ValueError as error:
        if type(error) is not ValueError:
            raise AssertionError("another exception came through") from error
        return (), str(error)


@settings(max_examples=150)
@given(_JSON | st.fixed_dictionaries({"keys": _JSON | st.lists(_JWK, max_size=3)}))
def test_any_json(jwks: object) -> None:
    """Whatever JSON can hold: certificates, or a ValueError."""
    found, told = read(jwks)
    assert set(found) <= {certificate("P-256"), certificate("RSA-2048")}
    assert told.isprintable()


@pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
@settings(max_examples=100)
@given(
    st.integers(min_value=0, max_value=len(certificate("P-256")) - 1), st.integers(min_value=1, max_value=255)
)
def test_any_damaged_certificate(position: int, flip: int) -> None:
    der = bytearray(certificate("P-256"))
    der[position] ^= flip
    x5c = [base64.b64encode(der).decode("ascii")]
    found, told = read({"keys": [{**jwk(), "x5c": x5c, "x5t#S256": None}]})
    assert found == (() if told else (bytes(der),))


def test_public_jwk() -> None:
    public = private_key("P-256").public_key()
    assert public_jwk(public, "a", "ES256") == {
        **public_members(public),
        "use": "sig",
        "alg": "ES256",
        "kid": "a",
    }
    with pytest.raises(ValueError, match="neither RSA"):
        public_jwk(private_key("DSA").public_key(), "a", "ES256")


@pytest.mark.parametrize(
    "members", [{}, {"kty": "oct", "k": "AA"}, {"kty": "EC", "crv": "P-256"}, {"kty": 5}]
)
def test_no_thumbprint(members: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"kty|missing"):
        thumbprint(members)


@pytest.mark.parametrize("kind", KINDS)
def test_thumbprint_is_of_the_key(kind: str) -> None:
    """RFC 7638: other members do not change it, other keys do."""
    members = public_members(private_key(kind).public_key())
    assert thumbprint(members) == thumbprint({**members, "kid": "a", "use": "sig"})
    assert thumbprint(members) != thumbprint(public_members(private_key(kind, 1).public_key()))


def test_short_coordinates_keep_their_length() -> None:
    """RFC 7518 section 6.2.1.2: a coordinate has the full length of the field."""
    for number in range(300):
        public = private_key("P-256", number).public_key()
        members = public_members(public)
        assert len(members["x"]) == len(members["y"]) == 43

"""What the RFCs print, and what mtlsd makes of it."""

from __future__ import annotations

import base64
import hashlib

import pytest

from mtlsd.jose import b64
from mtlsd.jose.jwk import certificates_of_jwks, jwk_of_certificate, thumbprint

RFC8705_CERTIFICATE = base64.b64decode(
    "MIIBBjCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARtdGxzMB4XDTE4MTAxODEyMzcwOVoXDTIyMDUwMjEyMzcwOVowDzEN"
    "MAsGA1UEAwwEbXRsczBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABNcnyxwqV6hY8QnhxxzFQ03C7HKW9OylMbnQZjjJ/Au08/co"
    "ZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8wCgYIKoZIzj0EAwIDSQAwRgIhAP0RC1E+vwJD/D1AGHGzuri+hlV/PpQEKTWU"
    "VeORWz83AiEA5x2eXZOVbUlJSGQgjwD5vaUaKlLR50Q2DmFfQj1L+SY="
)
RFC8705_THUMBPRINT = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"


def test_certificate_thumbprint() -> None:
    """R33, R17: the example of RFC 8705 appendix A."""
    assert b64.encode_text(hashlib.sha256(RFC8705_CERTIFICATE).digest()) == RFC8705_THUMBPRINT
    assert jwk_of_certificate(RFC8705_CERTIFICATE)["x5t#S256"] == RFC8705_THUMBPRINT


def test_certificate_in_jwk() -> None:
    """R13: the JWK of the appendix stands for its certificate, and is what mtlsd writes for it."""
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": "1yfLHCpXqFjxCeHHHMVDTcLscpb07KUxudBmOMn8C7Q",
        "y": "8_coZwxS7LfA4vOLS9WuneIXhbGGWvsDSb0tH6IxLm8",
        "x5c": [base64.b64encode(RFC8705_CERTIFICATE).decode("ascii")],
    }
    assert certificates_of_jwks({"keys": [jwk]}) == (RFC8705_CERTIFICATE,)
    assert jwk_of_certificate(RFC8705_CERTIFICATE) == {**jwk, "x5t#S256": RFC8705_THUMBPRINT}


RFC7638_KEY = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWK"
    "RXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMic"
    "AtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3"
    "XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
RFC8037_KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


@pytest.mark.parametrize(
    ("jwk", "expected"),
    [
        (RFC7638_KEY, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),  # RFC 7638 section 3.1
        (RFC8037_KEY, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),  # RFC 8037 appendix A.3
    ],
)
def test_key_thumbprint(jwk: dict[str, str], expected: str) -> None:
    """Only the members that are the key go into it."""
    assert thumbprint(jwk) == expected

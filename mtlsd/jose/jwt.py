"""Signed JSON Web Tokens, with all that does not change prepared once (RFC 7519, RFC 9068)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Final

import attrs

from mtlsd.jose import b64
from mtlsd.jose.signer import Signer

_PER_TOKEN = frozenset({"iat", "exp", "jti"})
_encode_json: Callable[[object], str] = json.JSONEncoder(
    ensure_ascii=True, allow_nan=False, separators=(",", ":")
).encode

AT_JWT: Final = "at+jwt"
"""The `typ` of an access token (RFC 9068 section 2.1, R66)."""
INTROSPECTION_JWT: Final = "token-introspection+jwt"
"""The `typ` of a signed introspection response (RFC 9701 section 5)."""


def encoded_header(signer: Signer, typ: str) -> bytes:
    """The first part of every JWT that this signer makes of this type, encoded: always the same bytes."""
    return b64.encode(_encode_json({"alg": signer.alg, "typ": typ, "kid": signer.kid}).encode("ascii"))


def sign_jwt(claims: Mapping[str, object], signer: Signer, typ: str) -> str:
    """A JWT that nothing of is prepared, in the compact serialization (RFC 7515 section 7.1).

    :raises Refusal: ``signer.unavailable`` when the key cannot sign.
    """
    signing_input = (
        encoded_header(signer, typ) + b"." + b64.encode(_encode_json(dict(claims)).encode("ascii"))
    )
    return (signing_input + b"." + b64.encode(signer.sign(signing_input))).decode("ascii")


@attrs.frozen
class PreparedToken:
    """A JWT that lacks only ``iat``, ``exp`` and ``jti``.

    The claims that do not change are written and encoded once. base64url turns three bytes into four
    characters, so what is encoded ahead is cut at a multiple of three bytes; up to two bytes remain for the
    part that each token has of its own. Claims never pass through a format string: no value of theirs can
    change what a token says.

    :ivar signer: what signs the tokens.
    :ivar prefix: the encoded header, a dot, and the beginning of the encoded claims.
    :ivar rest: the bytes of the claims that are still to be encoded, up to and with ``"iat":``.
    """

    signer: Signer
    prefix: bytes = attrs.field(repr=False)
    rest: bytes = attrs.field(repr=False)

    @classmethod
    def from_claims(cls, claims: Mapping[str, object], signer: Signer, *, typ: str = AT_JWT) -> PreparedToken:
        """
        :param claims: the claims that do not change, as values that JSON can hold: ``iss``, ``sub``, ``aud``,
            ``client_id``, ``scope``, ``cnf`` and so on.
        :param typ: the ``typ`` of the header; an access token's where it is not given.
        :raises ValueError: when a claim is one of the three that each token has of its own, or no JSON value.
        """
        if repeated := _PER_TOKEN & claims.keys():
            raise ValueError(f"each token has its own {', '.join(sorted(repeated))}")
        try:
            fixed = _encode_json(dict(claims))[:-1]
        except (TypeError, RecursionError) as error:
            raise ValueError(f"a claim is no JSON value: {error}") from None
        head = f'{fixed}{"," if claims else ""}"iat":'.encode("ascii")
        ahead = len(head) - len(head) % 3
        return cls(signer, encoded_header(signer, typ) + b"." + b64.encode(head[:ahead]), head[ahead:])

    def issue(self, iat: int, exp: int, jti: str) -> str:
        """One token in the compact serialization (RFC 7515 section 7.1).

        :param iat: when it is issued, in whole seconds since 1970 in UTC.
        :param exp: when it ends, likewise.
        :param jti: its identifier, never used before.
        :raises Refusal: ``signer.unavailable`` when the key cannot sign.
        """
        tail = b'%b%d,"exp":%d,"jti":%b}' % (self.rest, iat, exp, quoted(jti).encode("ascii"))
        signing_input = self.prefix + b64.encode(tail)
        return (signing_input + b"." + b64.encode(self.signer.sign(signing_input))).decode("ascii")

"""Telling the JWTs that this server has signed from everything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Self

import attrs

from mtlsd.jose import b64
from mtlsd.jose.jwk import public_jwk
from mtlsd.jose.jwt import AT_JWT, INTROSPECTION_JWT, encoded_header
from mtlsd.jose.keyring import Keyring
from mtlsd.jose.verification import VerificationKey

_LONGEST_SIGNATURE: Final = 2048  # characters; RSA of 8192 bits has 1366


@attrs.frozen
class OwnToken:
    """A JWT that one of our keys has signed: having this value is the proof.

    Nothing is said of whether it still holds.

    :ivar typ: what it is, such as `at+jwt`.
    """

    typ: str
    claims: Mapping[str, Any] = attrs.field(repr=False)


@attrs.frozen
class OwnTokens:
    """Reads the JWTs that the keys of one keyring have signed.

    A key writes the same header into every token of one type. So headers are looked up and never read: no
    header can choose an algorithm, a key or a type, and one that has anything more is nobody's.
    """

    _by_header: Mapping[str, tuple[str, VerificationKey]] = attrs.field(factory=dict, repr=False)

    @classmethod
    def from_keyring(cls, keyring: Keyring, now: datetime) -> Self:
        """Those of all keys but the ones whose retirement has ended."""
        known = {}
        for key in keyring.without_expired(now).keys:
            signer = key.signer
            verifying = VerificationKey.from_jwk(public_jwk(signer.public_key, signer.kid, signer.alg))
            for typ in (AT_JWT, INTROSPECTION_JWT):
                known[encoded_header(signer, typ).decode("ascii")] = (typ, verifying)
        return cls(known)

    def read(self, token: str) -> OwnToken | None:
        """The token, where it is ours; None for everything else. Takes any string."""
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        found = self._by_header.get(header)
        if found is None or len(signature) > _LONGEST_SIGNATURE or not token.isascii():
            return None
        typ, key = found
        try:
            if key.alg is None or not key.verifies(key.alg, signed.encode("ascii"), b64.decode(signature)):
                return None
            return OwnToken(typ, json.loads(b64.decode(payload)))
        except ValueError:
            return None

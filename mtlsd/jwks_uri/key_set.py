"""What a client publishes at its `jwks_uri`: the certificates (R12, R13) and keys of a JWK Set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final, Self

import attrs

from mtlsd.clients.keys import usable_keys
from mtlsd.errors import Refusal
from mtlsd.jose.jwk import usable_certificates
from mtlsd.jose.verification import VerificationKey
from mtlsd.pki.certificate import Certificate

MOST_KEYS: Final = 64
MOST_CERTIFICATES: Final = 32


@attrs.frozen
class KeySet:
    """What a client may be known by of a JWK Set: its certificates or its keys, whichever it registered.

    :ivar certificates: DER; perhaps none, since whoever publishes no key has none.
    :ivar keys: those that verify signatures, whether there is a certificate with them or not.
    :ivar skipped: for each key that cannot be used its place and what is wrong, never a value of it.
    """

    certificates: tuple[bytes, ...]
    skipped: tuple[str, ...] = ()
    keys: tuple[VerificationKey, ...] = ()

    @classmethod
    def from_json(cls, body: bytes) -> Self:
        """Read one (RFC 7517 section 5). One bad key does not spoil the others.

        :raises ValueError: when it is no JWK Set, with what is wrong.
        """
        try:
            document = json.loads(body.decode("utf-8"))
        except (ValueError, RecursionError):
            raise ValueError("the answer is not JSON") from None
        keys = document.get("keys") if isinstance(document, dict) else None
        if not isinstance(keys, list):
            raise ValueError("the answer is not a JSON object with a list of keys (RFC 7517 section 5)")
        found, skipped = usable_certificates({"keys": keys[:MOST_KEYS]}, place="jwks")
        verifying, unusable = usable_keys({"keys": keys[:MOST_KEYS]})
        readable = dict(_read(found))
        kept = [der for der in found if readable[der] is None]
        mistakes = [*skipped, *(mistake for mistake in readable.values() if mistake is not None)]
        mistakes += _too_many("keys", len(keys), MOST_KEYS)
        mistakes += _too_many("certificates", len(kept), MOST_CERTIFICATES)
        if not found and not skipped:  # no set of certificates, so one of keys
            mistakes += (f"jwks.{mistake}" for mistake in unusable)
        return cls(tuple(kept[:MOST_CERTIFICATES]), tuple(mistakes), verifying)


def _read(certificates: Sequence[bytes]) -> Iterator[tuple[bytes, str | None]]:
    """For each certificate why the judge could not read it; None where it can."""
    for der in certificates:
        try:
            Certificate.from_der(der)
        except Refusal as refusal:
            yield der, f"a certificate cannot be read: {refusal.facts.get('detail', refusal.reason.code)}"
        else:
            yield der, None


def _too_many(what: str, count: int, most: int) -> list[str]:
    return [f"jwks has {count} {what}: those after the first {most} are left out"] if count > most else []

"""What a client publishes at its `jwks_uri`: a JWK Set, of which only the certificates count (R12, R13)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Final, Self

import attrs

from mtlsd.errors import Refusal
from mtlsd.jose.jwk import usable_certificates
from mtlsd.pki.certificate import Certificate

MOST_KEYS: Final = 64
MOST_CERTIFICATES: Final = 32


@attrs.frozen
class KeySet:
    """The certificates of a JWK Set.

    :ivar certificates: DER; perhaps none, since whoever publishes no key has none.
    :ivar skipped: for each key that cannot be used its place and what is wrong, never a value of it.
    """

    certificates: tuple[bytes, ...]
    skipped: tuple[str, ...] = ()

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
        readable = dict(_read(found))
        kept = [der for der in found if readable[der] is None]
        mistakes = [*skipped, *(mistake for mistake in readable.values() if mistake is not None)]
        mistakes += _too_many("keys", len(keys), MOST_KEYS)
        mistakes += _too_many("certificates", len(kept), MOST_CERTIFICATES)
        return cls(tuple(kept[:MOST_CERTIFICATES]), tuple(mistakes))


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

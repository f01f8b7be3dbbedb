"""The public keys of a `private_key_jwt` client (RFC 7591 section 2, RFC 7523)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from mtlsd.jose.verification import VerificationKey, is_for_signatures

MOST_KEYS: Final = 16


def usable_keys(jwks: object) -> tuple[tuple[VerificationKey, ...], tuple[str, ...]]:
    """The keys of a JWK Set that signatures can be verified with, and what is wrong with the others.

    Keys for encryption are passed over. Where two have the same `kid`, the second one is left out: a name
    says which key is meant.

    :raises ValueError: when it is no JWK Set at all.
    """
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list | tuple):
        raise ValueError("is not a JSON object with a list of keys (RFC 7517 section 5)")
    found: dict[tuple[tuple[str, str], ...], VerificationKey] = {}
    mistakes: list[str] = []
    for index, jwk in enumerate(keys):
        if not is_for_signatures(jwk):
            continue
        try:
            _add(found, VerificationKey.from_jwk(jwk))
        except ValueError as error:
            mistakes.append(f"keys[{index}] {error}")
    return tuple(found.values()), tuple(mistakes)


def _add(found: dict[tuple[tuple[str, str], ...], VerificationKey], key: VerificationKey) -> None:
    if key.members in found:
        raise ValueError("is there twice")
    if key.kid is not None and any(other.kid == key.kid for other in found.values()):
        raise ValueError("has the kid of another key")
    if len(found) >= MOST_KEYS:
        raise ValueError(f"is one too many: there are {MOST_KEYS} already")
    found[key.members] = key


def keys_of_jwks(jwks: object) -> tuple[VerificationKey, ...]:
    """The keys that are registered.

    :raises ValueError: with everything that is wrong, and where there is no key.
    """
    found, mistakes = usable_keys(jwks)
    if mistakes:
        raise ValueError("; ".join(mistakes))
    if not found:
        raise ValueError("has no key that a signature can be verified with")
    return found


def jwks_of_keys(keys: Iterable[VerificationKey]) -> dict[str, Any]:
    """The JWK Set; :func:`keys_of_jwks` reads it back."""
    return {"keys": [key.to_jwk() for key in keys]}

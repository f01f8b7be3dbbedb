"""By what a client is known, and how it proves that it is the one: what each method demands and forbids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Self

import attrs

from mtlsd.clients.keys import keys_of_jwks
from mtlsd.clients.methods import (
    METHODS,
    NONE,
    PKI,
    PRIVATE_KEY_JWT,
    SECRET_METHODS,
    SELF_SIGNED,
    AuthMethod,
)
from mtlsd.clients.reader import Reader
from mtlsd.clients.secret import SecretHash
from mtlsd.clients.subject import SUBJECT_MEMBERS, Subject, subject_of
from mtlsd.jose.jwk import certificates_of_jwks, jwk_of_certificate
from mtlsd.jose.verification import VERIFICATION_ALGORITHMS, VerificationKey

_REMOVE: Final = "Remove this key."
_KEYLESS: Final = (*SECRET_METHODS, NONE)


@attrs.frozen
class Identification:
    """The method, and all that goes with one method or another."""

    method: AuthMethod
    subject: Subject | None
    pins: tuple[bytes, ...]
    keys: tuple[VerificationKey, ...]
    jwks_uri: str | None
    trust_anchors: tuple[str, ...]
    signing_alg: str | None
    client_secret_hash: SecretHash | None
    allow_client_secret: bool

    @classmethod
    def from_reader(cls, reader: Reader, certificates: Sequence[bytes]) -> Self:
        """Read it, and note what does not go together.

        :param certificates: DER of certificates to pin, beside those in `jwks`.
        """
        given = reader.metadata.get("token_endpoint_auth_method")
        subject = subject_of(reader.metadata, reader.mistakes)
        pins = _pins(reader, certificates, in_jwks=given not in (PRIVATE_KEY_JWT, *_KEYLESS))
        own = cls(
            method=_method(reader, subject, pins),
            subject=subject,
            pins=pins,
            keys=_keys(reader) if given == PRIVATE_KEY_JWT else (),
            jwks_uri=reader.jwks_uri(),
            trust_anchors=reader.strings("trust_anchors"),
            signing_alg=_signing_alg(reader),
            client_secret_hash=_secret_hash(reader),
            allow_client_secret=reader.boolean("allow_client_secret", False),
        )
        own._check(reader)
        return own

    def _check(self, reader: Reader) -> None:
        if self.method == PKI:
            self._check_named(reader)
        else:
            self._check_unnamed(reader)
        if self.method == SELF_SIGNED:
            self._check_pinned(reader)
        elif self.method == PRIVATE_KEY_JWT:
            self._check_keys(reader)
        elif self.method != PKI:
            self._check_keyless(reader)
        if self.signing_alg is not None and self.method != PRIVATE_KEY_JWT:
            reader.mistakes.add("token_endpoint_auth_signing_alg", f"is only for {PRIVATE_KEY_JWT}", _REMOVE)
        self._check_secret(reader)

    def _check_named(self, reader: Reader) -> None:
        """R10, R30"""
        if "jwks_uri" in reader.metadata:
            reader.mistakes.add(
                "jwks_uri", f"is only for {SELF_SIGNED}: other clients are known by a name", "Remove it."
            )
        if self.pins:
            reader.mistakes.add(
                "jwks", "certificates are pinned only with self_signed_tls_client_auth", "Remove them."
            )
        if not self.trust_anchors:
            reader.mistakes.add(
                "trust_anchors", "no trust anchor group may vouch for the client", "Name at least one group."
            )

    def _check_unnamed(self, reader: Reader) -> None:
        known_by = "by its certificate" if self.method == SELF_SIGNED else "by no name"
        if self.subject is not None:
            reader.mistakes.add(self.subject.member, f"a {self.method} client is known {known_by}", _REMOVE)
        if self.trust_anchors:
            what = "a pinned certificate" if self.method == SELF_SIGNED else f"a {self.method} client"
            reader.mistakes.add("trust_anchors", f"nobody vouches for {what}", "Remove this key.")

    def _check_pinned(self, reader: Reader) -> None:
        """R12"""
        if self.pins and "jwks_uri" in reader.metadata:
            reader.mistakes.add(
                "jwks_uri",
                "certificates are registered too (RFC 7591 section 2)",
                "Keep either them or jwks_uri.",
            )
        if not self.pins and "jwks_uri" not in reader.metadata:
            reader.mistakes.add(
                "jwks",
                "no certificate is registered",
                "Give certificate = FILE.pem, jwks with x5c, or jwks_uri.",
            )

    def _check_keys(self, reader: Reader) -> None:
        """RFC 7591 section 2: exactly one of `jwks` and `jwks_uri`."""
        given = [name for name in ("jwks", "jwks_uri") if name in reader.metadata]
        if len(given) > 1:
            reader.mistakes.add("jwks_uri", "jwks is there too (RFC 7591 section 2)", "Keep one of them.")
        if not given:
            reader.mistakes.add("jwks", "no key is registered", "Give jwks with public keys, or jwks_uri.")
        if self.pins:
            reader.mistakes.add(
                "jwks", "certificates are pinned only with self_signed_tls_client_auth", "Remove them."
            )
        fitting = [key for key in self.keys if self.signing_alg in (None, *key.algorithms)]
        if self.keys and not fitting:
            reader.mistakes.add(
                "token_endpoint_auth_signing_alg", "no registered key is of that kind", "Register such a key."
            )

    def _check_keyless(self, reader: Reader) -> None:
        for name in ("jwks", "jwks_uri"):
            if name in reader.metadata:
                reader.mistakes.add(name, f"a {self.method} client has no keys here", _REMOVE)
        if self.pins and "jwks" not in reader.metadata:
            reader.mistakes.add("jwks", f"a {self.method} client is known by no certificate", "Remove them.")

    def _check_secret(self, reader: Reader) -> None:
        mistakes, given = reader.mistakes, "client_secret_hash" in reader.metadata
        if self.method not in SECRET_METHODS:
            for name in ("client_secret_hash", "allow_client_secret"):
                if name in reader.metadata:
                    mistakes.add(name, f"a {self.method} client has no secret", _REMOVE)
            return
        if not self.allow_client_secret and not mistakes.has_any("allow_client_secret"):
            mistakes.add(
                "allow_client_secret",
                f"{self.method} proves no possession of a key, so it has to be allowed for each client",
                f"Take {PKI} or {PRIVATE_KEY_JWT}, or write allow_client_secret = true.",
            )
        if not given:
            mistakes.add("client_secret_hash", "is missing", "Add the hash of the client's secret.")


def _method(reader: Reader, subject: Subject | None, pins: Sequence[bytes]) -> AuthMethod:
    given = reader.metadata.get("token_endpoint_auth_method")
    for method in METHODS:
        if isinstance(given, str) and method == given:
            if method == PKI and subject is None and reader.metadata.keys().isdisjoint(SUBJECT_MEMBERS):
                reader.mistakes.add(
                    "tls_client_auth_subject_dn", "is missing", f"Add one of {', '.join(SUBJECT_MEMBERS)}."
                )
            return method
    reader.mistakes.add(
        "token_endpoint_auth_method",
        "is missing" if given is None else f"{given!r} is no method of this server",
        f"It takes {', '.join(METHODS[:-1])} or {NONE}.",
    )
    return SELF_SIGNED if (pins or "jwks_uri" in reader.metadata) and subject is None else PKI


def _pins(reader: Reader, certificates: Sequence[bytes], *, in_jwks: bool) -> tuple[bytes, ...]:
    pins = list(certificates)
    if in_jwks and "jwks" in reader.metadata:
        try:
            pins += certificates_of_jwks(reader.metadata["jwks"])
        except ValueError as error:
            reader.mistakes.add("jwks", str(error), "Register each certificate as a JWK with x5c (RFC 7517).")
    for pin in pins:
        try:
            jwk_of_certificate(pin)
        except ValueError as error:
            reader.mistakes.add("jwks", str(error), "Pin a certificate with an RSA, EC or Ed25519 key.")
    return tuple(dict.fromkeys(pins))


def _keys(reader: Reader) -> tuple[VerificationKey, ...]:
    if "jwks" not in reader.metadata:
        return ()
    try:
        return keys_of_jwks(reader.metadata["jwks"])
    except ValueError as error:
        reader.mistakes.add("jwks", str(error), "Register public keys: RSA, EC on P-256, or Ed25519.")
        return ()


def _signing_alg(reader: Reader) -> str | None:
    if "token_endpoint_auth_signing_alg" not in reader.metadata:
        return None
    return reader.choice("token_endpoint_auth_signing_alg", VERIFICATION_ALGORITHMS, "PS256")


def _secret_hash(reader: Reader) -> SecretHash | None:
    if "client_secret_hash" not in reader.metadata:
        return None
    try:
        return SecretHash.from_string(str(reader.metadata["client_secret_hash"]))
    except ValueError as error:
        reader.mistakes.add("client_secret_hash", str(error), "Have mtlsd client add make the secret.")
        return None

"""From the metadata that a caller sends to a client, and back to what it is told (RFC 7591, RFC 8705)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.methods import PKI, SECRET_METHODS, SELF_SIGNED
from mtlsd.clients.mistakes import Mistakes
from mtlsd.clients.subject import SUBJECT_MEMBERS, Subject, SubjectMember
from mtlsd.errors import ConfigError, Mistake, Refusal
from mtlsd.oauth.registration_policy import NOT_ALLOWED, RegistrationPolicy
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.dn import DistinguishedName

REGISTRABLE: Final = frozenset(
    {
        "client_name",
        "token_endpoint_auth_method",
        "token_endpoint_auth_signing_alg",
        *SUBJECT_MEMBERS,
        "jwks",
        "jwks_uri",
        "grant_types",
        "response_types",
        "redirect_uris",
        "scope",
        "require_pushed_authorization_requests",
        "tls_client_certificate_bound_access_tokens",
        "use_mtls_endpoint_aliases",
    }
)
"""What a caller has a say in. All else is ignored, as RFC 7591 section 2 has it of what is unknown: above
all what only an operator decides, such as trust_anchors, introspects and allow_client_secret."""

NOT_IN_AN_UPDATE: Final = (
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
    "client_secret",
)
"""RFC 7592 section 2.2; there are no secrets here, so none can be the one that the client has."""

_PLACE: Final = "metadata"
_SHOWN: Final = 6


@attrs.frozen
class Proof:
    """What the connection proves.

    :ivar certificate: the one whose key the caller holds; it may be anybody's.
    :ivar groups: the groups that vouch for it, of those that may vouch for clients that register.
    """

    certificate: Certificate | None = None
    groups: tuple[str, ...] = ()

    def covers(self, client: Client) -> bool:
        """Whether the client is known by this certificate, and by nothing else that could be another's."""
        if client.subject is not None:
            return (
                bool(self.groups) and self.certificate is not None and client.subject.is_in(self.certificate)
            )
        return all(self._has_key_of(pin) for pin in client.pins)

    def _has_key_of(self, pin: bytes) -> bool:
        """A renewed certificate with the same key is the caller's as well."""
        own = self.certificate
        return own is not None and Certificate.from_der(pin).key_sha256 == own.key_sha256


def read_client(
    metadata: Mapping[str, Any],
    client_id: str,
    policy: RegistrationPolicy,
    proof: Proof,
    before: Client | None = None,
) -> Client:
    """The client as it would be registered. Whether the proof covers it is another question.

    :param metadata: a JSON object; what is null counts as absent (RFC 7592 section 2.2).
    :param before: for an update, what is registered until now; what only an operator decides stays.
    :raises Refusal: `registration.metadata` or `registration.redirect_uri`, with what may be told.
    """
    given = {name: value for name, value in metadata.items() if name in REGISTRABLE and value is not None}
    given = _completed(given, policy, proof)
    given["client_id"] = client_id
    if given["token_endpoint_auth_method"] == PKI:
        given["trust_anchors"] = list(_groups(given, policy, proof, before))
    if before is None:
        given["resources"] = list(policy.resources)
    mistakes = Mistakes(_PLACE)
    try:
        if given["token_endpoint_auth_method"] in SECRET_METHODS:  # whose hash nobody can send
            remedy = f"It takes {', '.join(policy.token_endpoint_auth_methods)}."
            mistakes.add("token_endpoint_auth_method", NOT_ALLOWED, remedy)
            mistakes.raise_if_any()
        client = Client.from_metadata(given, place=_PLACE)
        if before is not None:
            client = _kept(client, before)
            Client.from_metadata(client.to_metadata(), place=_PLACE)  # as whoever reads the store will
        _check_certificates(client, mistakes)
        policy.check(client, mistakes, before)
        mistakes.raise_if_any()
    except ConfigError as error:
        raise _refusal(error.mistakes) from None
    return client


def _completed(given: dict[str, Any], policy: RegistrationPolicy, proof: Proof) -> dict[str, Any]:
    """With what may be left out: the method, the name, the scope (RFC 7591 section 2)."""
    named = not given.keys().isdisjoint(SUBJECT_MEMBERS)
    if "token_endpoint_auth_method" not in given:
        pinned = not named and not given.keys().isdisjoint({"jwks", "jwks_uri"})
        given["token_endpoint_auth_method"] = SELF_SIGNED if pinned else PKI
    if given["token_endpoint_auth_method"] == PKI and not named and proof.groups:
        assert proof.certificate is not None
        given.update(_name_of(proof.certificate))
    if "scope" not in given and policy.scopes:
        given["scope"] = " ".join(policy.scopes)
    return given


def _name_of(certificate: Certificate) -> dict[str, str]:
    """The subject; of a certificate that has none, its first subjectAltName."""
    if certificate.subject.key is not None:
        return {"tls_client_auth_subject_dn": certificate.subject.to_string()}
    return {f"tls_client_auth_san_{name.kind}": name.value for name in certificate.subject_alt_names[:1]}


def _groups(
    given: Mapping[str, Any], policy: RegistrationPolicy, proof: Proof, before: Client | None
) -> tuple[str, ...]:
    """Which groups vouch for the client: those that do now, unless the name stays what it was."""
    if before is not None and before.subject is not None:
        subject = _subject(given)
        same = subject is not None and (subject.member, subject.key) == (
            before.subject.member,
            before.subject.key,
        )
        if same:
            return before.trust_anchors
    return proof.groups or policy.trust_anchors


def _subject(given: Mapping[str, Any]) -> Subject | None:
    members: list[SubjectMember] = [member for member in SUBJECT_MEMBERS if member in given]
    try:
        return Subject.from_registration(members[0], given[members[0]]) if len(members) == 1 else None
    except (ValueError, TypeError, AttributeError):
        return None  # told by whoever reads it as a whole


def _kept(client: Client, before: Client) -> Client:
    """What only an operator decides is as it was."""
    operators = {
        attribute.name: getattr(before, attribute.name)
        for attribute in attrs.fields(Client)
        if attribute.name not in _OF_CALLERS
    }
    return attrs.evolve(client, **operators)


_OF_CALLERS: Final = (REGISTRABLE - set(SUBJECT_MEMBERS)) | {
    "client_id",
    "subject",
    "pins",
    "keys",
    "trust_anchors",
}
"""The attributes of a client that follow from what is registered."""


def _check_certificates(client: Client, mistakes: Mistakes) -> None:
    for pin in client.pins:
        try:
            Certificate.from_der(pin)
        except Refusal:
            mistakes.add("jwks", "a certificate cannot be read", "Register another one.")


def _refusal(mistakes: Iterable[Mistake]) -> Refusal:
    found = [(own.place.removeprefix(f"{_PLACE}."), own.message) for own in mistakes]
    of_uris = any(name == "redirect_uris" for name, _ in found)
    reason = reasons.REGISTRATION_REDIRECT_URI if of_uris else reasons.REGISTRATION_METADATA
    shown = [f"{name}: {message}" for name, message in found[:_SHOWN]]
    return Refusal(reason, {"detail": "; ".join(shown)})


def told_metadata(client: Client) -> dict[str, Any]:
    """What the caller is told of its registration (RFC 7591 section 3.2.1).

    A name comes as it was registered, and beside it as it is read: RFC 4514, in one canonical spelling.
    """
    registered = client.to_metadata()
    told = {name: value for name, value in registered.items() if name in REGISTRABLE or name == "client_id"}
    told["response_types"] = list(client.response_types)
    told["use_mtls_endpoint_aliases"] = client.use_mtls_endpoint_aliases
    if client.subject is not None:
        name = client.subject.name
        read = name.to_string() if isinstance(name, DistinguishedName) else name.value
        told[f"{client.subject.member}_read_as"] = read
    return told


def identity_of(client: Client) -> tuple[object, ...]:
    """By what the client is known: what nobody but its certificate or an operator may change."""
    subject = None if client.subject is None else (client.subject.member, client.subject.key)
    pins = () if client.jwks_uri is not None else frozenset(client.pins)
    keys = () if client.jwks_uri is not None else frozenset(key.members for key in client.keys)
    return client.token_endpoint_auth_method, subject, pins, keys, client.jwks_uri

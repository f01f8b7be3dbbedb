"""A registered client: RFC 7591 client metadata as one frozen value."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Literal, Self

import attrs

from mtlsd.clients.mistakes import Mistakes
from mtlsd.jose.jwk import certificates_of_jwks, jwk_of_certificate
from mtlsd.pki.dn import DistinguishedName
from mtlsd.pki.san import SubjectAltName

SubjectMember = Literal[
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
]
AuthMethod = Literal["tls_client_auth", "self_signed_tls_client_auth"]

PKI: AuthMethod = "tls_client_auth"
SELF_SIGNED: AuthMethod = "self_signed_tls_client_auth"

_SAN_KINDS: Mapping[SubjectMember, Literal["dns", "uri", "ip", "email"]] = {
    "tls_client_auth_san_dns": "dns",
    "tls_client_auth_san_uri": "uri",
    "tls_client_auth_san_ip": "ip",
    "tls_client_auth_san_email": "email",
}
SUBJECT_MEMBERS: tuple[SubjectMember, ...] = ("tls_client_auth_subject_dn", *_SAN_KINDS)
GRANT_TYPES = ("client_credentials",)

# RFC 6749 appendix A.1 and A.4
_CLIENT_ID = re.compile(r"[\x20-\x7e]{1,255}")
_SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
# RFC 8707 section 2: an absolute URI without a fragment (RFC 3986 section 4.3)
_RESOURCE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x22\x24-\x7e]+")
# What is fetched is not signed, so https alone; mtlsd.fetch.url reads the host and the port more strictly.
_JWKS_URI = re.compile(
    r"https://(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?(?:[/?][A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?",
    re.IGNORECASE,
)
_LONGEST_JWKS_URI = 2048

MEMBERS = frozenset(
    {
        "client_id",
        "client_name",
        "token_endpoint_auth_method",
        *SUBJECT_MEMBERS,
        "jwks",
        "jwks_uri",
        "trust_anchors",
        "grant_types",
        "scope",
        "resources",
        "tls_client_certificate_bound_access_tokens",
        "disabled",
    }
)


def is_scope_token(text: str) -> bool:
    """Whether `text` is one scope-token (RFC 6749 section 3.3)."""
    return _SCOPE_TOKEN.fullmatch(text) is not None


def is_resource(text: str) -> bool:
    """Whether `text` may be a resource indicator (RFC 8707 section 2)."""
    return _RESOURCE.fullmatch(text) is not None


def is_jwks_uri(text: str) -> bool:
    """Whether `text` may be a jwks_uri (RFC 7591 section 2): an https URL without a user and a fragment."""
    return len(text) <= _LONGEST_JWKS_URI and _JWKS_URI.fullmatch(text) is not None


@attrs.frozen
class Subject:
    """The one name by which a `tls_client_auth` client is known (RFC 8705 section 2.1.2).

    :ivar text: as it was registered.
    :ivar name: what `text` was parsed to; comparison looks at this alone.
    """

    member: SubjectMember
    text: str
    name: DistinguishedName | SubjectAltName

    @classmethod
    def from_registration(cls, member: SubjectMember, text: str) -> Self:
        """:raises ValueError: saying what in `text` cannot be read, and the remedy."""
        if member == "tls_client_auth_subject_dn":
            name: DistinguishedName | SubjectAltName = DistinguishedName.from_string(text)
            if name.key is None:
                raise ValueError(
                    "this name can never match a certificate: it is empty or has a prohibited character"
                )
        else:
            name = SubjectAltName.from_registration(_SAN_KINDS[member], text)
        return cls(member, text, name)

    @property
    def key(self) -> Hashable:
        """Equal for two subjects of one member exactly when the names match (R7, R34)."""
        return self.name.key


@attrs.frozen
class Client:
    """One client of the authorization server.

    :ivar subject: for `tls_client_auth`; None otherwise.
    :ivar pins: for `self_signed_tls_client_auth`: the DER of each registered certificate (R12). Those of a
        client with a `jwks_uri` are not registered: :mod:`mtlsd.clients.fetched` puts them in.
    :ivar jwks_uri: where the client publishes its certificates, so that it can rotate by itself (R14).
    :ivar trust_anchors: the anchor groups that may vouch for the client (R30); empty for pinned clients.
    :ivar scope: what the client may ask for, and gets when it asks for nothing.
    :ivar resources: the resource indicators (RFC 8707) that the client may ask for.
    """

    client_id: str
    token_endpoint_auth_method: AuthMethod
    subject: Subject | None = None
    pins: tuple[bytes, ...] = ()
    jwks_uri: str | None = None
    trust_anchors: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = GRANT_TYPES
    scope: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    tls_client_certificate_bound_access_tokens: bool = True
    client_name: str | None = None
    disabled: bool = False

    @property
    def pin_sha256s(self) -> tuple[bytes, ...]:
        return tuple(hashlib.sha256(pin).digest() for pin in self.pins)

    @classmethod
    def from_metadata(
        cls, metadata: Mapping[str, Any], *, place: str, certificates: Sequence[bytes] = ()
    ) -> Self:
        """Read client metadata (RFC 7591 section 2, RFC 8705 section 2.1.2 and 3.4).

        :param place: where the metadata stands, for the messages.
        :param certificates: DER of certificates to pin, beside those in `jwks`.
        :raises ConfigError: with every mistake at once.
        """
        mistakes = Mistakes(place)
        values = _Reader(metadata, mistakes)
        for name in sorted(set(metadata) - MEMBERS):
            mistakes.unknown(name, MEMBERS)
        client_id = values.text(
            "client_id", _CLIENT_ID, "printable ASCII, at most 255 characters", required=True
        )
        pins = values.pins(certificates)
        subject = values.subject()
        jwks_uri = values.jwks_uri()
        method = values.method(subject, pins)
        trust_anchors = values.strings("trust_anchors")
        _check_method(mistakes, method, subject, pins, trust_anchors, "jwks_uri" in metadata)
        client = cls(
            client_id=client_id,
            token_endpoint_auth_method=method,
            subject=subject,
            pins=pins,
            jwks_uri=jwks_uri,
            trust_anchors=trust_anchors,
            grant_types=values.grant_types(),
            scope=values.scope(),
            resources=values.strings("resources", is_resource, "absolute URIs without a fragment (RFC 8707)"),
            tls_client_certificate_bound_access_tokens=values.boolean(
                "tls_client_certificate_bound_access_tokens", True
            ),
            client_name=values.optional_text("client_name"),
            disabled=values.boolean("disabled", False),
        )
        mistakes.raise_if_any()
        return client

    def to_metadata(self) -> dict[str, Any]:
        """The metadata as JSON can hold it; `from_metadata` reads it back to an equal client."""
        metadata: dict[str, Any] = {
            "client_id": self.client_id,
            "token_endpoint_auth_method": self.token_endpoint_auth_method,
        }
        if self.client_name is not None:
            metadata["client_name"] = self.client_name
        if self.subject is not None:
            metadata[self.subject.member] = self.subject.text
        if self.jwks_uri is not None:
            metadata["jwks_uri"] = self.jwks_uri
        elif self.pins:
            metadata["jwks"] = {"keys": [jwk_of_certificate(pin) for pin in self.pins]}
        if self.trust_anchors:
            metadata["trust_anchors"] = list(self.trust_anchors)
        metadata["grant_types"] = list(self.grant_types)
        if self.scope:
            metadata["scope"] = " ".join(self.scope)
        if self.resources:
            metadata["resources"] = list(self.resources)
        metadata["tls_client_certificate_bound_access_tokens"] = (
            self.tls_client_certificate_bound_access_tokens
        )
        if self.disabled:
            metadata["disabled"] = True
        return metadata


def _check_method(
    mistakes: Mistakes,
    method: AuthMethod,
    subject: Subject | None,
    pins: Sequence[bytes],
    trust_anchors: Sequence[str],
    has_jwks_uri: bool,
) -> None:
    """What the method demands and forbids (R10, R12, R30)."""
    if method == PKI:
        if has_jwks_uri:
            mistakes.add(
                "jwks_uri", f"is only for {SELF_SIGNED}: other clients are known by a name", "Remove it."
            )
        if pins:
            mistakes.add(
                "jwks", "certificates are pinned only with self_signed_tls_client_auth", "Remove them."
            )
        if not trust_anchors:
            mistakes.add(
                "trust_anchors", "no trust anchor group may vouch for the client", "Name at least one group."
            )
        return
    if subject is not None:
        mistakes.add(
            subject.member,
            "a self_signed_tls_client_auth client is known by its certificate",
            "Remove this key.",
        )
    if pins and has_jwks_uri:
        mistakes.add(
            "jwks_uri",
            "certificates are registered too (RFC 7591 section 2)",
            "Keep either them or jwks_uri.",
        )
    if not pins and not has_jwks_uri:
        mistakes.add(
            "jwks", "no certificate is registered", "Give certificate = FILE.pem, jwks with x5c, or jwks_uri."
        )
    if trust_anchors:
        mistakes.add("trust_anchors", "nobody vouches for a pinned certificate", "Remove this key.")


@attrs.frozen
class _Reader:
    """Typed access to untyped metadata; what does not fit becomes a mistake and a harmless value."""

    metadata: Mapping[str, Any]
    mistakes: Mistakes

    def text(self, name: str, pattern: re.Pattern[str], what: str, *, required: bool = False) -> str:
        value = self.metadata.get(name)
        if value is None:
            if required:
                self.mistakes.add(name, "is missing", f"Add {name}: {what}.")
            return ""
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.mistakes.add(name, "cannot be used", f"It takes {what}.")
            return ""
        return value

    def optional_text(self, name: str) -> str | None:
        value = self.metadata.get(name)
        if value is not None and (not isinstance(value, str) or not value.isprintable()):
            self.mistakes.add(name, "cannot be used", "It takes a line of printable text.")
            return None
        return value

    def boolean(self, name: str, default: bool) -> bool:
        value = self.metadata.get(name, default)
        if not isinstance(value, bool):
            self.mistakes.add(name, "is neither true nor false", "Write true or false, without quotes.")
            return default
        return value

    def strings(
        self, name: str, accepts: Callable[[str], bool] = str.isprintable, what: str = "strings"
    ) -> tuple[str, ...]:
        value = self.metadata.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            self.mistakes.add(name, "is not a list of strings", f'It takes {what}: {name} = ["..."].')
            return ()
        for item in value:
            if not accepts(item):
                self.mistakes.add(name, f"{item!r} cannot be used", f"It takes {what}.")
        return tuple(dict.fromkeys(value))

    def grant_types(self) -> tuple[str, ...]:
        supported = ", ".join(GRANT_TYPES)
        if "grant_types" not in self.metadata:
            return GRANT_TYPES
        return self.strings(
            "grant_types", GRANT_TYPES.__contains__, f"grant types that this server has: {supported}"
        )

    def scope(self) -> tuple[str, ...]:
        value = self.metadata.get("scope", "")
        if not isinstance(value, str) or not all(map(is_scope_token, value.split())):
            self.mistakes.add(
                "scope", "is no scope", "It takes values separated by spaces (RFC 6749 section 3.3)."
            )
            return ()
        return tuple(dict.fromkeys(value.split()))

    def subject(self) -> Subject | None:
        members: list[SubjectMember] = [member for member in SUBJECT_MEMBERS if member in self.metadata]
        if len(members) > 1:
            self.mistakes.add(
                members[1], f"{members[0]} is there too", "Keep exactly one of them (RFC 8705 section 2.1.2)."
            )
        if not members:
            return None
        text = self.metadata[members[0]]
        if not isinstance(text, str):
            self.mistakes.add(members[0], "is not a string", "Write the name in quotes.")
            return None
        try:
            return Subject.from_registration(members[0], text)
        except ValueError as error:
            self.mistakes.add(members[0], str(error), "Write it as docs/names.md shows.")
            return None

    def pins(self, certificates: Sequence[bytes]) -> tuple[bytes, ...]:
        pins = list(certificates)
        if "jwks" in self.metadata:
            try:
                pins += certificates_of_jwks(self.metadata["jwks"])
            except ValueError as error:
                self.mistakes.add(
                    "jwks", str(error), "Register each certificate as a JWK with x5c (RFC 7517)."
                )
        for pin in pins:
            try:
                jwk_of_certificate(pin)
            except ValueError as error:
                self.mistakes.add("jwks", str(error), "Pin a certificate with an RSA, EC or Ed25519 key.")
        return tuple(dict.fromkeys(pins))

    def jwks_uri(self) -> str | None:
        value = self.metadata.get("jwks_uri")
        if "jwks_uri" not in self.metadata or (isinstance(value, str) and is_jwks_uri(value)):
            return value
        self.mistakes.add(
            "jwks_uri",
            "cannot be used",
            "It takes an https URL of a JWK Set, in ASCII, without user and fragment.",
        )
        return None

    def method(self, subject: Subject | None, pins: Sequence[bytes]) -> AuthMethod:
        method = self.metadata.get("token_endpoint_auth_method")
        if method == SELF_SIGNED:
            return SELF_SIGNED
        if method == PKI:
            if subject is None and not any(member in self.metadata for member in SUBJECT_MEMBERS):
                self.mistakes.add(
                    "tls_client_auth_subject_dn", "is missing", f"Add one of {', '.join(SUBJECT_MEMBERS)}."
                )
            return PKI
        self.mistakes.add(
            "token_endpoint_auth_method",
            "is missing" if method is None else f"{method!r} is no method of this server",
            f"It takes {PKI} or {SELF_SIGNED}.",
        )
        return SELF_SIGNED if (pins or "jwks_uri" in self.metadata) and subject is None else PKI

"""The name by which a `tls_client_auth` client is known."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, Literal, Self

import attrs

from mtlsd.clients.mistakes import Mistakes
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.dn import DistinguishedName
from mtlsd.pki.san import SubjectAltName

SubjectMember = Literal[
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
]

_SAN_KINDS: Mapping[SubjectMember, Literal["dns", "uri", "ip", "email"]] = {
    "tls_client_auth_san_dns": "dns",
    "tls_client_auth_san_uri": "uri",
    "tls_client_auth_san_ip": "ip",
    "tls_client_auth_san_email": "email",
}
SUBJECT_MEMBERS: tuple[SubjectMember, ...] = ("tls_client_auth_subject_dn", *_SAN_KINDS)


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

    def is_in(self, certificate: Certificate) -> bool:
        """Whether the certificate has this name, as a name of this kind."""
        if self.key is None:
            return False
        if self.member == "tls_client_auth_subject_dn":
            return certificate.subject.key == self.key
        kind = _SAN_KINDS[self.member]
        return any(name.kind == kind and name.key == self.key for name in certificate.subject_alt_names)


def subject_of(metadata: Mapping[str, Any], mistakes: Mistakes) -> Subject | None:
    """The subject that is registered; None where there is none, or where it cannot be read (R10)."""
    members: list[SubjectMember] = [member for member in SUBJECT_MEMBERS if member in metadata]
    if len(members) > 1:
        mistakes.add(
            members[1], f"{members[0]} is there too", "Keep exactly one of them (RFC 8705 section 2.1.2)."
        )
    if not members:
        return None
    text = metadata[members[0]]
    if not isinstance(text, str):
        mistakes.add(members[0], "is not a string", "Write the name in quotes.")
        return None
    try:
        return Subject.from_registration(members[0], text)
    except ValueError as error:
        mistakes.add(members[0], str(error), "Write it as docs/names.md shows.")
        return None

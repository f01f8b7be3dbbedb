"""Finding the client to which a certificate belongs, without a scan."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Self

import attrs

from mtlsd.clients.client import Client
from mtlsd.clients.methods import PKI, SELF_SIGNED, AuthMethod
from mtlsd.clients.subject import Subject, SubjectMember
from mtlsd.errors import ConfigError, Mistake

SubjectKey = tuple[str, SubjectMember, Hashable]


@attrs.frozen
class Registration:
    """A client, and where it was registered.

    :ivar origin: the file's name, or `store`.
    """

    client: Client
    origin: str


@attrs.frozen
class ClientIndex:
    """All clients, by their id, by (anchor group, kind of name, name) and by pinned certificate.

    One subject under one anchor group belongs to one client, and so does one registered certificate: what two
    clients claim is refused when the index is built. Disabled clients keep their claims, or enabling them
    again could let two clients share one. A certificate that clients publish belongs to each of these, too.

    :ivar has_pins: whether a client is known by its certificate, or will be once its `jwks_uri` is fetched.
    :ivar methods: by which any client authenticates.
    """

    registrations: Mapping[str, Registration]
    _subjects: Mapping[SubjectKey, Client] = attrs.field(repr=False)
    _pins: Mapping[bytes, Sequence[Client]] = attrs.field(repr=False)
    subject_members: frozenset[SubjectMember] = frozenset()
    has_pins: bool = False
    methods: frozenset[AuthMethod] = frozenset()

    @classmethod
    def build(
        cls, registrations: Iterable[Registration], anchor_keys: Mapping[str, Iterable[bytes]] | None = None
    ) -> Self:
        """
        :param anchor_keys: for each anchor group the digests of its anchors' keys: an anchor is known by its
            key, so two groups that share one may not vouch for two clients under one name.
        :raises ConfigError: with every conflict at once.
        """
        builder = _Builder(anchor_keys or {})
        for registration in registrations:
            builder.add(registration)
        if builder.conflicts:
            raise ConfigError(tuple(builder.conflicts))
        members = frozenset(member for _, member, _ in builder.subjects)
        has_pins = bool(builder.pins) or any(
            own.client.jwks_uri is not None and own.client.token_endpoint_auth_method == SELF_SIGNED
            for own in builder.registrations.values()
        )
        methods = frozenset(own.client.token_endpoint_auth_method for own in builder.registrations.values())
        return cls(builder.registrations, builder.subjects, builder.pins, members, has_pins, methods)

    @property
    def may_offer_any(self) -> bool:
        """Whether clients may come with certificates that no anchor here has issued: pinned ones, and those
        that nothing but tokens is bound to (RFC 8705 section 4).
        """
        return not self.methods <= {PKI}

    def by_id(self, client_id: str) -> Client | None:
        registration = self.registrations.get(client_id)
        return None if registration is None else registration.client

    def by_subject(self, group: str, member: SubjectMember, key: Hashable) -> Client | None:
        """The client that `group` vouches for under this name (R30)."""
        return None if key is None else self._subjects.get((group, member, key))

    def by_pin(self, sha256: bytes, der: bytes) -> tuple[Client, ...]:
        """The clients that registered or publish exactly this certificate (R12).

        :param sha256: the digest of `der`, which only finds candidates: the whole certificate is compared.
        """
        return tuple(client for client in self._pins.get(sha256, ()) if der in client.pins)

    def has_pin(self, sha256: bytes) -> bool:
        """Whether a certificate with this digest is registered."""
        return sha256 in self._pins


@attrs.define
class _Builder:
    anchor_keys: Mapping[str, Iterable[bytes]]
    registrations: dict[str, Registration] = attrs.field(factory=dict)
    subjects: dict[SubjectKey, Client] = attrs.field(factory=dict)
    pins: dict[bytes, list[Client]] = attrs.field(factory=dict)
    claims: dict[tuple[bytes, SubjectMember, Hashable], Client] = attrs.field(factory=dict)
    conflicts: list[Mistake] = attrs.field(factory=list)

    def add(self, registration: Registration) -> None:
        client = registration.client
        first = self.registrations.get(client.client_id)
        if first is not None:
            self._conflict(
                registration, "client_id", f"is registered in {first.origin} too", "Choose another one."
            )
            return
        self.registrations[client.client_id] = registration
        if client.subject is not None:
            for group in client.trust_anchors:
                self._claim(registration, client.subject, group)
        for pin in client.pin_sha256s:
            others = self.pins.setdefault(pin, [])
            other = next((own for own in others if own.jwks_uri is None), None)
            if other is not None and client.jwks_uri is None:
                self._conflict(
                    registration,
                    "jwks",
                    f"one of the certificates is registered for client {other.client_id!r}",
                    "Give each client a certificate of its own, or remove the other registration.",
                )
            others.append(client)

    def _claim(self, registration: Registration, subject: Subject, group: str) -> None:
        client = registration.client
        others = [self.subjects.setdefault((group, subject.member, subject.key), client)]
        for anchor_key in self.anchor_keys.get(group, ()):
            others.append(self.claims.setdefault((anchor_key, subject.member, subject.key), client))
        other = next((other for other in others if other is not client), None)
        if other is not None:
            self._conflict(
                registration,
                subject.member,
                f"the same name under the trust anchor group {group!r} belongs to client {other.client_id!r}",
                "Give each client a name of its own, or remove the other registration.",
            )

    def _conflict(self, registration: Registration, key: str, message: str, remedy: str) -> None:
        place = f"{registration.origin}: client.{registration.client.client_id}.{key}"
        self.conflicts.append(Mistake(place, message, remedy))

"""What holds the keys of a responder, and how the lists of responses are made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.ocsp_responses.writing import (
    DAY,
    Asked,
    Reply,
    Single,
    by_key,
    by_name,
    nonce_extension,
)
from tests.pki.maker import (
    Authority,
    CaKey,
    Pki,
    PrivateKey,
    dn,
    ec_key,
    issue,
    key_usage,
    leaf_extensions,
)


@attrs.frozen
class Delegate:
    """A responder's certificate (DER) and its key."""

    der: bytes
    key: PrivateKey = attrs.field(repr=False)


class Responder:
    """A certificate, who issued it, and what an OCSP responder for that issuer may hold."""

    def __init__(self, pki: Pki, issuer: Authority | None = None) -> None:
        self.pki = pki
        self.now = pki.now
        self.issuer = issuer or pki.intermediate
        self.client = pki.leaf(self.issuer)

    @property
    def certificate(self) -> bytes:
        return self.client.leaf

    def reply(self, asked: Asked) -> Reply:
        """An honest one by the issuer's own key, which repeats the nonce."""
        single = Single(asked.cert_id, self.now - timedelta(hours=1), self.now + DAY)
        nonce = () if asked.nonce is None else (nonce_extension(asked.nonce),)
        return Reply((single,), self.now, self.issuer.key, by_name(self.issuer.der), extensions=nonce)

    def by_delegate(self, asked: Asked, delegate: Delegate) -> Reply:
        """An honest one, but signed by that delegate."""
        return attrs.evolve(
            self.reply(asked),
            key=delegate.key,
            responder_id=by_key(delegate.der),
            certificates=(delegate.der,),
        )

    def delegate(
        self,
        issuer: Authority | None = None,
        *,
        purposes: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.OCSP_SIGNING,),
        nocheck: bool = True,
        ca: bool = False,
        usage: str = "digital_signature",
        key: PrivateKey | None = None,
        valid: tuple[datetime, datetime] | None = None,
        more: tuple[tuple[x509.ExtensionType, bool], ...] = (),
        signer: CaKey | None = None,
    ) -> Delegate:
        key = key or ec_key("ocsp delegate")
        extensions = leaf_extensions(None, purposes, key_usage(usage), more)
        extensions[0] = (x509.BasicConstraints(ca, None), True)
        if nocheck:
            extensions.append((x509.OCSPNoCheck(), False))
        made = issue(
            dn(O="Test PKI", CN="Responder"),
            key,
            issuer or self.issuer,
            valid=valid or self.pki.valid(),
            extensions=extensions,
            signer=signer,
        )
        return Delegate(made.public_bytes(Encoding.DER), key)

    @cached_property
    def impostor(self) -> Authority:
        """A CA with the issuer's name and another key."""
        name = self.issuer.certificate.subject
        common = name.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
        return self.pki.ca(str(common), self.pki.root, role="ocsp impostor")

    @cached_property
    def subordinate(self) -> Authority:
        """A CA below the issuer."""
        return self.pki.ca("Subordinate", self.issuer)


Make = Callable[[Responder, Asked], bytes]


@attrs.frozen
class Kind:
    """One kind of response.

    :ivar why: codes of OcspRefused, each of which is a right answer; empty for what is honest.
    :ivar status: what an honest one says.
    :ivar with_nonce: whether it is hostile only to a request that has a nonce.
    """

    name: str
    note: str
    answer: Make
    why: tuple[str, ...] = ()
    status: str = "good"
    with_nonce: bool = False

    def make(self, responder: Responder, request: bytes) -> bytes:
        """The response (DER, or what there is in its place) to that request (DER)."""
        return self.answer(responder, Asked.of(request))


HOSTILE: dict[str, Kind] = {}
HONEST: dict[str, Kind] = {}


def hostile(*why: str, with_nonce: bool = False) -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        name = make.__name__.rstrip("_")
        HOSTILE[name] = Kind(name, make.__doc__ or "", make, why, with_nonce=with_nonce)
        return make

    return register


def honest(status: str = "good") -> Callable[[Make], Make]:
    def register(make: Make) -> Make:
        name = make.__name__.rstrip("_")
        HONEST[name] = Kind(name, make.__doc__ or "", make, status=status)
        return make

    return register


def single_changed(responder: Responder, asked: Asked, **changes: Any) -> bytes:
    """An honest reply with its single response changed."""
    reply = responder.reply(asked)
    return attrs.evolve(reply, singles=(attrs.evolve(reply.singles[0], **changes),)).to_der()


def changed(responder: Responder, asked: Asked, **changes: Any) -> bytes:
    """An honest reply, changed."""
    return attrs.evolve(responder.reply(asked), **changes).to_der()


def delegated(responder: Responder, asked: Asked, delegate: Delegate, **changes: Any) -> bytes:
    return attrs.evolve(responder.by_delegate(asked, delegate), **changes).to_der()

"""Paths from a client's certificate to a trust anchor, built and validated by OpenSSL (RFC 5280 section 6).

In a handshake OpenSSL builds the path itself. For a certificate that comes another way, or where one group of
anchors has to be asked alone, it is built here, over the same anchors and by the same rules.

What stands in an X509Store is an anchor, whatever it is, since PARTIAL_CHAIN lets an intermediate CA be one
(OpenSSL would otherwise insist on a self-signed end). So the configured intermediates never go in there:
they help to build, beside those that the client sent, and vouch for nothing.

Policies are not processed: no reason here rests on a policy, and policy checking crashes pyOpenSSL where a
callback is set, so that handshake and offline path would differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Self

import attrs
from OpenSSL import crypto

from mtlsd import reasons
from mtlsd.errors import Fact, Refusal
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.dn import DistinguishedName
from mtlsd.pki.revocation import RevocationPolicy
from mtlsd.pki.usage import check_issuer_usage, check_strength
from mtlsd.pki.verify_errors import forget_openssl_errors, refusal_for

MAX_CHAIN = 10
"""How many certificates a client may send beside its own."""

MAX_CHAIN_BYTES = 100_000
"""How large they may be together: what OpenSSL takes in a handshake."""

_MAX_NAMESAKES = 16
_FLAGS = crypto.X509StoreFlags.PARTIAL_CHAIN
_ISSUER_IS_WRONG = frozenset({reasons.CHAIN_UNTRUSTED.code, reasons.CHAIN_SIGNATURE.code})
_SHA2 = frozenset({"sha224", "sha256", "sha384", "sha512"})
_SHA3 = frozenset({"sha3-224", "sha3-256", "sha3-384", "sha3-512"})
_STRONG_HASHES = _SHA2 | _SHA3 | {None}  # EdDSA names no hash


@attrs.frozen
class AnchorGroup:
    """Trust anchors under one name, and intermediates that help to build paths to them.

    :ivar revocation: how certificates under these anchors are checked for revocation; None for not at all.
    """

    name: str
    anchors: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...] = ()
    revocation: RevocationPolicy | None = None


@attrs.frozen
class Path:
    """A path that OpenSSL validated: the leaf first, the trust anchor last."""

    certificates: tuple[Certificate, ...]

    @property
    def anchor(self) -> Certificate:
        return self.certificates[-1]


@attrs.frozen
class PathValidator:
    """Builds and validates paths to any of a set of anchors. It holds no time and no verdict."""

    anchors: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...]
    strict: bool
    loaded: Mapping[bytes, crypto.X509] = attrs.field(repr=False, eq=False)

    @classmethod
    def from_groups(cls, groups: Iterable[AnchorGroup], strict: bool) -> Self:
        """Take the union of the groups' anchors and intermediates.

        :param strict: whether certificates must be as RFC 5280 has them (X509_STRICT).
        :raises Refusal: when OpenSSL cannot read one of them, see :func:`check_readable`.
        """
        groups = tuple(groups)
        anchors = tuple(dict.fromkeys(own for group in groups for own in group.anchors))
        intermediates = tuple(dict.fromkeys(own for group in groups for own in group.intermediates))
        return cls(anchors, intermediates, strict, {own.der: _load(own) for own in anchors + intermediates})

    def build(self, leaf: bytes | Certificate, chain: Sequence[bytes], now: datetime) -> Path:
        """Find a valid path from the leaf to an anchor.

        :param leaf: DER, or what has been read of it: reading is what costs most of all.
        :param chain: DER of what the client sent beside it, in any order. All of it must be readable, even
            what the path does not need: a handshake would fail likewise.
        :param now: the instant to judge for, aware.
        :raises Refusal: chain.* or certificate.*
        :raises ValueError: for a naive `now`
        """
        if now.tzinfo is None:
            raise ValueError("the instant to judge for must be aware")
        if len(chain) > MAX_CHAIN or sum(map(len, chain)) > MAX_CHAIN_BYTES:
            facts = {"certificates": len(chain), "bytes": sum(map(len, chain))}
            raise Refusal(reasons.CHAIN_TOO_LONG, facts)
        read = leaf if isinstance(leaf, Certificate) else Certificate.from_der(leaf)
        return _Attempt(self, read, tuple(map(Certificate.from_der, chain)), now).path()

    def namesakes(self, *certificates: Certificate) -> Sequence[Certificate]:
        """The anchors that share a name with another anchor and might have issued one of these."""
        names = Counter(_name(anchor.subject) for anchor in self.anchors)
        shared = {name for name, count in names.items() if count > 1}
        if shared:  # comparing strangers' names is dear
            shared &= {_name(own.issuer) for own in certificates}
        return [own for own in self.anchors if _name(own.subject) in shared][:_MAX_NAMESAKES]


@attrs.frozen
class _Attempt:
    """One leaf at one instant."""

    validator: PathValidator
    leaf: Certificate
    sent: Sequence[Certificate]
    now: datetime

    def path(self) -> Path:
        """The first path that any of the tries finds, or the refusal that says most.

        OpenSSL takes one issuer of several with the same name and does not come back to try the next, which
        refuses what is good; it never accepts what is bad. So the other ways are tried before refusing.
        """
        refused: Refusal | None = None
        for anchors, helpers in self._tries():
            try:
                return self._ending_in(anchors, self._build(anchors, helpers))
            except Refusal as refusal:
                if refused is None or refused.reason.code in _ISSUER_IS_WRONG:
                    refused = refusal
        assert refused is not None  # there is always a first try
        raise refused

    def _tries(self) -> Iterator[tuple[Sequence[Certificate], Sequence[Certificate]]]:
        """The anchors and the untrusted helpers of each try, the likeliest first; a bounded number."""
        anchors, configured = self.validator.anchors, self.validator.intermediates
        yield anchors, (*self.sent, *configured)
        if configured and self.sent:
            yield anchors, (*configured, *self.sent)
        for anchor in self.validator.namesakes(self.leaf, *self.sent, *configured):
            yield (anchor,), (*self.sent, *configured)

    def _ending_in(self, anchors: Sequence[Certificate], built: Sequence[Certificate]) -> Path:
        """The path up to its last anchor.

        A leaf that is an anchor itself is accepted whatever stands above it, and OpenSSL leaves that there.
        """
        end = max((number for number, own in enumerate(built, 1) if own in anchors), default=0)
        if end == 0:
            raise Refusal(reasons.CHAIN_UNTRUSTED, self.leaf.facts())
        return Path(tuple(built[:end]))

    def _build(self, anchors: Iterable[Certificate], helpers: Iterable[Certificate]) -> Sequence[Certificate]:
        store = _store(map(self._load, anchors), self.validator.strict, self.now)
        context = crypto.X509StoreContext(store, _load(self.leaf), [self._load(own) for own in helpers])
        try:
            found = context.get_verified_chain()
        except crypto.X509StoreContextError as error:
            raise self._refusal(error) from None
        finally:
            forget_openssl_errors()
        return [self._read(own) for own in found]

    def _read(self, loaded: crypto.X509) -> Certificate:
        der = crypto.dump_certificate(crypto.FILETYPE_ASN1, loaded)
        known = (self.leaf, *self.sent, *self.validator.intermediates, *self.validator.anchors)
        return next((own for own in known if own.der == der), None) or Certificate.from_der(der)

    def _refusal(self, error: crypto.X509StoreContextError) -> Refusal:
        number, depth = error.errors[0], error.errors[1]
        certificate: Certificate | None = None
        # OpenSSL has no certificate at hand for some errors, and pyOpenSSL then wraps a NULL.
        if getattr(error.certificate, "_x509", None):
            with suppress(Refusal, crypto.Error):
                certificate = self._read(error.certificate)
        return refusal_for(number, depth, certificate)

    def _load(self, own: Certificate) -> crypto.X509:
        return self.validator.loaded.get(own.der) or _load(own)


def check_path(path: Path) -> None:
    """Refuse what OpenSSL refuses in a handshake, but not where it builds a path offline.

    There it has no security level and no purpose, so keys and signatures that nobody may rely on any more
    (R46), and CAs for another purpose, are looked for here. The anchor's own signature proves nothing and is
    not looked at. The leaf's usage is :func:`mtlsd.pki.usage.check_client_usage`'s to check.

    :raises Refusal: certificate.weak for the leaf's key, chain.weak or chain.purpose for the rest
    """
    leaf, *issuers = path.certificates
    check_strength(leaf)
    for issuer in issuers:
        check_strength(issuer, reasons.CHAIN_WEAK)
        check_issuer_usage(issuer)
    for certificate in path.certificates[:-1]:
        if certificate.signature_hash not in _STRONG_HASHES:
            facts: dict[str, Fact] = {"expected": "SHA-256 or better", "seen": certificate.signature_hash}
            raise Refusal(reasons.CHAIN_WEAK, certificate.facts() | facts)


def _store(anchors: Iterable[crypto.X509], strict: bool, now: datetime) -> crypto.X509Store:
    """A new store for each try: set_time on a store that has a time already changes nothing."""
    store = crypto.X509Store()
    for anchor in anchors:
        store.add_cert(anchor)
    store.set_flags(_FLAGS | crypto.X509StoreFlags.X509_STRICT if strict else _FLAGS)
    store.set_time(now.astimezone(UTC))
    return store


def check_readable(certificate: Certificate) -> None:
    """Refuse what has been read here, but OpenSSL cannot read, such as a name that is a BOOLEAN.

    :raises Refusal: certificate.malformed
    """
    _load(certificate)


def _load(certificate: Certificate) -> crypto.X509:
    try:
        return crypto.load_certificate(crypto.FILETYPE_ASN1, certificate.der)
    except crypto.Error as error:
        why = error.args[0][0][2] if error.args and error.args[0] else "it does not say why"
        facts = {"part": "certificate", "detail": f"OpenSSL cannot read it: {why}"}
        raise Refusal(reasons.CERTIFICATE_MALFORMED, certificate.facts() | facts) from None


def _name(own: DistinguishedName) -> Hashable:
    return own.to_string() if own.key is None else own.key

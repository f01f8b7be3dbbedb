"""Who may sign a revocation list: a list that was signed by nobody else becomes a RevocationList.

RFC 5280 §6.3.3 steps f to h. Which certificates a list may then speak about is decided when one is looked up,
by :mod:`mtlsd.pki.crl_scope`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

import attrs

from mtlsd.errors import Refusal
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl import CertificateList, OpenedList
from mtlsd.pki.crl_index import Breathe, RevokedIndex, hold_breath
from mtlsd.pki.crl_refused import CrlRefused
from mtlsd.pki.crl_scan import scan_entries
from mtlsd.pki.crl_signature import SignedContent
from mtlsd.pki.extensions import extensions_of, subject_key_identifier
from mtlsd.pki.path import Path, PathValidator, check_path

_MOST_SIGNERS: Final = 16
_NO_SPAN: Final = timedelta()


@attrs.frozen(eq=False)
class RevocationList:
    """A list whose signature is verified: its entries, and the path of the certificate that signed it.

    :ivar name: what it is called where people read of it, such as its file or URL.
    :ivar path: the signer's certificate first, its trust anchor last.
    """

    name: str
    described: CertificateList
    index: RevokedIndex
    path: Path

    @property
    def signer(self) -> Certificate:
        return self.path.certificates[0]


def read_list(
    data: bytes,
    paths: Iterable[Path],
    now: datetime,
    *,
    name: str,
    grace: timedelta = _NO_SPAN,
    breathe: Breathe = hold_breath,
) -> RevocationList:
    """Open a list, verify it and read its entries.

    Meant for a worker thread where the list is large: nothing here keeps the interpreter for more than a few
    milliseconds, given a `breathe` that sleeps a little.

    :param data: DER.
    :param paths: validated paths of certificates that might have signed it; others do not matter.
    :param grace: how long after nextUpdate it is still taken.
    :raises CrlRefused: and nothing else
    """
    opened = OpenedList.from_der(data)
    check_currency(opened.described, now, grace)
    path = signer_path(opened, paths, now)
    described = opened.described
    index = scan_entries(
        data,
        *opened.entries,
        indirect=described.is_indirect,
        delta=described.is_delta,
        breathe=breathe,
    )
    return RevocationList(name, described, index, path)


def check_currency(described: CertificateList, now: datetime, grace: timedelta = _NO_SPAN) -> None:
    """:raises CrlRefused: crl.not_yet_valid or crl.expired"""
    if now < described.this_update:
        raise CrlRefused("crl.not_yet_valid", f"thisUpdate {described.this_update.isoformat()}")
    if now - grace > described.next_update:  # which may be the end of the calendar
        raise CrlRefused("crl.expired", f"nextUpdate {described.next_update.isoformat()}")


def signer_path(opened: OpenedList, paths: Iterable[Path], now: datetime) -> Path:
    """The path of the certificate that signed the list.

    Its subject is the list's issuer, the authority key identifier of the list allows it, it may sign lists,
    every certificate of its path is valid now and strong, and its key made the signature.

    :raises CrlRefused: crl.algorithm, crl.issuer or crl.signature
    """
    named = [path for path in paths if path.certificates[0].subject.matches(opened.described.issuer)]
    detail = opened.described.issuer.to_string()
    possible = [path for path in named if _may_sign(path, opened.described, now)][:_MOST_SIGNERS]
    if not possible:
        raise CrlRefused("crl.issuer", detail)
    content = SignedContent(opened)
    for path in possible:
        if content.is_signed_by(path.certificates[0]):
            return path
    raise CrlRefused("crl.signature", detail)


def signer_paths(validator: PathValidator, now: datetime, seen: Iterable[Path] = ()) -> tuple[Path, ...]:
    """The paths of everybody that may sign lists for a group of anchors, as far as is known.

    Those are its anchors, its intermediates, and the CAs of paths that have been validated.

    :param seen: such as the paths of clients' certificates, for CAs that only the clients know.
    """
    found = {anchor.sha256: Path((anchor,)) for anchor in validator.anchors}
    for own in validator.intermediates:
        with suppress(Refusal):
            found.setdefault(own.sha256, validator.build(own.der, (), now))
    for path in seen:
        for number, own in enumerate(path.certificates[1:], 1):
            found.setdefault(own.sha256, Path(path.certificates[number:]))
    return tuple(found.values())


def _may_sign(path: Path, described: CertificateList, now: datetime) -> bool:
    signer = path.certificates[0]
    if not all(own.not_before <= now <= own.not_after for own in path.certificates):
        return False
    try:
        check_path(path)
        found = extensions_of(signer.der)
        key = subject_key_identifier(found)
    except (Refusal, ValueError):
        return False
    allowed = described.authority_key
    if allowed is not None and not allowed.allows(key, signer.issuer, signer.serial_number):
        return False
    # Without key usage, what anybody else of that name holds could sign: only a CA's certificate may.
    return signer.is_ca or len(path.certificates) == 1 if signer.crl_sign is None else signer.crl_sign

"""The revocation lists that a configuration names: whether they are any good.

The daemon reads files itself, later and in a thread. Here a large one is only looked at for being there,
unless whoever asks has the time to wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs

from mtlsd.config.notes import Notes
from mtlsd.config.reading import Unreadable, read_file
from mtlsd.config.text import key_path, shown, suggestion
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl import lists_of
from mtlsd.pki.crl_issuer import RevocationList, read_list, signer_paths
from mtlsd.pki.crl_refused import WHYS, CrlRefused
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.path import AnchorGroup, PathValidator
from mtlsd.pki.path import Path as CertificatePath

FROM_CERTIFICATE: Final = "from-certificate"
"""What stands for the sources that certificates name."""

READ_AT_ONCE: Final = 1 << 20
"""How large a list may be, in bytes, that is read while others wait: some tens of milliseconds."""

LARGEST_LIST: Final = 1 << 30

_ANOTHER: Final = "Have the CA make another one."
_CA_REMEDY: Final = (
    "Add the CA that made it to certificates or intermediates. Ignore this where only clients have that CA's "
    "certificate."
)
_EXPIRED_REMEDY: Final = "Put the CA's next list there: this one says nothing any more."
_ABOUT_SIGNERS: Final = frozenset({"crl.issuer", "crl.signature"})
_WARNINGS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "crl.expired": ("is out of date", _EXPIRED_REMEDY),
        "crl.not_yet_valid": ("is not valid yet", "Check the clocks here and at the CA, or wait."),
        "crl.issuer": ("is by none of the group's CAs", _CA_REMEDY),
        "crl.signature": ("was signed by another key than that of the group's CA", _CA_REMEDY),
    }
)


@attrs.frozen
class Lists:
    """Looks at the lists of one group.

    :ivar grace: how long after its nextUpdate a list counts.
    :ivar largest: how large a list may be, in bytes, to be read whole.
    """

    directory: Path
    group: AnchorGroup
    now: datetime
    grace: timedelta
    largest: int
    notes: Notes

    def check(self, names: Mapping[int, str], *, alone: bool) -> None:
        """Note what is wrong with the files.

        :param names: the names of files by their place in `revocation.crl`.
        :param alone: whether there is no other source, so that a CA without a list here has none.
        """
        if not names:
            return
        before = len(self.notes.found)
        seen = [self._file(index, name) for index, name in names.items()]
        read = [own for lists in seen if lists is not None for own in lists]
        if alone and None not in seen and len(self.notes.found) == before and not self._is_broken:
            self._check_missing(read)

    def read(self, key: str, name: str, content: bytes) -> Sequence[RevocationList]:
        """The lists of a file, or of an answer from `name`; what is wrong with them is noted."""
        try:
            pieces = lists_of(content)
        except CrlRefused as refused:
            self._note(key, name, refused)
            return ()
        return tuple(own for own in (self._list(key, name, piece) for piece in pieces) if own is not None)

    def _list(self, key: str, name: str, der: bytes) -> RevocationList | None:
        try:
            return read_list(der, self._signers, self.now, name=name, grace=self.grace)
        except CrlRefused as refused:
            self._note(key, name, refused)
            return None

    def _file(self, index: int, name: str) -> Sequence[RevocationList] | None:
        """The lists of a file; None where it is too large to be read now."""
        key = key_path("revocation", "crl", index)
        path = self.directory / name
        try:
            if _size(path) > self.largest:
                return None
            content, _ = read_file(path, largest=self.largest)
        except Unreadable as error:
            close = "" if path.exists() else suggestion(name, (FROM_CERTIFICATE,))
            self.notes.add(key, f"{shown(name)} {error.message}", close or error.remedy)
            return ()
        return self.read(key, name, content)

    @property
    def _signers(self) -> Sequence[CertificatePath]:
        validator = PathValidator.from_groups((self.group,), strict=False)
        return signer_paths(validator, self.now)

    def _note(self, key: str, name: str, refused: CrlRefused) -> None:
        if refused.why in _ABOUT_SIGNERS and self._is_broken:
            return
        if refused.why in _WARNINGS:
            message, remedy = _WARNINGS[refused.why]
            self.notes.warn(key, f"{shown(name)} {message}: {refused.detail}", remedy)
        elif refused.why == "crl.malformed":
            remedy = "Give the CA's list, in DER or PEM: -----BEGIN X509 CRL-----."
            self.notes.add(key, f"{shown(name)} is no revocation list: {refused.detail}", remedy)
        else:
            detail = f" ({refused.detail})" if refused.detail else ""
            message = f"{shown(name)} cannot be used: {WHYS[refused.why]}{detail}"
            self.notes.add(key, message, _ANOTHER)

    @property
    def _is_broken(self) -> bool:
        """Whether the group has a mistake itself, such as a CA that cannot be read."""
        return any(note.fatal and note.place.startswith(self.notes.place()) for note in self.notes.found)

    def _check_missing(self, read: Sequence[RevocationList]) -> None:
        """Every certificate of a path is checked, so every CA needs a list."""
        if any(own.described.is_indirect for own in read):
            return
        table = CrlTable.build(read)
        missing = [own for own in self._authorities() if not table.knows(own.subject)]
        for own in missing:
            remedy = "Add its list, or ask in another way too: a URL, ocsp."
            message = f"has no list of {own.subject.to_string()}: nobody can tell what it revoked"
            self.notes.warn("revocation.crl", message, remedy)

    def _authorities(self) -> Iterable[Certificate]:
        found = {own.subject.key: own for own in (*self.group.anchors, *self.group.intermediates)}
        return (own for own in found.values() if own.not_after >= self.now)


def _size(path: Path) -> int:
    """In bytes; 0 where nobody can tell, since whoever reads it then says why."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return 0

"""Reading the files that a configuration names."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import attrs
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mtlsd.config.model import PrivateKey
from mtlsd.config.notes import Notes
from mtlsd.config.pem import PEM_WANTED, certificate_blocks
from mtlsd.config.reading import Unreadable, read_file
from mtlsd.config.text import shown
from mtlsd.errors import Refusal
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import check_readable


@attrs.frozen
class Files:
    """Reads the files named in one table.

    :ivar directory: where relative names start.
    """

    directory: Path
    notes: Notes

    def certificates(self, key: str, name: str) -> tuple[Certificate, ...]:
        """All certificates of a PEM file, in its order; none when something is wrong, which is noted."""
        content = self._content(key, name)
        if content is None:
            return ()
        try:
            blocks = certificate_blocks(content[0])
        except ValueError as error:
            self._add(key, name, str(error), PEM_WANTED)
            return ()
        found = (self._certificate(key, name, index, der) for index, der in enumerate(blocks, 1))
        return tuple(certificate for certificate in found if certificate is not None)

    def private_key(self, key: str, name: str) -> PrivateKey | None:
        """The private key of a PEM file; None when something is wrong, which is noted."""
        content = self._content(key, name)
        if content is None:
            return None
        self._check_permissions(key, name, content[1])
        try:
            private_key = load_pem_private_key(content[0], None)
        except TypeError:
            self._add(key, name, "is encrypted", "Decrypt it: (umask 077; openssl pkey -in OLD -out NEW).")
        except (ValueError, UnsupportedAlgorithm):
            remedy = "Give the key in PEM: -----BEGIN PRIVATE KEY-----."
            self._add(key, name, "has no private key that can be read", remedy)
        else:
            if isinstance(private_key, PrivateKey):
                return private_key
            self._add(
                key, name, "has a key of a kind that is not for TLS servers", "Use EC P-256, RSA or Ed25519."
            )
        return None

    def secret(self, key: str, name: str) -> bytes | None:
        """The content of a file that nobody else may read; None when something is wrong, which is noted."""
        content = self._content(key, name)
        if content is None:
            return None
        self._check_permissions(key, name, content[1])
        return content[0]

    def _content(self, key: str, name: str) -> tuple[bytes, os.stat_result] | None:
        try:
            return read_file(self.directory / name)
        except Unreadable as error:
            self._add(key, name, error.message, error.remedy)
            return None

    def _certificate(self, key: str, name: str, index: int, der: bytes) -> Certificate | None:
        try:
            certificate = Certificate.from_der(der)
            check_readable(certificate)  # or nothing could be built with it later
            return certificate
        except Refusal as refusal:
            detail = str(refusal.facts.get("detail", refusal.reason.meaning))
            self._add(key, name, f"certificate {index} cannot be read: {detail}", "Have it issued again.")
            return None

    def _check_permissions(self, key: str, name: str, status: os.stat_result) -> None:
        if status.st_mode & (stat.S_IRWXO | stat.S_IWGRP):
            self._add(key, name, "is open to other users", "chmod 600 it, and make a new one.")
        elif status.st_mode & stat.S_IRGRP and status.st_uid == os.geteuid() != 0:
            # root:mtlsd 0640 is how a key is lent to a service; a service's own key needs no group
            self._add(key, name, "may be read by its group", "chmod 600 it.", fatal=False)

    def _add(self, key: str, name: str, message: str, remedy: str, *, fatal: bool = True) -> None:
        self.notes.add(key, f"{shown(name)} {message}", remedy, fatal=fatal)

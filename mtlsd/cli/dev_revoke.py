"""`mtlsd dev revoke`: to see what happens to a client whose certificate is revoked."""

from __future__ import annotations

import argparse
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from mtlsd.cli import dev_pki
from mtlsd.cli.exits import OK, UsageError
from mtlsd.ops.audit import utc_now
from mtlsd.pki.printable import printable


def revoke(directory: Path, name: str, now: datetime) -> int:
    """Have the CA of `mtlsd dev init` make its next list, with one more certificate on it.

    :param name: of the certificate's file, without `.pem`.
    :param now: aware; since when it is revoked.
    :returns: the list's number.
    :raises UsageError: where there is nothing to revoke.
    :raises OSError: where a file cannot be read or written.
    """
    try:
        authority = dev_pki.Issued.from_pem(_read(directory, "ca.pem"), _read(directory, "ca.key"))
        known = x509.load_pem_x509_crl(_read(directory, "ca.crl"))
        certificate = x509.load_pem_x509_certificate(_read(directory, f"{name}.pem"))
    except ValueError as error:
        raise UsageError(
            f"{directory} is not as `mtlsd dev init` leaves it: {printable(str(error))}"
        ) from None
    _check_issuer(certificate, authority, name)
    if known.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
        raise UsageError(f"{name} is revoked already")
    number = known.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
    entries = (*known, dev_pki.revoked(certificate, now))
    new = dev_pki.revocation_list(authority, entries, number, now)
    _replace(directory / "ca.crl", new.public_bytes(Encoding.PEM))
    return number


def _read(directory: Path, name: str) -> bytes:
    if Path(name).name != name:
        raise UsageError("give the name of a certificate as dev init has made it, such as billing")
    try:
        return (directory / name).read_bytes()
    except FileNotFoundError:
        there = ", ".join(sorted(path.stem for path in directory.glob("*.pem")))
        has = (
            f"it has the certificates of {there}" if there else "`mtlsd dev init` did not make that directory"
        )
        raise UsageError(f"there is no {directory / name}: {has}") from None


def _check_issuer(certificate: x509.Certificate, authority: dev_pki.Issued, name: str) -> None:
    if certificate == authority.certificate:
        raise UsageError("nobody revokes a trust anchor: remove it from the configuration")
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        raise UsageError(
            f"the CA has not issued the certificate of {name}, so it cannot revoke it: remove the pin"
        ) from None


def _replace(path: Path, content: bytes) -> None:
    """A daemon that reads meanwhile sees the old list or the new one, never half of one."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(content)
    os.replace(beside, path)


def register(verbs: Any) -> None:
    """Add `revoke` to `mtlsd dev`."""
    parser = verbs.add_parser("revoke", help="put a client's certificate on the CA's revocation list")
    parser.add_argument("directory", type=Path, metavar="DIR", help="as `mtlsd dev init` made it")
    parser.add_argument("name", metavar="NAME", help="whose certificate: billing is in billing.pem")
    parser.set_defaults(do=_revoke)


def _revoke(arguments: argparse.Namespace) -> int:
    number = revoke(arguments.directory, arguments.name, utc_now())
    print(f"revoked {arguments.name}: it is on list {number}, {arguments.directory / 'ca.crl'}")
    print("A running daemon knows it within two minutes, or at once when it reloads.")
    return OK

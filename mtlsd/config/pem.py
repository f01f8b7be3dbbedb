"""Certificates in PEM (RFC 7468 section 5), read strictly."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path

from mtlsd.config.notes import Notes
from mtlsd.config.reading import Unreadable, read_file
from mtlsd.errors import ConfigError, Refusal
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.printable import printable

PEM_WANTED = "Give certificates in PEM: -----BEGIN CERTIFICATE-----."

_BOUNDARY = re.compile(rb"-----(BEGIN|END) ([A-Z0-9 ]{1,64})-----[ \t]*")
# OpenSSL writes and reads all three; "TRUSTED CERTIFICATE" carries trust settings that nobody here would obey
_LABELS = (b"CERTIFICATE", b"X509 CERTIFICATE")


def certificates_in(path: Path) -> tuple[Certificate, ...]:
    """The certificates of a PEM file, in its order: at least one.

    :raises ConfigError: saying why it cannot be read.
    """
    notes = Notes(printable(str(path)))
    try:
        content, _ = read_file(path)
        return tuple(map(Certificate.from_der, certificate_blocks(content)))
    except Unreadable as error:
        notes.add("", error.message, error.remedy)
    except ValueError as error:
        notes.add("", str(error), PEM_WANTED)
    except Refusal as refusal:
        notes.add(
            "",
            f"has a certificate that cannot be read: {refusal.facts.get('detail')}",
            "Have it issued again.",
        )
    raise ConfigError(tuple(notes.found))


def certificate_blocks(content: bytes) -> tuple[bytes, ...]:
    """The DER of every certificate in a PEM file, in its order.

    Text between the blocks is allowed, as `openssl x509 -text` writes it, and so are blocks of other kinds.

    :raises ValueError: naming the line of a block that cannot be read, or saying that there is none.
    """
    found: list[bytes] = []
    label, lines = b"", list[bytes]()
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        boundary = _BOUNDARY.fullmatch(line)
        if boundary is None:
            lines.append(line)
        elif boundary[1] == b"BEGIN":
            if label:
                raise ValueError(f"has a block that does not end before line {number}")
            label, lines = boundary[2], []
        else:
            if boundary[2] != label:
                raise ValueError(f"has an END without its BEGIN in line {number}")
            if label in _LABELS:
                found.append(_decoded(lines, number))
            label = b""
    if label:
        raise ValueError("ends in the middle of a block")
    if not found:
        raise ValueError("has no certificate" + (", it is DER" if content[:1] == b"\x30" else ""))
    return tuple(found)


def _decoded(lines: list[bytes], number: int) -> bytes:
    try:
        return base64.b64decode(b"".join(line.strip() for line in lines), validate=True)
    except binascii.Error as error:
        raise ValueError(f"has a block that is no base64, before line {number}") from error

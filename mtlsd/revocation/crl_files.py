"""Reading files of revocation lists that an operator keeps up to date by hand or by a job."""

from __future__ import annotations

import os
import stat
from typing import Final

from mtlsd.pki.crl_refused import CrlRefused
from mtlsd.revocation.crl_source import Stamp

# O_NONBLOCK: to open a FIFO must not wait for its writer.
_FLAGS: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


def read_changed(path: str, known: Stamp | None, most: int) -> tuple[Stamp, bytes | None]:
    """The file's content, None where it is still the one that was read before. Blocks.

    :param most: how large it may be, in bytes.
    :raises OSError: where it cannot be read
    :raises CrlRefused: crl.too_large, or crl.malformed for what is no file
    """
    with open(os.open(path, _FLAGS), "rb") as file:
        status = os.fstat(file.fileno())
        stamp = (status.st_ino, status.st_size, status.st_mtime_ns)
        if stamp == known:
            return stamp, None
        if not stat.S_ISREG(status.st_mode):
            raise CrlRefused("crl.malformed", "not a regular file")
        data = file.read(most + 1)
    if len(data) > most:
        raise CrlRefused("crl.too_large", f"more than {most} bytes")
    return stamp, data

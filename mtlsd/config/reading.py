"""Reading a file whole, and saying in a sentence why it cannot be read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import attrs

from mtlsd.pki.printable import printable

# Far more than any bundle of certificates has, and little enough for a mistake such as /dev/zero
LARGEST_FILE = 16 * 1024 * 1024


@attrs.frozen
class Unreadable(Exception):
    """A file cannot be read; `str` of it follows the file's name in a sentence."""

    message: str
    remedy: str


def read_file(
    path: Path, *, regular: bool = True, largest: int = LARGEST_FILE
) -> tuple[bytes, os.stat_result]:
    """The file's content, and whose it is.

    :param regular: refuse pipes and devices, which could hold up the whole daemon.
    :param largest: how many bytes it may have.
    :raises Unreadable: saying why not.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | (os.O_NONBLOCK if regular else 0))
        try:
            status = os.fstat(descriptor)
            content = _read(descriptor, status, regular, largest)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if len(content) > largest:
        raise Unreadable(f"is larger than {largest} bytes", "Name another file.")
    return content, status


def _read(descriptor: int, status: os.stat_result, regular: bool, largest: int) -> bytes:
    if stat.S_ISDIR(status.st_mode) or (regular and not stat.S_ISREG(status.st_mode)):
        raise Unreadable("is not a regular file", "Name a file.")
    with open(descriptor, "rb", closefd=False) as file:
        return file.read(largest + 1)


def _unreadable(path: Path, error: OSError | ValueError) -> Unreadable:
    match error:
        case FileNotFoundError():
            looked = printable(str(path.absolute()))
            remedy = (
                f"Looked for at {looked}. Relative names start at the directory of the file that has them."
            )
            return Unreadable("does not exist", remedy)
        case PermissionError():
            return Unreadable("may not be read", "Let the user that mtlsd runs as read it.")
        case OSError():
            return Unreadable(f"cannot be read: {os.strerror(error.errno or 0)}", "Name a readable file.")
    return Unreadable("is no file name", "Name a file.")

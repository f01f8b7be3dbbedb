"""The names of the fields that can carry a forwarded certificate, in every spelling that passes for one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Final

CREDENTIALS_FIELD: Final = b"x-proxy-authorization"
"""The field with a proxy's own credentials. `Authorization` is its client's, and many programs take
`Proxy-Authorization` out of what they pass on."""


def spellings(names: Iterable[bytes]) -> frozenset[bytes]:
    """Each name with `_` in place of any of its hyphens: CGI, and so many a program, cannot tell them apart.

    :param names: in lower case.
    """
    return frozenset(
        b"".join(piece)
        for name in names
        for piece in product(*((b"-", b"_") if octet == b"-" else (octet,) for octet in _octets(name)))
    )


def _octets(name: bytes) -> Iterable[bytes]:
    return (name[position : position + 1] for position in range(len(name)))

"""The fields of a request that only a proxy may send."""

from __future__ import annotations

from collections.abc import Container, Iterable

from mtlsd import reasons
from mtlsd.errors import Refusal


def once_each(
    fields: Iterable[tuple[bytes, bytes]], own: Container[bytes], guarded: Container[bytes]
) -> dict[bytes, bytes]:
    """The proxy's own fields by name, in lower case; what else a request has is left out.

    :param own: the names that the proxy sends, in lower case.
    :param guarded: names that nobody may send otherwise, in every spelling; those in `own` may be among them.
    :raises Refusal: `forwarded.repeated`, `forwarded.spelling` or `forwarded.unexpected`.
    """
    values: dict[bytes, bytes] = {}
    for name, value in fields:
        key = name.lower()
        if key in own:
            if key in values:
                raise Refusal(reasons.FORWARDED_REPEATED, {"field": key.decode("ascii")})
            values[key] = value
        elif key in guarded:
            raise misplaced(key)
    return values


def misplaced(name: bytes) -> Refusal:
    """The refusal of a field that nobody may send here.

    :param name: one of the guarded names.
    """
    reason = reasons.FORWARDED_SPELLING if b"_" in name else reasons.FORWARDED_UNEXPECTED
    return Refusal(reason, {"field": name.decode("ascii")})

"""Why nothing was fetched."""

from __future__ import annotations

import attrs

from mtlsd.pki.printable import printable

_LONGEST_DETAIL = 200


def _shown(text: str) -> str:
    return printable(text)[:_LONGEST_DETAIL]


@attrs.frozen
class FetchRefused(Exception):
    """Nothing was fetched.

    :ivar code: stable. Before anything goes out: ``url``, ``scheme``, ``port``, ``resolve`` (the name has no
        address), ``address`` (it has none that may be used), ``busy`` (the queue is full, or too many
        look-ups wait). On the way: ``connection``, ``tls``, ``deadline``, ``http`` (the answer is not HTTP),
        ``headers`` (too many), ``redirect``, ``status``, ``encoding``, ``too_large``. And ``closed`` where
        the fetcher has ended, ``failed`` for what nobody foresaw.
    :ivar detail: one printable sentence of at most 200 characters, for the log.
    :ivar status: of the answer, where the code is ``status``.
    """

    code: str
    detail: str = attrs.field(converter=_shown)
    status: int | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"

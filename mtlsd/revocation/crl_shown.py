"""What is shown of the sources of revocation lists."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from mtlsd.revocation.crl_book import Book
from mtlsd.revocation.crl_reading import ReadList
from mtlsd.revocation.crl_shelf import Shelf
from mtlsd.revocation.crl_source import CrlSource
from mtlsd.revocation.status import SourceStatus


def statuses(group: str, book: Book, shelf: Shelf) -> Iterator[SourceStatus]:
    """Every source, with each of its lists."""
    for source in book.sources.values():
        shown = _shown(group, source)
        lists = shelf.of(source.name)
        yield from (_with(shown, own) for own in lists)
        if not lists:
            yield shown


def _shown(group: str, source: CrlSource) -> SourceStatus:
    return SourceStatus(
        group=group,
        kind="crl",
        source=source.name,
        last_good=source.last_good,
        last_tried=source.last_tried,
        next_try=source.next_try,
        error=source.error,
    )


def _with(shown: SourceStatus, own: ReadList) -> SourceStatus:
    described = own.own.described
    return attrs.evolve(
        shown,
        issuer=described.issuer.to_string(),
        number=described.number,
        entries=own.own.index.count,
        bytes=own.octets,
        this_update=described.this_update,
        next_update=described.next_update,
    )

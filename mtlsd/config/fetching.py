"""From `[fetch]` to what may be fetched, and whether a URL of the configuration would be."""

from __future__ import annotations

import os
import stat
from datetime import datetime
from pathlib import Path

from mtlsd.config.document import FetchTable
from mtlsd.config.files import Files
from mtlsd.config.model import Fetch
from mtlsd.config.notes import Notes
from mtlsd.config.outputs import directory_of
from mtlsd.config.text import key_path, shown
from mtlsd.fetch.addresses import AddressRules
from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.url import Url


def load_fetch(table: FetchTable, directory: Path, now: datetime, notes: Notes) -> Fetch:
    """What `[fetch]` says; mistakes are noted, and what has them is left out."""
    files = Files(directory, notes)
    key = "trusted_certificates"
    roots = tuple(root for name in table.trusted_certificates for root in files.certificates(key, name))
    for root in roots:
        if root.not_after < now:
            message = f"{root.subject.to_string()} expired on {root.not_after:%Y-%m-%d}"
            notes.warn(key, message, "Replace it: no server is trusted by it.")
    cache = directory_of("cache", table.cache, directory, notes)
    _check_private(cache, notes)
    _check_writable(cache, notes)
    return Fetch(
        allow=tuple(entry for index, entry in enumerate(table.allow) if _is_place(entry, index, notes)),
        trusted_certificates=tuple(dict.fromkeys(roots)),
        cache=cache,
        wait_seconds=table.wait_seconds,
    )


def read_url(text: str, key: str, notes: Notes) -> Url | None:
    """A URL to fetch from, None where there is a mistake in it.

    Wherever it leads: to write it into the configuration is to allow it. What certificates name goes by
    `[fetch] allow` alone.
    """
    try:
        return Url.from_string(text)
    except FetchRefused as refused:
        remedy = "Take an http or https URL: what is fetched is signed, so http does no harm."
        notes.add(key, f"{shown(text)} cannot be fetched from: {refused.detail}", remedy)
        return None


def check_jwks_uri(text: str, fetch: Fetch, notes: Notes) -> None:
    """Note what the text of a client's `jwks_uri` alone tells: that nothing will ever be fetched from there.

    It is the client's word, not the operator's, so private addresses are refused unless `allow` has them.
    """
    try:
        url = Url.from_string(text)
        if url.address is not None:
            AddressRules.allowing(fetch.allow).usable(url.host, (url.address,))
    except FetchRefused as refused:
        remedy = "Take another URL, or allow its address: [fetch] allow = [...]."
        notes.warn("jwks_uri", f"nothing is fetched from {shown(text)}: {refused.detail}", remedy)


def _is_place(entry: str, index: int, notes: Notes) -> bool:
    try:
        AddressRules.allowing((entry,))
    except ValueError:
        remedy = 'Name what may be reached: "10.1.0.0/16", "fd00::7", "ocsp.internal.example".'
        notes.add(key_path("allow", index), f"{shown(entry)} is neither network, address nor host", remedy)
        return False
    return True


def _check_private(cache: Path, notes: Notes) -> None:
    """Who can write there could have old lists served again. What reads it refuses it then."""
    try:
        status = cache.stat()
    except (OSError, ValueError):
        return
    if stat.S_ISDIR(status.st_mode) and status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        notes.warn("cache", "is open to other users: nothing is kept there", "chmod 700 it.")


def _check_writable(cache: Path, notes: Notes) -> None:
    """Beside a configuration in /etc, which is where the default leads, the daemon may write nothing."""
    try:
        place = cache if cache.is_dir() else cache.parent
        writable = os.access(place, os.W_OK | os.X_OK) or not place.is_dir()
    except (OSError, ValueError):
        writable = False
    if not writable:
        remedy = "Name a directory that the user mtlsd runs as can make, such as /var/lib/mtlsd/cache."
        notes.warn("cache", f"{shown(str(cache))} cannot be written: nothing outlives a restart", remedy)

"""The certificates that clients publish, as a daemon has kept them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mtlsd.cache.files import CacheDirectory
from mtlsd.clients.fetched import Published, jwks_uris
from mtlsd.clients.index import Registration
from mtlsd.config.model import Config
from mtlsd.jwks_uri.disk import DIRECTORY, kept_sets
from mtlsd.jwks_uri.timing import Timing
from mtlsd.ops.audit import utc_now


def kept(config: Config, registrations: Iterable[Registration]) -> Mapping[str, Sequence[Published]]:
    """What a daemon has fetched last for these clients, by `jwks_uri`, for a command: nothing is fetched."""
    directory = CacheDirectory(config.fetch.cache).below(DIRECTORY)
    return kept_sets(directory, jwks_uris(registrations), utc_now() - Timing().keep)

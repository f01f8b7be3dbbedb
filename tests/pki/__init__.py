"""Good and bad certificates, for unit tests and end-to-end tests alike.

    pki = Pki(now)                                  # one PKI at one instant
    presented = BAD["eku_server_auth"].make(pki)    # leaf (DER), key, chain as sent
    presented.write(directory)                      # client.pem (leaf and chain) and client.key

Whoever serves these holds ``pki.anchors`` as one trust anchor group, with no intermediates, and registers
one client for each of :data:`SUBJECT`, :data:`DNS`, :data:`URI`, :data:`IP` and :data:`EMAIL`, and one for
each of ``pki.pins``. Every kind in :data:`BAD` must then be refused, for one of its ``reasons``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tests.pki.bad_encodings import ENCODINGS
from tests.pki.bad_names import NAMES
from tests.pki.bad_paths import PATHS
from tests.pki.good import GOOD
from tests.pki.kinds import Kind
from tests.pki.maker import (
    DNS,
    EMAIL,
    IP,
    NOW,
    SUBJECT,
    URI,
    Authority,
    Pki,
    Presented,
    Written,
    dn,
    ec_key,
    issue,
)

BAD: Mapping[str, Kind] = MappingProxyType({**PATHS, **NAMES, **ENCODINGS})

__all__ = [
    "BAD",
    "DNS",
    "EMAIL",
    "GOOD",
    "IP",
    "NOW",
    "SUBJECT",
    "URI",
    "Authority",
    "Kind",
    "Pki",
    "Presented",
    "Written",
    "dn",
    "ec_key",
    "issue",
]

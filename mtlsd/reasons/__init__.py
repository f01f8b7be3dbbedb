"""Every reason for which mtlsd refuses, in one table.

``docs/refusals.md`` is this table for people, and a test holds the two together. Each reason is a name of
this package: ``reasons.CERTIFICATE_EXPIRED``.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mtlsd.errors import Reason
from mtlsd.reasons import (
    authorizations,
    certificates,
    forwarding,
    protected_resources,
    registrations,
    requests,
)
from mtlsd.reasons.authorizations import *  # noqa: F403  # each of its reasons is a name of this package
from mtlsd.reasons.certificates import *  # noqa: F403  # each of its reasons is a name of this package
from mtlsd.reasons.forwarding import *  # noqa: F403  # each of its reasons is a name of this package
from mtlsd.reasons.protected_resources import *  # noqa: F403  # each of its reasons is a name of this package
from mtlsd.reasons.registrations import *  # noqa: F403  # each of its reasons is a name of this package
from mtlsd.reasons.requests import *  # noqa: F403  # each of its reasons is a name of this package

REASONS: Mapping[str, Reason] = MappingProxyType(
    {
        reason.code: reason
        for area in (certificates, requests, forwarding, authorizations, registrations, protected_resources)
        for reason in vars(area).values()
        if isinstance(reason, Reason)
    }
)
"""By their codes, in the order of the table."""

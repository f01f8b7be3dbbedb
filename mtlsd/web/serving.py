"""What the resources serve at this moment: one whole, swapped when anything changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import attrs

from mtlsd.errors import Fact
from mtlsd.oauth.token_endpoint import TokenEndpoint
from mtlsd.verdicts import Judge


@attrs.frozen
class Serving:
    """Everything that an answer depends on, made from one configuration, store and keyring.

    :ivar metadata: the JSON document of RFC 8414.
    :ivar jwks: the JWK Set (RFC 7517) of the signing keys.
    """

    judge: Judge
    token_endpoint: TokenEndpoint
    metadata: bytes
    jwks: bytes


@attrs.define
class Current:
    """The one reference that a reload swaps.

    :ivar audit: takes the name of an event and its facts.
    :ivar now: the instant, aware UTC.
    :ivar random_id: makes an unguessable identifier, short enough to be read out.
    """

    serving: Serving
    audit: Callable[[str, dict[str, Fact]], None]
    now: Callable[[], datetime]
    random_id: Callable[[], str]

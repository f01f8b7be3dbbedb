"""What a connection may cost: sizes in bytes, spans in seconds."""

from __future__ import annotations

import attrs


@attrs.frozen
class Limits:
    """The limits of one listener's connections.

    :ivar header_bytes: request line and header section together; more is 431.
    :ivar header_fields: how many field lines a request may have; more is 431.
    :ivar line_bytes: the request line alone; more is 414. RFC 9112 section 3 asks for 8000 at least.
    :ivar body_bytes: the body after the transfer coding is removed; more is 413.
    :ivar pipelined_bytes: how much is read ahead while a request is being answered, before reading pauses.
    :ivar handshake_seconds: from the connection until the TLS handshake is complete, however it drips.
    :ivar request_seconds: from a request's first byte until its body is complete, however it drips.
    :ivar keepalive_seconds: how long a connection may stay idle before the first and between requests.
    :ivar write_seconds: how long a peer may take to read all of what fills the transport's buffer (64 KiB and
        more); answers here are small.
    :ivar linger_seconds: how long a closing connection waits for its peer before it is aborted.
    :ivar drain_seconds: how long a draining connection that is idle still takes a request that was under way.
    :ivar first_request_seconds: the same for a connection whose handshake has only just been completed.
    """

    header_bytes: int = 16384
    header_fields: int = 100
    line_bytes: int = 8192
    body_bytes: int = 65536
    pipelined_bytes: int = 16384
    handshake_seconds: float = 10.0
    request_seconds: float = 10.0
    keepalive_seconds: float = 60.0
    write_seconds: float = 10.0
    linger_seconds: float = 5.0
    drain_seconds: float = 0.1
    first_request_seconds: float = 2.0

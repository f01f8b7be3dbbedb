"""Who sends a request: the client at the other end of the connection, or the one that a proxy speaks for."""

from __future__ import annotations

from twisted.web.iweb import IRequest

from mtlsd.forwarded.peer import ForwardedPeer
from mtlsd.tls.peer import Peer, peer_of

ClientPeer = Peer | ForwardedPeer


def client_of(request: IRequest) -> ClientPeer | None:
    """What is known of the client that sends `request`; None where the connection is not one of ours."""
    known: ClientPeer | None = getattr(request, "client_peer", None)  # a stock Site's requests have none yet
    return known or peer_of(getattr(request, "transport", None))


def speak_for(request: IRequest, peer: ForwardedPeer) -> None:
    """Have it known that the request is this client's: the door of a listener for proxies alone says so."""
    request.client_peer = peer  # type: ignore[attr-defined]  # requests are what resources hand on

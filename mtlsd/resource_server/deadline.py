"""Sockets that end at one instant, however slowly the other side goes on."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from ipaddress import ip_address
from typing import Any


class TimedSocket(ssl.SSLSocket):
    """A TLS connection whose every read and write ends by :attr:`ends_at`, of :func:`time.monotonic`.

    A timeout of the standard library is for each call anew: who sends a byte now and then is never late.
    """

    ends_at: float = 0.0

    def recv_into(self, *arguments: Any, **more: Any) -> int:
        self.settimeout(seconds_until(self.ends_at))
        return super().recv_into(*arguments, **more)

    def send(self, *arguments: Any, **more: Any) -> int:
        self.settimeout(seconds_until(self.ends_at))
        return super().send(*arguments, **more)


def seconds_until(ends_at: float) -> float:
    """:raises TimeoutError: when that has passed."""
    left = ends_at - time.monotonic()
    if left <= 0:
        raise TimeoutError("the deadline has passed")
    return left


def has_something_to_read(connection: TimedSocket) -> bool:
    """Whether there is what nobody has asked for, or an end: it must not answer the next question."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return connection.pending() > 0 or bool(poll.poll(0))


def connect(host: str, port: int, context: ssl.SSLContext, ends_at: float) -> TimedSocket:
    """A verified TLS connection.

    :param context: whose connections are :class:`TimedSocket`.
    :raises OSError: when there is none in time.
    """
    failed: OSError = OSError("the name has no address")
    addresses = _addresses(host, port, ends_at)
    for tried, address in enumerate(addresses):
        try:  # one that nobody answers from leaves its share to the others
            share = seconds_until(ends_at) / (len(addresses) - tried)
            plain = socket.create_connection(address, share)
        except OSError as error:
            failed = error
            continue
        try:
            plain.settimeout(seconds_until(ends_at))  # the handshake as a whole has one timeout
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connected = context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
        assert isinstance(connected, TimedSocket)
        connected.ends_at = ends_at
        return connected
    raise failed


def _addresses(host: str, port: int, ends_at: float) -> list[tuple[str, int]]:
    """What the system's resolver says; it knows no deadline, so a thread of its own waits for it."""
    try:
        return [(str(ip_address(host)), port)]
    except ValueError:
        found: list[tuple[str, int]] = []
    errors: list[OSError] = []

    def look_up() -> None:
        try:
            for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append((str(address[0]), port))
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=look_up, daemon=True, name="mtlsd-resolver")
    thread.start()
    thread.join(seconds_until(ends_at))
    if errors:
        raise errors[0]
    if thread.is_alive():
        raise TimeoutError("the name could not be looked up in time")
    return list(dict.fromkeys(found))

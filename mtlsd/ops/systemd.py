"""Telling systemd how the daemon fares: the protocol of sd_notify(3), without its library."""

from __future__ import annotations

import socket
from collections.abc import Callable, MutableMapping
from typing import Protocol, Self

import attrs
from twisted.logger import Logger


class DatagramSocket(Protocol):
    """What is used of a Unix datagram socket."""

    def sendto(self, data: bytes, address: bytes, /) -> int: ...

    def close(self) -> None: ...


def unix_datagram_socket() -> DatagramSocket:
    """A socket that never blocks: a service manager which does not read must not stop the daemon."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    made.setblocking(False)
    return made


def socket_address(text: str) -> bytes | None:
    """The address that NOTIFY_SOCKET names: a path, or ``@`` and an abstract name.

    :return: None for a kind that is neither, such as the ``vsock:`` of a virtual machine's manager.
    """
    if text.startswith("@"):
        return b"\0" + text[1:].encode("utf-8", "surrogateescape")
    if text.startswith("/"):
        return text.encode("utf-8", "surrogateescape")
    return None


def status_line(text: str) -> tuple[str, ...]:
    """STATUS= with *text* on one line: a second line would be an assignment of its own. Nothing for ""."""
    return (f"STATUS={' '.join(text.splitlines())}",) if text else ()


@attrs.define
class Notifier:
    """Says to the service manager what a unit with Type=notify waits for.

    Without a service manager, that is without NOTIFY_SOCKET, every call does nothing. A message that cannot
    be sent is never an error of the daemon's: the first one is logged, and the daemon goes on.

    :ivar address: where the messages go, or None.
    :ivar monotonic_ns: CLOCK_MONOTONIC in nanoseconds, as ``time.monotonic_ns`` gives it.
    """

    _log = Logger()

    address: bytes | None
    monotonic_ns: Callable[[], int]
    open_socket: Callable[[], DatagramSocket] = unix_datagram_socket
    _complained: bool = attrs.field(default=False, init=False)

    @classmethod
    def from_environ(
        cls,
        environ: MutableMapping[str, str],
        *,
        monotonic_ns: Callable[[], int],
        open_socket: Callable[[], DatagramSocket] = unix_datagram_socket,
        unset: bool = True,
    ) -> Self:
        """The notifier that NOTIFY_SOCKET asks for.

        :param unset: take NOTIFY_SOCKET out of *environ*, so that no child process speaks in our name.
        """
        text = environ.pop("NOTIFY_SOCKET", "") if unset else environ.get("NOTIFY_SOCKET", "")
        notifier = cls(socket_address(text), monotonic_ns, open_socket)
        if text and notifier.address is None:
            notifier._complain(f"NOTIFY_SOCKET={text!r} is neither a path nor an abstract name")
        return notifier

    def ready(self, status: str = "") -> None:
        """Started, or reloaded: connections are served from now on."""
        self._tell("READY=1", *status_line(status))

    def reloading(self) -> None:
        """A reload begins; :meth:`ready` ends it, whether it went well or the old configuration stays.

        The time is what Type=notify-reload (systemd 253 and later) demands; others ignore it.
        """
        self._tell("RELOADING=1", f"MONOTONIC_USEC={self.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> None:
        """No new connection is taken, and what is in flight is finished."""
        self._tell("STOPPING=1", *status_line(status))

    def status(self, text: str) -> None:
        """One line for people, shown by ``systemctl status``."""
        self._tell(*status_line(text))

    def _tell(self, *assignments: str) -> None:
        if self.address is None or not assignments:
            return
        message = "\n".join(assignments).encode()
        try:
            notification = self.open_socket()
            try:
                notification.sendto(message, self.address)
            finally:
                notification.close()
        except OSError as error:
            self._complain(str(error))

    def _complain(self, what: str) -> None:
        if not self._complained:
            self._complained = True
            self._log.warn("systemd.notify_failed: {error}", error=what)

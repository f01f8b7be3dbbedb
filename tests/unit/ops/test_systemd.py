"""mtlsd.ops.systemd: the protocol of sd_notify(3)."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import attrs
import pytest
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from mtlsd.ops.systemd import DatagramSocket, Notifier, socket_address


@attrs.define
class Manager:
    """A service manager that keeps what it is told, or one that is not there."""

    error: OSError | None = None
    told: list[tuple[bytes, bytes]] = attrs.field(factory=list)
    opened: int = 0
    closed: int = 0

    def open(self) -> DatagramSocket:
        self.opened += 1
        return self

    def sendto(self, data: bytes, address: bytes, /) -> int:
        if self.error is not None:
            raise self.error
        self.told.append((address, data))
        return len(data)

    def close(self) -> None:
        self.closed += 1


def notifier(manager: Manager, address: str = "/run/systemd/notify") -> Notifier:
    environ = {"NOTIFY_SOCKET": address}
    return Notifier.from_environ(environ, monotonic_ns=lambda: 1_234_567_890, open_socket=manager.open)


@pytest.fixture
def events() -> Iterator[list[LogEvent]]:
    """What is logged during the test."""
    logged: list[LogEvent] = []
    observer = cast(ILogObserver, logged.append)
    globalLogPublisher.addObserver(observer)
    yield logged
    globalLogPublisher.removeObserver(observer)


def test_the_life_of_a_daemon() -> None:
    manager = Manager()
    daemon = notifier(manager)
    daemon.ready("2 listeners")
    daemon.reloading()
    daemon.ready()
    daemon.status("3 listeners")
    daemon.stopping("draining")
    assert [data for _, data in manager.told] == [
        b"READY=1\nSTATUS=2 listeners",
        b"RELOADING=1\nMONOTONIC_USEC=1234567",
        b"READY=1",
        b"STATUS=3 listeners",
        b"STOPPING=1\nSTATUS=draining",
    ]
    assert {address for address, _ in manager.told} == {b"/run/systemd/notify"}
    assert (manager.opened, manager.closed) == (5, 5)


def test_a_status_cannot_carry_a_second_assignment() -> None:
    manager = Manager()
    notifier(manager).status("bad file\nMAINPID=1\r\nx")
    assert manager.told[0][1] == b"STATUS=bad file MAINPID=1 x"


def test_without_a_service_manager_nothing_happens() -> None:
    manager = Manager()
    daemon = Notifier.from_environ({}, monotonic_ns=lambda: 0, open_socket=manager.open)
    daemon.ready()
    daemon.reloading()
    daemon.stopping()
    daemon.status("")
    assert manager.opened == 0


def test_an_error_is_logged_once_and_the_socket_closed(events: list[LogEvent]) -> None:
    manager = Manager(error=ConnectionRefusedError(111, "Connection refused"))
    daemon = notifier(manager)
    daemon.ready()
    daemon.stopping()
    assert [event["error"] for event in events] == ["[Errno 111] Connection refused"]
    assert (manager.opened, manager.closed) == (2, 2)


def test_no_socket_to_be_had_is_no_error_of_the_daemon(events: list[LogEvent]) -> None:
    def exhausted() -> DatagramSocket:
        raise OSError(24, "Too many open files")

    environ = {"NOTIFY_SOCKET": "/run/systemd/notify"}
    Notifier.from_environ(environ, monotonic_ns=lambda: 0, open_socket=exhausted).ready()
    assert len(events) == 1


def test_children_do_not_speak_in_our_name() -> None:
    environ = {"NOTIFY_SOCKET": "/run/n", "HOME": "/"}
    Notifier.from_environ(environ, monotonic_ns=lambda: 0)
    assert environ == {"HOME": "/"}
    environ = {"NOTIFY_SOCKET": "/run/n"}
    Notifier.from_environ(environ, monotonic_ns=lambda: 0, unset=False)
    assert environ == {"NOTIFY_SOCKET": "/run/n"}


def test_addresses() -> None:
    assert socket_address("/run/systemd/notify") == b"/run/systemd/notify"
    assert socket_address("@/org/notify") == b"\0/org/notify"
    for neither in ("", "vsock:2:1234", "run/notify"):
        assert socket_address(neither) is None


def test_an_address_of_another_kind_is_said(events: list[LogEvent]) -> None:
    notifier(Manager(), "vsock:2:1234").ready()
    assert len(events) == 1
    assert "vsock:2:1234" in events[0]["error"]


@pytest.mark.parametrize("abstract", [False, True])
def test_a_real_socket_hears_it(tmp_path: Path, abstract: bool) -> None:
    address = f"@mtlsd-test-{tmp_path}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address.replace("@", "\0", 1))
        manager.settimeout(1)
        Notifier.from_environ({"NOTIFY_SOCKET": address}, monotonic_ns=lambda: 0).ready()
        assert manager.recv(100) == b"READY=1"

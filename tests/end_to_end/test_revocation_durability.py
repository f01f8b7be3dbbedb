"""A daemon whose clock jumps, that is killed while it keeps a list, and whose disk is full."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs
import pytest

from tests.end_to_end.clients import PROGRAMS, TLS_1_3, NoAnswer, Session
from tests.end_to_end.clients import request_token as form
from tests.end_to_end.daemon import MTLSD, Daemon, eventually, running
from tests.end_to_end.openssl_ca import OpensslCa, responder_port
from tests.end_to_end.real_pki import (
    ALERTS,
    CLIENT,
    REVOKED,
    UNKNOWN,
    RealPki,
    check_alert,
    restarted,
)
from tests.end_to_end.tools import needs
from tests.pki import Written

pytestmark = needs("openssl", "nginx", "curl")

HASTY = (sys.executable, str(PROGRAMS / "hasty_mtlsd.py"))
RUN = ("run", "-c")
DISK_BYTES = 64 * 1024
LONG = 3000
"""Entries of a list that is larger than the disk."""


@attrs.frozen
class Case:
    """A CA with its list at nginx, and a group that fetches it.

    :ivar late: a certificate that will be revoked.
    """

    pki: RealPki
    ca: OpensslCa
    good: Written
    late: Written

    def ask(self, presented: Written) -> int:
        return self.pki.ask("crl", presented, TLS_1_3).status

    def session(self, presented: Written) -> Session:
        return Session(self.pki.setup.url("crl"), self.pki.setup.ca_file, presented)

    def refused(self, presented: Written) -> NoAnswer:
        with pytest.raises(NoAnswer) as caught:
            self.pki.ask("crl", presented, TLS_1_3)
        return caught.value

    def wait_for_lists(self, daemon: Daemon) -> None:
        for name in ("own.crl", "root.crl"):
            daemon.event("crl.updated", source=self.pki.url(name))

    def becomes_revoked(self) -> None:
        """Once the newest list has come; until then it is good."""

        def is_revoked() -> bool:
            try:
                return self.ask(self.late) != 200
            except NoAnswer as refused:
                return refused.alert == ALERTS[REVOKED]

        eventually(is_revoked)


@pytest.fixture
def case(tmp_path: Path) -> Iterator[Case]:
    with RealPki(tmp_path / "daemon") as pki:
        ca = pki.ca("own")
        pki.group("crl", ca, crl=[pki.url("own.crl"), pki.url("root.crl")])
        yield Case(pki, ca, pki.leaf(ca, "good"), pki.leaf(ca, "late"))


@pytest.mark.parametrize(("step", "is_kept"), [("write", False), ("rename", False), ("renamed", True)])
def test_killed_while_it_keeps_a_list(case: Case, step: str, is_kept: bool) -> None:
    """It starts again with the list before or the list after, and nothing in between."""
    setup, now = case.pki.setup, case.pki.setup.directory / "now"
    daemon = Daemon(setup, (*HASTY, "--die", step, str(now), *RUN))
    try:
        daemon.wait_until_ready()
        case.wait_for_lists(daemon)
        assert case.ask(case.late) == 200
        eventually(lambda: len(kept_lists(case)) == 2)
        now.touch()
        case.ca.revoke(case.late.certificate)
        case.pki.publish(case.ca)
        assert daemon.wait() == -signal.SIGKILL
    finally:
        daemon.process.kill()
        daemon.process.wait()
    assert len(kept_lists(case)) == 2
    case.pki.nginx.stop()
    with running(restarted(setup), (*HASTY, *RUN)) as daemon:
        if is_kept:
            check_alert(daemon, 0, case.refused(case.late))
        else:
            assert case.ask(case.late) == 200
        assert case.ask(case.good) == 200
        daemon.event("source.failed", source=case.pki.url("own.crl"))
        assert not daemon.events("cache.failed")
        case.pki.nginx.start()
        daemon.event("source.recovered", source=case.pki.url("own.crl"))
        case.becomes_revoked()
        assert case.ask(case.good) == 200
        eventually(lambda: len(list(cache(case).iterdir())) == 2, "what was half written is still there")


def cache(case: Case) -> Path:
    return case.pki.setup.directory / "cache" / "crl"


def kept_lists(case: Case) -> list[Path]:
    return [file for file in cache(case).glob("*") if not file.name.startswith(".")]


@needs("mount", root=True)
def test_a_full_disk(case: Case) -> None:
    """What cannot be kept is used and told; after a restart what was kept before is there again."""
    setup, ca, port = case.pki.setup, case.ca, responder_port()
    case.pki.group("ocsp", ocsp="from-certificate")
    asked = case.pki.leaf(ca, "asked", case.pki.ocsp(port))
    with small_disk(setup.directory / "cache") as disk, ca.responder(port):
        with running(setup, (*HASTY, *RUN)) as daemon:
            case.wait_for_lists(daemon)
            eventually(lambda: len(kept_lists(case)) == 2)
            ca.revoke(case.late.certificate)
            lengthen(ca)
            number = case.pki.publish(ca)
            daemon.event("crl.updated", number=number)
            failed = daemon.event("cache.failed", source=case.pki.url("own.crl"))
            assert "No space left on device" in str(failed["error"])
            check_alert(daemon, 0, case.refused(case.late))
            fill(disk / "ballast")
            mark = daemon.mark()
            assert case.pki.ask("ocsp", asked, TLS_1_3).token
            daemon.event("cache.failed", mark, kind="ocsp")
            assert case.ask(case.good) == 200
        (disk / "ballast").unlink()
        case.pki.nginx.stop()
        with running(restarted(setup), (*HASTY, *RUN)) as daemon:
            assert case.ask(case.good) == 200
            assert case.ask(case.late) == 200, "the list before is the last one that was kept"
            case.pki.nginx.start()
            case.becomes_revoked()
            daemon.event("cache.failed", source=case.pki.url("own.crl"))
            assert case.ask(case.good) == 200


@contextmanager
def small_disk(path: Path) -> Iterator[Path]:
    path.mkdir(mode=0o700)
    options = f"size={DISK_BYTES},mode=0700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def lengthen(ca: OpensslCa) -> None:
    """Enter many certificates that have been revoked."""
    with (ca.directory / "index.txt").open("a") as index:
        for serial in range(LONG):
            index.write(f"R\t491231235959Z\t250101000000Z\t{serial + 2**64:018X}\tunknown\t/CN=old\n")


def fill(file: Path) -> None:
    with suppress(OSError), file.open("wb", buffering=0) as open_file:
        while True:
            open_file.write(bytes(512))


# -- the clock


@attrs.frozen
class Clock:
    """The wall clock of a daemon that runs under libfaketime; what is monotonic goes on."""

    file: Path

    def set(self, offset: str) -> None:
        """:param offset: from now, such as ``+8d``"""
        new = self.file.with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.replace(self.file)

    def command(self, *command: str) -> list[str]:
        """That command, but with this clock."""
        (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
        environ = {
            "LD_PRELOAD": library,
            "FAKETIME_TIMESTAMP_FILE": self.file,
            "FAKETIME_NO_CACHE": 1,
            "FAKETIME_DONT_FAKE_MONOTONIC": 1,
            "DONT_FAKE_MONOTONIC": 1,
            "NO_FAKE_STAT": 1,
        }
        return ["env", *(f"{name}={value}" for name, value in environ.items()), *command]


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    found = Clock(tmp_path / "clock")
    found.set("+0")
    return found


@needs("faketime")
@pytest.mark.parametrize("command", [(MTLSD,), HASTY], ids=["mtlsd", "hasty"])
def test_the_clock_jumps(case: Case, clock: Clock, command: tuple[str, ...]) -> None:
    """Forth until the lists have run out, back, and forth with new lists."""
    with running(case.pki.setup, clock.command(*command, *RUN)) as daemon:
        case.wait_for_lists(daemon)
        with case.session(case.good) as session:
            assert session.post(form(CLIENT)).status == 200
            clock.set("+8d")
            answer = session.post(form(CLIENT))
            assert (answer.status, answer.json["error"]) == (401, "invalid_client")
            event = daemon.event("token.refused", reason=UNKNOWN)
            assert "crl.expired" in str(event["seen"])
            clock.set("+0")
            assert session.post(form(CLIENT)).status == 200
        clock.set("-12h")
        before = case.refused(case.good)
        assert before.alert == 42, "by that clock the certificate is not valid yet"
        clock.set("+0")
        assert case.ask(case.good) == 200
        if command == HASTY:
            case.ca.revoke(case.late.certificate)
            case.pki.publish(case.ca)
            case.becomes_revoked()


@needs("faketime")
def test_started_by_a_clock_that_is_wrong(case: Case, clock: Clock) -> None:
    """What was kept is from the future then, or too old; it is there when the clock is right."""
    setup = case.pki.setup
    with running(setup) as daemon:
        case.wait_for_lists(daemon)
        assert case.ask(case.good) == 200
        eventually(lambda: len(kept_lists(case)) == 2)
    case.pki.nginx.stop()
    for wrong in ("-12h", "+8d"):
        clock.set(wrong)
        with running(restarted(setup), clock.command(*HASTY, *RUN)) as daemon:
            assert not works(case)
            daemon.event("source.failed", source=case.pki.url("own.crl"))
            clock.set("+0")
            eventually(lambda: works(case))
            assert not daemon.events("cache.failed")


def works(case: Case) -> bool:
    try:
        return case.ask(case.good) == 200
    except NoAnswer:
        return False

"""Whatever servers say in whatever order, and whatever happens: no list is followed by an older one."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.pki import NOW
from tests.pki.crls import entry
from tests.unit.revocation.crls import DAY, World

URLS = ("http://a.example/ca.crl", "http://b.example/ca.crl")
NUMBERS = st.integers(1, 6)
JUNK = (None, b"", b"0\x03abc", b"-----BEGIN X509 CRL-----")


class NeverBack(RuleBasedStateMachine):
    """Two mirrors of one CA's list and a file of it; serial number 100 + n is revoked in list n alone."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.file = self.directory / "ca.crl"
        self.world = World(self.directory, crl_urls=URLS, crl_files=(str(self.file),))
        self.newest = 0
        self.newest_fetched = 0
        self.bodies = {number: self._list(number) for number in range(1, 7)}

    def _list(self, number: int) -> bytes:
        instant = NOW - DAY + timedelta(minutes=number)
        return self.world.crl(entry(100 + number), number=number, this_update=instant).der()

    @initialize()
    def start(self) -> None:
        self.world.start()

    @rule(url=st.sampled_from(URLS), number=NUMBERS)
    def serve(self, url: str, number: int) -> None:
        self.world.server.bodies[url] = self.bodies[number]

    @rule(
        url=st.sampled_from(URLS), junk=st.sampled_from([None, b"", b"0\x03abc", b"-----BEGIN X509 CRL-----"])
    )
    def break_server(self, url: str, junk: bytes | None) -> None:
        self.world.server.bodies.pop(url, None)
        if junk is not None:
            self.world.server.bodies[url] = junk

    @rule(number=st.none() | NUMBERS)
    def write_file(self, number: int | None) -> None:
        self.file.write_bytes(b"torn" if number is None else self.bodies[number])

    @rule(hours=st.sampled_from([0.05, 0.5, 2]))
    def wait(self, hours: float) -> None:
        self.world.age(self.world.wall + timedelta(hours=hours))

    @rule(minutes=st.sampled_from([-30, 30]))
    def jump(self, minutes: int) -> None:
        self.world.jump(timedelta(minutes=minutes))

    @rule()
    def restart(self) -> None:
        """What came from the network is still there; a file is the operator's, who may put another there."""
        fetched = self.newest_fetched
        self.world.restart()
        self.newest = fetched
        self._look()
        assert self.newest >= fetched

    @invariant()
    def it_never_goes_back(self) -> None:
        if hasattr(self.world, "sources"):
            self._look()

    def _look(self) -> None:
        (number,) = {own.described.number for own in self.world.sources.table.lists} or {0}
        assert number is not None
        assert number >= self.newest, self.world.events
        self.newest = number
        named = [own.name for own in self.world.sources.table.lists]
        if named and named[0] in URLS:
            self.newest_fetched = max(self.newest_fetched, number)
        if number:
            index = self.world.sources.table.lists[0].index
            assert [own.serial_number for own in index] == [100 + number]

    def teardown(self) -> None:
        if hasattr(self.world, "sources"):
            self.world.sources.stop()
        shutil.rmtree(self.directory)


TestNeverBack = NeverBack.TestCase
TestNeverBack.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)

"""Lists that ``openssl ca`` makes and nginx serves with ETags, over real sockets and in a real thread."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import random
from tempfile import mkdtemp
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from mtlsd.cache.files import CacheDirectory
from mtlsd.errors import Fact
from mtlsd.fetch.addresses import AddressRules
from mtlsd.fetch.fetcher import Fetcher, Limits
from mtlsd.fetch.lookups import SystemResolver
from mtlsd.fetch.trust import Trust
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_check import check_crls
from mtlsd.pki.path import AnchorGroup
from mtlsd.pki.revocation import RevocationPolicy
from mtlsd.revocation.crl_pace import Pace
from mtlsd.revocation.crl_sources import CrlSources
from mtlsd.revocation.status import SourceStatus
from tests.end_to_end.nginx import Nginx
from tests.end_to_end.tools import needs
from tests.pki import Pki, Presented
from tests.pki.crls import path_of

reactor: Any = installed
PACE = Pace(
    floor=timedelta(seconds=1),
    ceiling=timedelta(seconds=1),
    first_retry=timedelta(seconds=1),
    last_retry=timedelta(seconds=1),
    spread=timedelta(seconds=1),
    again=timedelta(0),
)
CA = """
[ca]
default_ca = own
[own]
database = index.txt
crlnumber = crlnumber
certificate = issuer.pem
private_key = issuer.key
default_md = sha256
default_crl_days = 7
crl_extensions = crl
[crl]
authorityKeyIdentifier = keyid:always
"""


class OpensslCa:
    """The issuer of the leaves, run as ``openssl ca``."""

    def __init__(self, directory: Path, pki: Pki) -> None:
        self._directory = directory
        issuer = pki.intermediate
        Presented(issuer.der, issuer.key).write(directory)
        (directory / "client.pem").rename(directory / "issuer.pem")
        (directory / "client.key").rename(directory / "issuer.key")
        (directory / "index.txt").touch()
        (directory / "crlnumber").write_text("1000\n")
        (directory / "ca.cnf").write_text(CA)

    def publish(self, file: Path) -> None:
        """Make the next list, and put it in place whole."""
        self._run("-gencrl", "-out", "new.pem")
        form = ["openssl", "crl", "-in", "new.pem", "-outform", "DER", "-out", "new.crl"]
        subprocess.run(form, cwd=self._directory, check=True, capture_output=True, timeout=20)
        os.replace(self._directory / "new.crl", file)

    def revoke(self, leaf: bytes) -> None:
        pem = x509.load_der_x509_certificate(leaf).public_bytes(Encoding.PEM)
        (self._directory / "leaf.pem").write_bytes(pem)
        self._run("-revoke", "leaf.pem", "-crl_reason", "keyCompromise")

    def _run(self, *arguments: str) -> None:
        command = ["openssl", "ca", "-config", "ca.cnf", *arguments]
        subprocess.run(command, cwd=self._directory, check=True, capture_output=True, timeout=20)


@needs("nginx", "openssl")
class Served(TestCase):
    """Trial fails this where a socket or a timer is left behind."""

    timeout = 60

    def setUp(self) -> None:
        self.directory = Path(mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.pki = Pki(datetime.now(UTC))
        self.ca = OpensslCa(self.directory, self.pki)
        self.nginx = Nginx(self.directory)
        self.addCleanup(self.nginx.stop)
        self.ca.publish(self.nginx.www / "ca.crl")
        self.leaf = self.pki.leaf().leaf
        self.offset = timedelta()
        self.events: list[str] = []
        rules = AddressRules.allowing(["127.0.0.0/8"])
        resolver = SystemResolver(reactor.nameResolver)
        self.fetcher = Fetcher(reactor, reactor, resolver, rules, Trust.system(), Limits(failure_seconds=0.1))
        self.addCleanup(self.fetcher.close)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.nginx.port}/ca.crl"

    def now(self) -> datetime:
        return datetime.now(UTC) + self.offset

    def make(self) -> CrlSources:
        root, intermediate = map(Certificate.from_der, (self.pki.root.der, self.pki.intermediate.der))
        policy = RevocationPolicy(order=("crl",), crl_urls=(self.url,))

        def report(event: str, facts: Mapping[str, Fact]) -> None:
            self.events.append(event)

        sources = CrlSources.make(
            AnchorGroup("partners", (root,), (intermediate,), policy),
            strict=True,
            fetcher=self.fetcher,
            cache=CacheDirectory(self.directory / "cache"),
            clock=reactor,
            now=self.now,
            in_thread=deferToThread,
            random=random,
            report=report,
            changed=lambda: None,
            pace=PACE,
        )
        self.addCleanup(sources.stop)
        return sources

    def told(self, sources: CrlSources) -> str:
        path = path_of(self.leaf, self.pki.intermediate.der, self.pki.root.der)
        answer = check_crls(path, 0, sources.table, self.now())
        return answer.why or answer.status

    def status(self, sources: CrlSources) -> SourceStatus:
        (status,) = sources.status()
        return status

    @inlineCallbacks
    def until(self, true: Callable[[], object]) -> Any:
        while not true():
            yield deferLater(reactor, 0.05, lambda: None)

    @inlineCallbacks
    def test_from_its_first_list_to_its_last(self) -> Any:
        self.nginx.start()
        sources = self.make()
        yield Deferred.fromCoroutine(sources.start())
        path = path_of(self.leaf, self.pki.intermediate.der, self.pki.root.der)
        why = yield Deferred.fromCoroutine(sources.ensure(path, 0))
        assert (why, self.told(sources)) == (None, "good")
        first = self.status(sources)
        assert (first.number, first.entries, first.error) == (0x1000, 0, None)

        yield self.until(lambda: self.nginx.answers() == ["200", "304"])
        assert self.events == ["crl.updated"]

        self.ca.revoke(self.leaf)
        self.ca.publish(self.nginx.www / "ca.crl")
        yield self.until(lambda: self.told(sources) == "revoked")
        assert self.status(sources).number == 0x1001
        assert self.events == ["crl.updated"] * 2

        self.nginx.stop()
        yield self.until(lambda: "source.failed" in self.events)
        assert str(self.status(sources).error).startswith("fetch.connection")
        assert self.told(sources) == "revoked"

        sources.stop()
        again = self.make()
        yield Deferred.fromCoroutine(again.start())
        assert (self.told(again), self.status(again).number) == ("revoked", 0x1001)
        yield self.until(lambda: self.events.count("source.failed") == 2)
        assert self.told(again) == "revoked"

        self.offset = timedelta(days=7, seconds=1)
        assert self.told(again) == "crl.expired"
        self.offset = timedelta()
        self.nginx.start()
        yield self.until(lambda: "source.recovered" in self.events)
        assert self.nginx.answers()[-1] == "304", "what was kept is still known by its ETag"
        assert self.told(again) == "revoked"
        again.stop()

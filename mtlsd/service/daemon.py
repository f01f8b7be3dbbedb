"""mtlsd as a daemon: one configuration file, SIGHUP to read it again, SIGTERM to drain."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from mtlsd.config.load import load
from mtlsd.config.model import Config, Loaded
from mtlsd.errors import ConfigError
from mtlsd.ops.audit import AuditFile, utc_now
from mtlsd.ops.systemd import Notifier
from mtlsd.service.server import Server
from mtlsd.stores.interfaces import StoreError

Failed = Callable[[Exception], None]


@attrs.define(eq=False, slots=False)
class Daemon(Service):
    """The service that twistd, twist and `mtlsd run` start.

    :ivar path: the configuration file, read again at SIGHUP.
    :ivar config: what the file said first.
    :ivar failed: told why it could not start; the reactor is stopped then.
    """

    _log = Logger()
    name = "mtlsd"

    path: Path
    config: Config
    reactor: Any
    failed: Failed = attrs.field(default=lambda error: None)
    _notifier: Notifier = attrs.field(init=False)
    _audit: AuditFile | None = attrs.field(default=None, init=False)
    _reloading: bool = attrs.field(default=False, init=False)
    _reload_again: bool = attrs.field(default=False, init=False)
    _server: Server | None = attrs.field(default=None, init=False)
    _starting: Deferred[None] | None = attrs.field(default=None, init=False)

    @_notifier.default
    def _make_notifier(self) -> Notifier:
        return Notifier.from_environ(os.environ, monotonic_ns=time.monotonic_ns)

    def startService(self) -> None:
        self.running = 1
        signal.signal(signal.SIGHUP, lambda *_: self.reactor.callFromThread(self.reload))
        self._starting = Deferred.fromCoroutine(self._start())

    async def _start(self) -> None:
        try:
            self._audit = _audit_file(self.config)
            self._server = await Server.start(self.config, self.reactor, self._write_audit)
        except Exception as error:
            self._say("start.failed", error)
            self.failed(error)
            self.reactor.callLater(0, self._stop_reactor)
            return
        gc.collect()
        gc.freeze()  # what stays as long as the process need not be looked through again and again
        self._notifier.ready(self._status())

    def _stop_reactor(self) -> None:
        if self.reactor.running:
            self.reactor.stop()

    def _write_audit(self, line: bytes) -> None:
        if self._audit is not None:
            self._audit.write(line)
        elif sys.__stdout__ is not None:  # twistd puts a log of its own in the place of sys.stdout
            sys.__stdout__.buffer.write(line)
            sys.__stdout__.buffer.flush()

    def _status(self) -> str:
        return f"serving {self.config.issuer}"

    def reload(self) -> Deferred[None]:
        """Read the configuration file again and take it over; a bad one changes nothing and is reported.

        However often it is asked for while one is under way, one more follows.
        """
        return Deferred.fromCoroutine(self._reload())

    async def _reload(self) -> None:
        self._reload_again = True
        if self._reloading:
            return
        self._reloading = True
        try:
            while self._reload_again and self._server is not None and self.running:
                self._reload_again = False
                await self._reload_once(self._server)
        finally:
            self._reloading = False

    async def _reload_once(self, server: Server) -> None:
        self._notifier.reloading()
        audit: AuditFile | None = None
        try:
            loaded, audit = self._read_again(server)
            await server.reload(loaded.config)
        except Exception as error:
            if audit is not None:
                audit.close()
            self._say("reload.failed", error)
            self._notifier.ready("the new configuration was refused: the old one stays")
            return
        self.config, old, self._audit = loaded.config, self._audit, audit
        if old is not None:
            old.close()
        self._notifier.ready(self._status())

    def _read_again(self, server: Server) -> tuple[Loaded, AuditFile | None]:
        try:
            loaded = load(self.path, utc_now())
            audit = _audit_file(loaded.config)  # opened anew each time: it may have been rotated away
        except Exception as error:
            server.reload_refused(error)
            raise
        for warning in loaded.warnings:
            self._log.warn("reload.warning {warning}", warning=warning)
        return loaded, audit

    def _say(self, event: str, error: Exception) -> None:
        """What an operator can mend is said in words, everything else with its traceback."""
        if isinstance(error, (ConfigError, StoreError, OSError)):
            self._log.error("{event} {error}", event=event, error=error)
        else:
            self._log.failure(event)

    async def _stop(self) -> None:
        if self._starting is not None:
            await self._starting
        if self._server is not None:
            self._notifier.stopping("finishing the requests in flight")
            await self._server.stop()
        if self._audit is not None:
            self._audit.close()

    def stopService(self) -> Deferred[None]:
        self.running = 0
        return Deferred.fromCoroutine(self._stop())


def _audit_file(config: Config) -> AuditFile | None:
    """:raises OSError: when it cannot be opened."""
    return None if config.audit is None else AuditFile(str(config.audit))

"""`mtlsd run`: the daemon in the foreground, with exit codes that a service manager understands."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from twisted.logger import globalLogBeginner, textFileLogObserver

from mtlsd.cli.common import add_config, load_config
from mtlsd.cli.exits import explained
from mtlsd.service.clock import use_steady_clock
from mtlsd.service.daemon import Daemon


def register(verbs: Any) -> None:
    parser = verbs.add_parser("run", help="run the daemon in the foreground")
    add_config(parser)
    parser.set_defaults(do=_run)


def _run(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    from twisted.internet import reactor

    use_steady_clock(reactor)
    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    failures: list[Exception] = []
    daemon = Daemon(arguments.config, config, reactor, failures.append)
    reactor.callWhenRunning(daemon.startService)
    reactor.addSystemEventTrigger("before", "shutdown", daemon.stopService)
    reactor.run()
    with explained() as ended:
        for failure in failures:
            raise failure
    return ended.code

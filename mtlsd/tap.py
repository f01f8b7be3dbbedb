"""twistd's and twist's face: `twistd -n mtlsd --config FILE`."""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import ClassVar

import attrs
from twisted.application.service import IService
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from mtlsd.cli.common import load_config
from mtlsd.cli.exits import OK, UNEXPECTED, explained
from mtlsd.service.clock import use_steady_clock
from mtlsd.service.daemon import Daemon


class Options(UsageOptions):
    """The options of the plugin."""

    optParameters: ClassVar[list[list[str | None]]] = [["config", "c", None, "the mtlsd.toml to run by"]]

    def postOptions(self) -> None:
        if not self["config"]:
            raise UsageError("--config FILE is missing")


@attrs.define(eq=False)
class Ending:
    """Ends the process as `mtlsd run` would: twistd and twist end with 0 however the service has fared.

    :ivar exit: ends the process at once.
    """

    exit: Callable[[int], object]
    failure: Exception | None = None

    def failed(self, failure: Exception) -> None:
        """Hear why the service could not start."""
        self.failure = failure

    def at_exit(self) -> None:
        """Be the last that the process does: its pid file is gone by now, and its log is written."""
        code = self._told()
        if code != OK:
            sys.stdout.flush()
            self.exit(code)

    def _told(self) -> int:
        """Say it on the real standard error: sys.stderr may be twistd's log, and is closed to this."""
        if self.failure is None:
            return OK
        try:
            with redirect_stderr(sys.__stderr__), explained() as ended:
                raise self.failure
        except Exception:  # nobody expected it, and the log has its traceback
            return UNEXPECTED
        return ended.code


def makeService(options: Options) -> IService:
    """Read the configuration and make the service.

    A configuration with mistakes ends the process, which says all of them.
    """
    from twisted.internet import reactor  # twistd has chosen it by now

    path = Path(options["config"])
    with explained() as ended:
        config = load_config(path)
    if ended.code != OK:
        sys.exit(ended.code)
    use_steady_clock(reactor)
    ending = Ending(os._exit)  # the one way to another exit code, once atexit's functions run
    atexit.register(ending.at_exit)  # the first to be registered is the last to be run
    return Daemon(path, config, reactor, ending.failed)

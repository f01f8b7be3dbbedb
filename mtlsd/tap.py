"""twistd's and twist's face: `twistd -n mtlsd --config FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from twisted.application.service import IService
from twisted.python.usage import Options as UsageOptions
from twisted.python.usage import UsageError

from mtlsd.config.load import load
from mtlsd.errors import ConfigError
from mtlsd.ops.audit import utc_now
from mtlsd.service.daemon import Daemon


class Options(UsageOptions):
    """The options of the plugin."""

    optParameters: ClassVar[list[list[str | None]]] = [["config", "c", None, "the mtlsd.toml to run by"]]

    def postOptions(self) -> None:
        if not self["config"]:
            raise UsageError("--config FILE is missing")


def makeService(options: Options) -> IService:
    """Read the configuration and make the service.

    :raises UsageError: with every mistake in the configuration.
    """
    from twisted.internet import reactor  # twistd has chosen it by now

    path = Path(options["config"])
    try:
        loaded = load(path, utc_now())
    except ConfigError as error:
        raise UsageError(f"the configuration has mistakes\n{error}") from None
    return Daemon(path, loaded.config, reactor)

"""mtlsd: an OAuth 2.0 authorization server whose clients authenticate with certificates (RFC 8705).

Embedders need two names from here, :func:`load_config` and :func:`start`: see docs/embedding.md.
Importing this package imports neither Twisted nor anything else: the rest comes with the first call.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mtlsd.config.model import Config, Loaded
    from mtlsd.service.server import Server

__version__ = "0.1.0"
__all__ = ["__version__", "load_config", "start"]


def load_config(path: str | PathLike[str], now: datetime | None = None) -> Loaded:
    """Read a mtlsd.toml and everything that it names.

    :param now: aware; certificates are checked for it. By default the time of this call.
    :return: ``config``, to give to :func:`start`, and ``warnings``, which will be mistakes one day.
    :raises mtlsd.errors.ConfigError: with every mistake at once.
    """
    from pathlib import Path

    from mtlsd.config.load import load
    from mtlsd.ops.audit import utc_now

    return load(Path(path), utc_now() if now is None else now)


async def start(config: Config, reactor: Any, audit: Callable[[bytes], object], users: Any = None) -> Server:
    """Start mtlsd in a reactor that runs, or will run.

    It changes nothing outside itself: no signal handler, no log observer, no working directory.

    :param reactor: the reactor to listen and to run timers and the store's threads in.
    :param audit: takes each line of the audit log: JSON, with its newline.
    :param users: a checker of `twisted.cred` for user names with passwords, in place of what the
        configuration names.
    :return: the server, when every listener is open; ``await server.reload(config)`` gives it another
        configuration, ``await server.stop()`` finishes the requests in flight and closes everything.
    :raises mtlsd.errors.ConfigError: when clients of the store contradict the configuration, or the signing
        keys cannot be used.
    :raises mtlsd.stores.interfaces.StoreError: when the store cannot be opened.
    :raises OSError: when a listener's endpoint cannot be opened.
    """
    from mtlsd.service.server import Server

    return await Server.start(config, reactor, audit, users)

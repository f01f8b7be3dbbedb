"""The daemon in a process that need not import it any more, for tests that start it very often.

Such a process is a fork of one that has imported the command `mtlsd` and has run nothing of it.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess

from mtlsd.cli import main
from tests.end_to_end.clients import tcp
from tests.end_to_end.daemon import DEADLINE, eventually
from tests.end_to_end.setup import Setup

_WRITES = os.O_WRONLY | os.O_CREAT | os.O_APPEND


def _run(config: str, out: str, err: str) -> None:
    assert "twisted.internet.reactor" not in sys.modules, "two daemons would share its descriptors"
    for path, descriptor in ((out, 1), (err, 2)):
        os.dup2(os.open(path, _WRITES, 0o600), descriptor)
    sys.exit(main(["run", "-c", config]))


@contextmanager
def running(setup: Setup, listener: str) -> Iterator[BaseProcess]:
    """`mtlsd run` that listens. Whoever wants it to end in another way than by SIGKILL ends it.

    Its audit log and its errors are appended to the files `out` and `err`.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    files = [str(own) for own in (setup.config, setup.directory / "out", setup.directory / "err")]
    process = context.Process(target=_run, args=files)
    process.start()
    try:
        eventually(lambda: _listens(setup, listener, process))
        yield process
    finally:
        process.kill()
        process.join(DEADLINE)


def _listens(setup: Setup, listener: str, process: BaseProcess) -> bool:
    assert process.is_alive(), (setup.directory / "err").read_text()
    try:
        tcp(setup.url(listener)).close()
    except ConnectionRefusedError:
        return False
    return True

"""twistd's face: how a process ends whose service could not start."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mtlsd.cli.exits import CONFIGURATION, UNAVAILABLE, UNEXPECTED
from mtlsd.errors import ConfigError, Mistake
from mtlsd.stores.interfaces import StoreError
from mtlsd.tap import Ending, Options, makeService

FAILURES = {
    "configuration": (ConfigError((Mistake("place", "is wrong", "Mend it."),)), CONFIGURATION),
    "store": (StoreError("mtlsd.db", "is none", "Bring one."), UNAVAILABLE),
    "port": (OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE), "listener mtls"), UNAVAILABLE),
    "address": (OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL), "mtls"), UNAVAILABLE),
    "disk": (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "audit.log"), UNEXPECTED),
    "fault": (KeyError("nobody expected it"), UNEXPECTED),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failed_start_ends_with_a_code(name: str) -> None:
    failure, code = FAILURES[name]
    exited: list[int] = []
    ending = Ending(exited.append)
    ending.failed(failure)
    ending.at_exit()
    assert exited == [code]


def test_everything_else_ends_as_twistd_likes() -> None:
    exited: list[int] = []
    Ending(exited.append).at_exit()
    assert exited == []


def test_a_configuration_with_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All of them are told in words, and there is no traceback."""
    file = tmp_path / "mtlsd.toml"
    file.write_text('issuer = "http:"\nlistener = 1')
    options = Options()  # type: ignore[no-untyped-call]  # Twisted's has no annotations
    options.parseOptions(["--config", str(file)])  # type: ignore[no-untyped-call]  # nor has this one
    with pytest.raises(SystemExit) as ended:
        makeService(options)
    assert ended.value.code == CONFIGURATION
    said = capsys.readouterr().err
    assert "issuer" in said
    assert "listener" in said

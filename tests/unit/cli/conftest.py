"""A directory as `mtlsd dev init` makes it, and the command line over it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from mtlsd.cli import main
from mtlsd.cli.dev import init
from mtlsd.ops.audit import utc_now


@attrs.frozen
class Ran:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def add_tables(directory: Path, *tables: str) -> None:
    """To the end of the configuration."""
    config = directory / "mtlsd.toml"
    config.write_text("\n".join([config.read_text(), *tables]))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    init(tmp_path / "dev", utc_now())
    return tmp_path / "dev"


@pytest.fixture
def mtlsd(directory: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs `mtlsd ARGUMENTS -c dev/mtlsd.toml`."""

    def run(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([*map(str, arguments), "-c", str(directory / "mtlsd.toml")])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Ran(code, printed.out, printed.err)

    return run

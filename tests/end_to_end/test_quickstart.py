"""scripts/quickstart, as somebody new runs it; in the virtual environment that the tests run in."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.end_to_end.tree import ROOT

pytestmark = pytest.mark.skipif(
    not Path(sys.prefix, ".mtlsd-installed").exists() and os.environ.get("CI") != "true",
    reason="needs the virtual environment of scripts/prepare",
)


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        # as from a terminal, even where the tests run in the background and so ignore Ctrl-C
        ["env", "--default-signal=INT", ROOT / "scripts" / "quickstart", *map(str, arguments)],
        env={**os.environ, "MTLSD_VENV": sys.prefix},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_once(tmp_path: Path) -> None:
    """A token comes out, bound to what openssl says; the daemon is gone afterwards; and so a second time."""
    for said in ("Made a CA", "Using the certificates"):
        running = start("--once", "--directory", tmp_path / "dev")
        out, err = running.communicate(timeout=60)
        assert running.returncode == 0, err
        assert said in err
        assert json.loads(out.splitlines()[0])["token_type"] == "Bearer"
        bound_to, computed = (line.split()[-1] for line in out.splitlines()[-2:])
        assert bound_to == computed
        assert "They are equal" in err
        assert "The daemon has stopped again." in err
    assert '"event":"server.stopped"' in (tmp_path / "dev" / "mtlsd.log").read_text()


def test_it_stays_until_it_is_interrupted(tmp_path: Path) -> None:
    running = start("--directory", tmp_path / "dev")
    assert running.stderr is not None
    for line in running.stderr:
        if "stays until Ctrl-C" in line:
            break
    assert running.poll() is None
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130
    assert '"event":"server.stopped"' in (tmp_path / "dev" / "mtlsd.log").read_text()


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with closing(socket.socket()) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # in use already is as good
            other.bind(("127.0.0.1", 8443))
            other.listen()
        running = start("--once", "--directory", tmp_path / "dev")
        _, err = running.communicate(timeout=60)
    assert running.returncode == 0, err
    assert "is in use: taking" in err
    assert "They are equal" in err


def test_a_directory_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear ...")
    running = start("--once", "--directory", tmp_path)
    _, err = running.communicate(timeout=60)
    assert running.returncode != 0
    assert "is not empty" in err
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]

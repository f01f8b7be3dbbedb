"""A fresh Debian host with a real systemd, made by scripts/lab-machine."""

from __future__ import annotations

import configparser
import hashlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from tests.end_to_end.tree import ROOT, copy_tree

SCRIPT = ROOT / "scripts" / "lab-machine"


@attrs.frozen
class Machine:
    """A host that is up, with the sources in /root/mtlsd, wheels in /root/wheels, and no network."""

    name: str

    def try_shell(self, script: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a shell script as root; both outputs come together."""
        return subprocess.run(
            [SCRIPT, "exec", self.name, "env", "PIP_NO_INDEX=1", "PIP_FIND_LINKS=/root/wheels",
             "bash", "-euo", "pipefail", "-c", script],
            input=stdin, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=120,
        )  # fmt: skip

    def shell(self, script: str, stdin: str = "") -> str:
        """As :meth:`try_shell`, but it must succeed; what it printed is returned."""
        done = self.try_shell(script, stdin)
        assert done.returncode == 0, f"exit {done.returncode} of\n{script}\n{done.stdout}\n{self.journal()}"
        return done.stdout

    def journal(self) -> str:
        return self.try_shell("journalctl --no-pager -u mtlsd -n 50").stdout

    def put(self, source: Path, directory: str) -> None:
        subprocess.run([SCRIPT, "put", self.name, source, directory], check=True)


def wheels() -> Path:
    """What mtlsd needs, as wheels for the Python of Debian 12; downloaded once."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    needed = [line for line in settings["options"]["install_requires"].splitlines() if line]
    needed += ["setuptools >= 77"]  # what builds mtlsd itself
    stamp = hashlib.sha256("\n".join(needed).encode()).hexdigest()[:12]
    place = Path(os.environ.get("XDG_CACHE_HOME", "/var/tmp")) / "mtlsd-lab" / f"wheels-{stamp}"
    if not (place / "done").exists():
        command = [sys.executable, "-m", "pip", "download", "-qq", "--dest", str(place)]
        subprocess.run([*command, "--python-version", "3.11", "--only-binary", ":all:", *needed], check=True)
        (place / "done").touch()
    return place


@contextmanager
def machine(scratch: Path) -> Iterator[Machine]:
    """A host for as long as the context lasts.

    :param scratch: an empty directory.
    """
    host = Machine(f"mtlsd-test-{secrets.token_hex(4)}")
    sources, needed = copy_tree(scratch / "mtlsd"), wheels()
    subprocess.run([SCRIPT, "up", host.name], check=True)
    try:
        host.put(sources, "/root")
        host.put(needed, "/root")
        host.shell(f"mv /root/{needed.name} /root/wheels")
        yield host
    finally:
        subprocess.run([SCRIPT, "down", host.name], check=True)

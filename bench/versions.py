"""The version of mtlsd in the working tree, and those of other commits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs

from bench.load import client_context, fetch_token
from bench.place import Place
from bench.process import Server, free_port

CHECKOUT = Path(__file__).resolve().parent.parent
MTLSD = (sys.executable, "-c", "import sys; from mtlsd.cli import main; sys.exit(main())")


@attrs.frozen
class Version:
    """
    :ivar source: the directory that has its mtlsd/.
    :ivar place: where it runs.
    """

    name: str
    source: Path
    place: Place

    @property
    def environment(self) -> dict[str, str]:
        """Both versions run with the same interpreter and the same libraries: only mtlsd differs."""
        return os.environ | {"PYTHONPATH": os.fspath(self.source), "PYTHONSAFEPATH": "1"}

    def prepare(self) -> None:
        """Make the configuration, and have the signing key imported."""
        self.place.configure(free_port())
        self.place.import_key(list(MTLSD), self.environment)

    @contextmanager
    def running(
        self,
        other_clients: int = 0,
        revocation: str | None = None,
        *,
        grants: bool = False,
        forwarded_port: int | None = None,
    ) -> Iterator[Server]:
        """
        :param revocation: the policy of the anchors, in TOML.
        :param grants: as :meth:`Place.configure` has it, as is what follows.
        :raises RuntimeError: when it does not start.
        """
        port = free_port()
        self.place.configure(port, other_clients, revocation, grants=grants, forwarded_port=forwarded_port)
        context = client_context(self.place.certificates)
        command = [*MTLSD, "run", "-c", os.fspath(self.place.configuration)]
        log = self.place.directory / "log"
        server = Server.start(command, port, self.environment, log, lambda: fetch_token(context, port))
        try:
            yield server
        finally:
            server.stop()


def resolve(reference: str) -> str:
    """The commit that git knows by this name, shortened.

    :raises subprocess.CalledProcessError: when git knows none.
    """
    command = [
        "git",
        "-C",
        os.fspath(CHECKOUT),
        "rev-parse",
        "--short",
        "--verify",
        f"{reference}^{{commit}}",
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@contextmanager
def checked_out(commit: str, directory: Path) -> Iterator[Path]:
    """A work tree of another commit, for as long as it is needed."""
    git = ["git", "-C", os.fspath(CHECKOUT), "worktree"]
    subprocess.run([*git, "add", "--quiet", "--detach", os.fspath(directory), commit], check=True)
    try:
        yield directory
    finally:
        subprocess.run([*git, "remove", "--force", os.fspath(directory)], check=True)

"""An entry for mtlsd in a benchmark that runs several servers side by side.

That benchmark is a folder with ``bench.py`` in it, which starts each server by a command that its peers file
names. It is not part of this project; MTLSD_PEERS says where it is, if not in ``shared/bench`` beside the
checkout. The commands for mtlsd are this module::

    python -m bench.peers setup DIRECTORY CERTIFICATES PORT
    python -m bench.peers start DIRECTORY CERTIFICATES PORT
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.place import BODY, Place
from bench.versions import CHECKOUT, MTLSD

SIDE_BY_SIDE = ("mtlsd-1w", "twisted-naive-1w", "oidc-provider-1w")
"""mtlsd, and the peers that its targets are set against."""


def find() -> Path | None:
    """The folder of the other benchmark; None where there is none."""
    named = os.environ.get("MTLSD_PEERS")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "bench"
    return folder if (folder / "bench.py").is_file() else None


def run(folder: Path, work: Path, arguments: list[str]) -> int:
    """Run it, with an entry for mtlsd; returns its exit status.

    :param work: a writable folder outside the checkout. oidc-provider is installed into it where npm is.
    :param arguments: for bench.py; the peers and scenarios that matter most when they are not given.
    """
    work.mkdir(parents=True, exist_ok=True)
    _install_oidc_provider(work)
    entry = work / "mtlsd-peer.json"
    entry.write_text(json.dumps({"mtlsd-1w": _entry()}, indent=1))
    environment = os.environ | {"BENCH_WORK": os.fspath(work)}
    environment.setdefault("BENCH_PYTHON", sys.executable)  # so that every Python peer has the same OpenSSL
    if not {"-p", "--peers"} & set(arguments):
        arguments = ["-p", ",".join(SIDE_BY_SIDE), *arguments]
    if not {"-s", "--scenarios"} & set(arguments):
        arguments = ["-s", "A,B", *arguments]
    files = ["--peers-file", os.fspath(folder / "peers.json"), "--peers-file", os.fspath(entry)]
    command = [sys.executable, os.fspath(folder / "bench.py"), *files, *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def _entry() -> dict[str, object]:
    here = [sys.executable, "-m", "bench.peers"]
    return {
        "what": "mtlsd, one process, the audit log and every check on",
        "setup": [*here, "setup", "{work}/mtlsd-1w", "{certs}", "{port}"],
        "start": [*here, "start", "{work}/mtlsd-1w", "{certs}", "{port}"],
        "env": {"PYTHONPATH": os.fspath(CHECKOUT)},
        "path": "/token",
        "body": BODY,
        "token": True,
        "workers": 1,
    }


def _install_oidc_provider(work: Path) -> None:
    folder = work / "node"
    if (folder / "node_modules" / "oidc-provider").is_dir() or shutil.which("npm") is None:
        return
    folder.mkdir(exist_ok=True)
    (folder / "package.json").write_text("{}")
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "oidc-provider@9"], cwd=folder, check=False)


def main(arguments: list[str]) -> int:
    verb, directory, certificates, port = arguments
    place = Place(Path(directory), Path(certificates))
    if verb == "setup":
        shutil.rmtree(place.directory, ignore_errors=True)
    place.configure(int(port))
    if verb == "start":
        command = [*MTLSD, "run", "-c", os.fspath(place.configuration)]
        os.execv(command[0], command)
    place.import_key(list(MTLSD), os.environ)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

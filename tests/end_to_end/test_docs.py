"""What README.md and docs/ show is what happens: their commands run, their TOML loads, their Python is run.

In a ``console`` block ``$`` begins a command, and what follows is all that it prints. Three dots stand for
anything, and columns may be wider than they are shown.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

import mtlsd
from mtlsd.oauth.pkce import challenge_of
from tests.end_to_end.test_grants import issue_code
from tests.end_to_end.tools import needs

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DEADLINE = 20.0
Command = list[str | Path]


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@attrs.frozen
class Shown:
    """A command, and what the page says that it prints."""

    command: str
    output: str

    @classmethod
    def all_of(cls, block: str) -> list[Shown]:
        parts = re.split(r"^\$ ", block, flags=re.MULTILINE)
        assert parts[0] == ""
        found = [re.match(r"((?:.*\\\n)*.*\n)((?s:.*))", part) for part in parts[1:]]
        return [cls(match[1], match[2]) for match in found if match is not None]

    def fits(self, printed: str) -> bool:
        pattern = r".*?".join(map(re.escape, _narrow(self.output).split("...")))
        return re.fullmatch(pattern, _narrow(printed), re.DOTALL) is not None


def _narrow(text: str) -> str:
    return re.sub(" +", " ", text.strip())


@attrs.frozen
class Place:
    """A directory as scripts/quickstart leaves it, with a daemon that runs.

    :ivar ports: the port on a page to the port here.
    """

    directory: Path
    ports: dict[str, str] = attrs.field(factory=dict)
    _reserved: list[socket.socket] = attrs.field(factory=list)

    def free_port(self) -> str:
        """A port that is bound here until the test ends, and where a server may listen all the same."""
        reserved = socket.socket()
        reserved.bind(("127.0.0.1", 0))
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.append(reserved)
        return str(reserved.getsockname()[1])

    def close(self) -> None:
        for reserved in self._reserved:
            reserved.close()

    def here(self, text: str) -> str:
        for shown, real in self.ports.items():
            text = text.replace(f"localhost:{shown}", f"localhost:{real}")
        return text

    def run(self, command: str) -> str:
        """What a command prints, errors among it."""
        environ = {
            **os.environ,
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "CURL_HOME": str(self.directory),
            "NO_PROXY": "*",
        }
        done = subprocess.run(
            ["bash", "-c", self.here(command)], cwd=self.directory, env=environ, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE,
        )  # fmt: skip
        return done.stdout

    def shows(self, shown: Shown) -> None:
        """Run it; an event comes into the audit log only after the answer, so a reader waits for it."""
        expected = attrs.evolve(shown, output=self.here(shown.output))
        until = time.monotonic() + (5 if shown.command.startswith("grep ") else 0)
        while not expected.fits(printed := self.run(shown.command)):
            assert time.monotonic() < until, (
                f"$ {shown.command}{printed}\n-- but the page says:\n{expected.output}"
            )
            time.sleep(0.05)


@contextmanager
def running(command: Command, directory: Path, log: Path, ready: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program in the background that has said that it is ready. At SIGTERM it must end well."""
    with log.open("wb") as output:
        environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            command, cwd=directory, stdout=output, stderr=subprocess.STDOUT, env=environ
        )
    try:
        until = time.monotonic() + DEADLINE
        while ready not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.02)
        yield process
        process.terminate()
        assert process.wait(DEADLINE) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """What scripts/quickstart makes, but for the ports."""
    place = Place(tmp_path)
    ports = place.ports
    ports.update({"8443": place.free_port(), "8444": place.free_port()})
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv/bin").symlink_to(BIN)
    (tmp_path / ".curlrc").write_text("silent\nshow-error\n")
    made: Command = [
        BIN / "mtlsd",
        "dev",
        "init",
        "--port",
        ports["8443"],
        "--public-port",
        ports["8444"],
        "dev",
    ]
    subprocess.run(made, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    shutil.copy(tmp_path / "dev/billing.pem", tmp_path / "dev/proxy.pem")
    (tmp_path / "dev/proxy.credentials").touch(0o600)
    (tmp_path / "dev/proxy.credentials").write_text("proxy:sixteen-characters\n")
    yield place
    place.close()


@needs("bash", "curl", "openssl")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page, "console")], ids=lambda page: page.name
)
def test_commands_print_what_the_page_shows(page: Path, place: Place) -> None:
    log = place.directory / "dev/mtlsd.log"
    with running([BIN / "mtlsd", "run", "-c", "dev/mtlsd.toml"], place.directory, log, "server.started"):
        for block in blocks(page, "console"):
            for shown in Shown.all_of(block):
                place.shows(shown)


def test_the_scripts_of_the_readme_are_there() -> None:
    (block,) = blocks(ROOT / "README.md", "sh")
    commands = [shlex.split(line, comments=True) for line in block.splitlines()]
    assert [command[0] for command in commands] == ["scripts/quickstart", "scripts/test"]
    assert all(os.access(ROOT / command[0], os.X_OK) for command in commands)


@needs("bash", "curl")
def test_the_claims_of_the_readme_are_those_of_a_token(place: Place) -> None:
    (block,) = blocks(ROOT / "README.md", "json")
    command = Shown.all_of(blocks(ROOT / "README.md", "console")[0])[0].command
    log = place.directory / "dev/mtlsd.log"
    with running([BIN / "mtlsd", "run", "-c", "dev/mtlsd.toml"], place.directory, log, "server.started"):
        token = json.loads(place.run(command))["access_token"]
    claims, shown = _payload(token), json.loads(place.here(block))
    assert list(claims) == list(shown)
    assert claims["exp"] - claims["iat"] == shown["exp"] - shown["iat"]
    for changing in ("iat", "exp", "jti", "cnf"):
        assert type(claims.pop(changing)) is type(shown.pop(changing))
    assert claims == shown


def _payload(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


@pytest.mark.parametrize(
    ("page", "block"), [(page, block) for page in PAGES for block in blocks(page, "toml")]
)  # fmt: skip
def test_toml_loads(page: Path, block: str, place: Place) -> None:
    """A block without issuer is added to a configuration that works."""
    config = place.directory / "dev/mtlsd.toml"
    whole = block if "issuer =" in block else f"{config.read_text()}\n{block}"
    config.write_text(whole)
    mtlsd.load_config(config)


@pytest.mark.parametrize(
    ("page", "block"), [(page, block) for page in PAGES for block in blocks(page, "python")]
)  # fmt: skip
def test_python_is_that_of_an_example(page: Path, block: str) -> None:
    """The examples are run below, and the programs in test_foreign_clients.py."""
    paths = [*(ROOT / "docs/examples").glob("*.py"), *(ROOT / "tests/end_to_end/programs").glob("*/*.py")]
    examples = [path.read_text("utf-8") for path in paths]
    assert any(block in example for example in examples), block


@needs("bash", "curl")
def test_codes_and_refresh_tokens(place: Place) -> None:
    """The requests of docs/grants.md work as they stand there, once somebody has consented."""
    page = ROOT / "docs/grants.md"
    with_code, with_refresh_token = blocks(page, "sh")
    (answer,) = blocks(page, "json")
    config, log, verifier = place.directory / "dev/mtlsd.toml", place.directory / "dev/mtlsd.log", "v" * 43
    with running([BIN / "mtlsd", "run", "-c", "dev/mtlsd.toml"], place.directory, log, "server.started"):
        query = {
            "client_id": "web",
            "response_type": "code",
            "scope": "invoices:read",
            "redirect_uri": "https://web.example/callback",
            "code_challenge": challenge_of(verifier),
            "code_challenge_method": "S256",
        }
        code = issue_code(config, query)
        tokens = json.loads(place.run(f"code={code} code_verifier={verifier}\n{with_code}"))
        shown = json.loads(answer)
        for changing in ("access_token", "refresh_token"):
            assert type(shown.pop(changing)) is str
        assert {name: tokens[name] for name in shown} == shown
        refreshed = place.run(f"refresh_token={tokens['refresh_token']}\n{with_refresh_token}")
        assert _payload(json.loads(refreshed)["access_token"])["sub"] == "alice@users.example"


def _token(place: Place, port: str) -> str:
    command = Shown.all_of(blocks(ROOT / "README.md", "console")[0])[0].command
    printed = attrs.evolve(place, ports={"8443": port}).run(command)
    token: str = json.loads(printed)["access_token"]
    return token


@needs("bash", "curl")
def test_embedding_example(place: Place) -> None:
    log = place.directory / "log"
    command: Command = [sys.executable, ROOT / "docs/examples/embed.py", "dev/mtlsd.toml", "60"]
    with running(command, place.directory, log, "public listens at") as process:
        assert _payload(_token(place, place.ports["8443"]))["sub"] == "billing"
        process.terminate()
        assert process.wait(DEADLINE) == 0
    assert '"event":"token.issued"' in log.read_text()
    assert '"event":"server.stopped"' in log.read_text()
    assert "Traceback" not in log.read_text()


@needs("bash", "curl")
def test_own_site_example(place: Place) -> None:
    """A stock Site over mtlsd's TLS issues tokens, and tells other resources who is there."""
    log, port = place.directory / "log", place.free_port()
    command: Command = [sys.executable, ROOT / "docs/examples/own_site.py", "dev/mtlsd.toml", port, "60"]
    with running(command, place.directory, log, "ready"):
        claims = _payload(_token(place, port))
        assert claims["sub"] == "billing"
        assert "cnf" in claims
        curl = f"curl --cacert dev/ca.pem https://localhost:{port}/whoami"
        assert place.run(f"{curl} --cert dev/billing.pem --key dev/billing.key") == "billing\n"
        assert place.run(f"{curl} --cert dev/pinned.pem --key dev/pinned.key") == "pinned\n"
        assert "alert" in place.run(f"{curl} --cert dev/server.pem --key dev/server.key")
        assert "alert" in place.run(curl)
    events = [json.loads(line)["event"] for line in log.read_text().splitlines() if line.startswith("{")]
    assert events == ["crl.updated", "token.issued", "handshake.refused", "handshake.refused"]


def test_importing_starts_nothing() -> None:
    """Whoever imports mtlsd has not chosen a reactor thereby, nor does he by reading a configuration."""
    program = (
        "import sys, mtlsd; assert not [name for name in sys.modules if name.startswith('twisted')];"
        "import mtlsd.service.server, mtlsd.config.load; assert 'twisted.internet.reactor' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)

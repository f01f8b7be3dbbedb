"""Clients that we did not write, each a program of its own, and the user who is asked on their behalf."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping
from http.cookiejar import CookieJar
from pathlib import Path
from threading import Timer
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, HTTPSHandler, Request, build_opener

import attrs

from tests.end_to_end.clients import PROGRAMS
from tests.unit.web.browser import Page

ROOT = Path(__file__).parents[2]
NODE = PROGRAMS / "node"
DEADLINE = 30.0
GO_PATH = "/usr/share/gocode"
Told = Mapping[str, Any]
Result = dict[str, Any]
Command = list[str | Path]
Maker = Callable[[Told, Path], Command]
"""What makes a command, from what the program is told and a directory that it may use."""


class Done(dict[str, Result]):
    """What a program told of each thing that it did, by name.

    :ivar version: of the library, as it knows it itself.
    :ivar urls: where it sent the browser.
    """

    version: str = ""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []


def ran(command: Command, browser: Callable[[str], str]) -> Done:
    """Run a program to its end, and be its browser meanwhile."""
    done = Done()
    process = subprocess.Popen(
        list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env=_environ(), cwd=ROOT,
    )  # fmt: skip
    deadline = Timer(DEADLINE, process.kill)
    deadline.start()
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        _listen(process.stdout, process.stdin, browser, done)
        _, errors = process.communicate()
    finally:
        deadline.cancel()
        process.kill()
        process.wait()
    assert process.returncode == 0, f"{list(done)}, and then: {errors}"
    return done


def _environ() -> dict[str, str]:
    """Ours, without whatever has libraries trust others than they are told to: requests obeys it first."""
    others = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS")
    return {**{name: own for name, own in os.environ.items() if name not in others}, "NO_PROXY": "*"}


def _listen(said: IO[str], answers: IO[str], browser: Callable[[str], str], done: Done) -> None:
    for line in said:
        told = json.loads(line)
        if "open" in told:
            done.urls.append(told["open"])
            answers.write(browser(told["open"]) + "\n")
            answers.flush()
        elif "version" in told:
            done.version = told["version"]
        else:
            assert "failed" not in told, f"{list(done)}, and then: {told['did']}: {told['failed']}"
            done[told.pop("did")] = told


def node(program: str) -> Maker:
    return lambda told, directory: ["node", NODE / program, json.dumps(told)]


def python(program: str) -> Maker:
    module = f"tests.end_to_end.programs.python.{program}"
    return lambda told, directory: [sys.executable, "-m", module, json.dumps(told)]


def shell(program: str) -> Maker:
    def command(told: Told, directory: Path) -> Command:
        flat = {name: value for name, value in told.items() if isinstance(value, str)}
        for name in ("resource_server", "registering"):
            flat.update({f"{name}_{key}": value for key, value in told[name].items()})
        flat["metadata"] = json.dumps(told["metadata"])
        return ["env", *(f"{name}={value}" for name, value in flat.items()), PROGRAMS / "shell" / program]

    return command


def go(program: str) -> Maker:
    """Built with what Debian packages of Go's libraries, without a network."""

    def command(told: Told, directory: Path) -> Command:
        built = directory / program.removesuffix(".go")
        own = {"GO111MODULE": "off", "GOPATH": GO_PATH, "GOCACHE": str(directory / "cache"), "GOFLAGS": ""}
        done = subprocess.run(
            ["go", "build", "-o", built, PROGRAMS / "go" / program],
            env={**os.environ, **own}, text=True, capture_output=True, timeout=180,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [built, json.dumps(told)]

    return command


class _Follow(HTTPRedirectHandler):
    """Follows redirects as long as they stay at one place."""

    def __init__(self, origin: str) -> None:
        self.origin = origin

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if not newurl.startswith(f"{self.origin}/"):
            return None
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@attrs.frozen
class User:
    """Somebody with a browser who signs in, and allows whatever is asked."""

    origin: str
    ca: Path
    name: str
    password: str

    def __call__(self, url: str) -> str:
        """Where the browser is sent with an answer for the client."""
        tls = HTTPSHandler(context=ssl.create_default_context(cafile=str(self.ca)))
        opener = build_opener(tls, HTTPCookieProcessor(CookieJar()), _Follow(self.origin))

        def open_page(request: Request) -> tuple[str, Page]:
            try:
                with opener.open(request, timeout=DEADLINE) as answer:
                    return answer.url, Page(answer.status, [], answer.read().decode())
            except HTTPError as error:
                return error.url or "", Page(error.code, list(error.headers.items()), error.read().decode())

        here, page = open_page(Request(url))
        for answer in ("log_in", "grant"):
            assert page.action is not None, page.body
            form = {**page.fields, "username": self.name, "password": self.password, "answer": answer}
            request = Request(urljoin(here, page.action), urlencode(form).encode(), {"Origin": self.origin})
            here, page = open_page(request)
        assert page.status in (302, 303), page.body
        return next(value for name, value in page.headers if name.lower() == "location")

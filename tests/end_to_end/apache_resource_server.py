"""An Apache with mod_oauth2, configured by what docs/mod-oauth2.md shows."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm

from tests.end_to_end.daemon import eventually
from tests.end_to_end.setup import HOST, Setup, free_port
from tests.end_to_end.tree import ROOT
from tests.unit.jose.keys import private_key

AUDIENCE = "https://api.example.com/"
MODULES = Path("/usr/lib/apache2/modules")
_SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"
_AROUND = """
ServerRoot {directory}
ServerName {host}
PidFile {directory}/apache.pid
DefaultRuntimeDir {directory}
ErrorLog {directory}/error.log
LogLevel info
User www-data
Group www-data
{modules}
Listen {host}:{port}
DirectoryIndex index.html
Header always set X-Client-Id "expr=%{{reqenv:OAUTH2_CLAIM_client_id}}"
"""
_MODULES = ("mpm_event", "authn_core", "authz_core", "dir", "headers", "ssl", "oauth2")


def ledger_key(*, private: bool) -> dict[str, object]:
    """The key by which the resource server `ledger` proves who it is, as a JWK."""
    key = private_key("RSA-2048", 77)
    assert isinstance(key, RSAPrivateKey)
    jwk = RSAAlgorithm.to_jwk(key if private else key.public_key(), as_dict=True)
    members = {name: value for name, value in jwk.items() if name != "key_ops"}
    return {**members, "kid": "ledger"}


def shown() -> str:
    """The configuration of the page: the second block stands in the virtual host of the first."""
    page = (ROOT / "docs/mod-oauth2.md").read_text("utf-8")
    host, ledger = re.findall(r"^```apache\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert host.count("</VirtualHost>") == 1
    changed: str = host.replace("</VirtualHost>", ledger + "</VirtualHost>")
    return changed


class Apache:
    """One that runs. It trusts the CA of `setup` in place of the system's: in a mount namespace of its own.

    :param change: what is replaced in the configuration beside names and files.
    """

    def __init__(self, setup: Setup, change: Mapping[str, str]) -> None:
        self.port = free_port()
        self.directory = Path(mkdtemp())
        self.directory.chmod(0o755)
        for path in ("invoices", "ledger"):
            (self.directory / "www" / path).mkdir(parents=True)
            (self.directory / "www" / path / "index.html").write_text(f"these are the {path}\n")
        around = _AROUND.format(
            directory=self.directory,
            host=HOST,
            port=self.port,
            modules="\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in _MODULES),
        )
        replaced = {
            "*:443": f"{HOST}:{self.port}",
            "/srv/api": f"{self.directory}/www",
            "/etc/ssl/api.example.com.pem": f"{setup.directory}/server.pem",
            "/etc/ssl/private/api.example.com.key": f"{setup.directory}/server.key",
            "https://as.example.com/introspect": setup.url("optional", "/introspect"),
            "https://as.example.com": setup.issuer,
            "LEDGER_JWK": quote(json.dumps(ledger_key(private=True)), safe=""),
            **change,
        }
        text = shown()
        for old, new in replaced.items():
            assert old in text, old
            text = text.replace(old, new)
        self._config = self.directory / "apache.conf"
        self._config.write_text(around + text)
        mount = f"mount --bind {setup.ca_file} {_SYSTEM_CAS}"
        command = [
            "unshare",
            "--mount",
            "sh",
            "-c",
            f"{mount} && exec apache2 -DFOREGROUND -f {self._config}",
        ]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)

    def url(self, path: str) -> str:
        return f"https://{HOST}:{self.port}{path}"

    def wait_until_ready(self) -> None:
        def answers() -> bool:
            assert self._process.poll() is None, self._config.read_text()
            try:
                socket.create_connection((HOST, self.port), 1).close()
            except OSError:
                return False
            return True

        eventually(answers, "Apache does not start")

    def stop(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            self._process.wait(20)
        shutil.rmtree(self.directory)


@contextmanager
def apache(setup: Setup, change: Mapping[str, str] | None = None) -> Iterator[Apache]:
    started = Apache(setup, change or {})
    try:
        started.wait_until_ready()
        yield started
    finally:
        started.stop()

"""Requests that are prepared before they are measured: introspection, codes, refresh tokens."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import attrs
from OpenSSL import SSL

from bench.load import Asked, client_context, fetch
from bench.place import BODY, CALLBACK
from bench.process import Server
from bench.versions import Version

TOKENS = 256
"""How many tokens are introspected, or refreshed, in turn."""
CODES = 6000
_CODES = Path(__file__).resolve().parent / "codes.py"
_VERIFIER = "bench-" * 8


@attrs.frozen
class _Preparing:
    version: Version
    server: Server

    def jwt(self) -> Asked:
        return self._introspection(self._answers("client", [BODY] * TOKENS))

    def opaque(self) -> Asked:
        body = BODY.replace("client_id=bench", "client_id=opaque")
        return self._introspection(self._answers("opaque", [body] * TOKENS))

    def codes(self, count: int = CODES) -> Asked:
        bodies = [_body("authorization_code", code=code, **_PROOF) for code in self._codes(count)]
        return Asked("/token", "web", bodies, again=False, holds='"refresh_token"')

    def refresh_tokens(self) -> Asked:
        found = self._answers("web", self.codes(TOKENS).bodies)
        bodies = [_body("refresh_token", refresh_token=own["refresh_token"]) for own in found]
        return Asked("/token", "web", bodies, again=True, holds='"access_token"')

    def _introspection(self, found: Sequence[Mapping[str, Any]]) -> Asked:
        bodies = [urlencode({"client_id": "api", "token": own["access_token"]}) for own in found]
        return Asked("/introspect", "api", bodies, again=True, holds='"cnf"')

    def _answers(self, certificate: str, bodies: Sequence[str]) -> list[Any]:
        context = client_context(self.version.place.certificates, certificate)
        return [json.loads(own) for own in fetch(context, self.server.port, bodies)]

    def _codes(self, count: int) -> list[str]:
        place = self.version.place
        digest = hashlib.sha256(_VERIFIER.encode("ascii")).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
        command = [sys.executable, os.fspath(_CODES), os.fspath(place.configuration), str(count), "web"]
        done = subprocess.run(
            [*command, CALLBACK, challenge],
            env=self.version.environment,
            cwd=place.directory,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout.split()


_PROOF = {"redirect_uri": CALLBACK, "code_verifier": _VERIFIER}
_PREPARE: Mapping[str, Callable[[_Preparing], Asked]] = {
    "introspect": _Preparing.jwt,
    "introspect-opaque": _Preparing.opaque,
    "code": _Preparing.codes,
    "refresh": _Preparing.refresh_tokens,
}


def prepare(version: Version, server: Server, scenario: str) -> Path:
    """Ask for what the requests need, and write them.

    :raises RuntimeError: where this version does not give it.
    """
    try:
        asked = _PREPARE[scenario](_Preparing(version, server))
    except (OSError, SSL.Error, ValueError, KeyError, subprocess.CalledProcessError) as error:
        raise RuntimeError(f"{scenario}: {error!r}") from error
    path = version.place.directory / f"{scenario}.json"
    path.write_text(json.dumps(attrs.asdict(asked)))
    return path


def _body(grant_type: str, **more: str) -> str:
    return urlencode({"grant_type": grant_type, "client_id": "web", **more})

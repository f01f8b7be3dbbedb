"""A directory with a configuration in it that mtlsd can run from."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import attrs

BODY = "grant_type=client_credentials&client_id=bench&scope=read"

# Every check and the audit log are on. The limits are the defaults, but for how long connections may be idle,
# and how many there may be: here they all come from one address.
_CONFIGURATION = """\
issuer = "https://localhost:{port}"

[[listener]]
name = "mtls"
endpoint = "tcp:{port}:interface=127.0.0.1:backlog=4096"
certificate = "{certificates}/server.pem"
key = "{certificates}/server.key"
client_certificate = "required"
serves = ["token", "metadata", "jwks"]
limits = {{ connections = 20000, connections_per_address = 20000, keepalive_seconds = 600 }}

[[trust_anchors]]
name = "bench"
certificates = ["{certificates}/ca.pem"]

[audit]
file = "audit.jsonl"

[[client]]
client_id = "bench"
token_endpoint_auth_method = "tls_client_auth"
tls_client_auth_san_dns = "client.bench.test"
trust_anchors = ["bench"]
scope = "read"
"""

_OTHER_CLIENT = """
[[client]]
client_id = "other{number}"
token_endpoint_auth_method = "tls_client_auth"
tls_client_auth_san_dns = "other{number}.bench.test"
trust_anchors = ["bench"]
scope = "read"
"""


@attrs.frozen
class Place:
    """
    :ivar directory: where the configuration is, and all that mtlsd writes.
    :ivar certificates: has ca.pem, server.pem and .key, client.pem and .key, and signing.key.
    """

    directory: Path
    certificates: Path

    @property
    def configuration(self) -> Path:
        return self.directory / "mtlsd.toml"

    def configure(self, port: int, other_clients: int = 0) -> None:
        """Write the configuration.

        :param other_clients: how many are registered beside the one that the load comes from.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        text = _CONFIGURATION.format(port=port, certificates=self.certificates.resolve())
        others = (_OTHER_CLIENT.format(number=number) for number in range(other_clients))
        self.configuration.write_text(text + "".join(others))

    def import_key(self, mtlsd: list[str], environment: Mapping[str, str]) -> None:
        """Have tokens signed with signing.key.

        :param mtlsd: the command.
        :raises subprocess.CalledProcessError: when mtlsd does not take it.
        """
        key = self.directory / "import.pem"
        key.touch(mode=0o600)
        key.write_bytes((self.certificates / "signing.key").read_bytes())
        try:
            command = [*mtlsd, "keys", "import", "-c", os.fspath(self.configuration), os.fspath(key)]
            subprocess.run(command, check=True, env=dict(environment), stdout=subprocess.DEVNULL)
        finally:
            key.unlink()

"""A directory with a configuration in it that mtlsd can run from."""

from __future__ import annotations

import getpass
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
serves = [{serves}]
limits = {{ connections = 20000, connections_per_address = 20000, keepalive_seconds = 600 }}

[[trust_anchors]]
name = "bench"
certificates = ["{certificates}/ca.pem"]
{revocation}
[audit]
file = "audit.jsonl"
"""

_FETCH = """
[fetch]
allow = ["127.0.0.1"]
"""

PROXY = "proxy"
_FORWARDED = """
[[listener]]
name = "forwarded"
endpoint = "tcp:{port}:interface=127.0.0.1:backlog=4096"
certificate = "{certificates}/server.pem"
key = "{certificates}/server.key"
client_certificate = "forwarded"
public_url = "https://localhost:{port}"
serves = ["token"]
limits = {{ keepalive_seconds = 600 }}
forwarded = {{ format = "nginx", proxy_certificates = ["{certificates}/{proxy}.pem"] }}

[[listener]]
name = "forwarded-socket"
endpoint = "unix:{socket}"
client_certificate = "forwarded"
public_url = "https://localhost:{port}"
serves = ["token"]
limits = {{ keepalive_seconds = 600 }}
forwarded = {{ format = "haproxy", proxy_users = ["{user}"] }}
"""

_CLIENT = """
[[client]]
client_id = "{client_id}"
token_endpoint_auth_method = "tls_client_auth"
tls_client_auth_san_dns = "{name}.bench.test"
trust_anchors = ["bench"]
scope = "read"
"""

CALLBACK = "https://web.bench.test/callback"
GRANT_CLIENTS = ("opaque", "web", "api")
"""Those that `grants` registers: one gets opaque tokens, one acts for users, one is a resource server."""

_GRANTS = {
    "opaque": 'access_token_format = "opaque"\n',
    "web": f'grant_types = ["authorization_code", "refresh_token"]\nredirect_uris = ["{CALLBACK}"]\n',
    "api": 'grant_types = []\nintrospects = ["https://localhost:{port}"]\n',
}


@attrs.frozen
class Place:
    """
    :ivar directory: where the configuration is, and all that mtlsd writes.
    :ivar certificates: has ca.pem, server.pem and .key, client.pem and .key, and signing.key.
    :ivar others: more clients, each with the subjectAltName that its certificates of the same name have.
    """

    directory: Path
    certificates: Path
    others: tuple[str, ...] = ()

    @property
    def configuration(self) -> Path:
        return self.directory / "mtlsd.toml"

    @property
    def socket(self) -> Path:
        """Where a proxy without TLS connects."""
        return self.directory / "proxy.sock"

    def configure(
        self,
        port: int,
        other_clients: int = 0,
        revocation: str | None = None,
        *,
        grants: bool = False,
        forwarded_port: int | None = None,
    ) -> None:
        """Write the configuration.

        :param other_clients: how many are registered beside those that the load comes from.
        :param revocation: the policy of the anchors, in TOML. A commit from before there were any has none.
        :param grants: whether there are codes, refresh tokens, opaque tokens and introspection.
        :param forwarded_port: where a proxy connects; None where there is none.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        policy = "" if revocation is None else f"revocation = {revocation}\n"
        serves = '"token", "metadata", "jwks"' + (', "introspection"' if grants else "")
        text = _CONFIGURATION.format(
            port=port, certificates=self.certificates.resolve(), revocation=policy, serves=serves
        )
        if forwarded_port is not None:
            text += self._forwarded(forwarded_port)
        names = (*self.others, *(f"other{number}" for number in range(other_clients)))
        clients = [_CLIENT.format(client_id="bench", name="client")]
        clients += [_CLIENT.format(client_id=name, name=name) for name in names]
        if grants:
            clients += [_CLIENT.format(client_id=name, name=name) + _GRANTS[name] for name in GRANT_CLIENTS]
            clients[-1] = clients[-1].replace("{port}", str(port))
        self.configuration.write_text("".join([text, "" if revocation is None else _FETCH, *clients]))

    def _forwarded(self, port: int) -> str:
        user, certificates = getpass.getuser(), self.certificates.resolve()
        return _FORWARDED.format(
            port=port, certificates=certificates, proxy=PROXY, socket=self.socket, user=user
        )

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

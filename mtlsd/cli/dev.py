"""`mtlsd dev`: everything that is needed to try mtlsd on one machine."""

from __future__ import annotations

import argparse
import os
import shlex
import stat
from datetime import datetime
from pathlib import Path
from string import Template
from typing import Any

import attrs
from cryptography.hazmat.primitives.serialization import Encoding

from mtlsd.cli import dev_pki, dev_revoke
from mtlsd.cli.exits import OK, UsageError
from mtlsd.ops.audit import utc_now

HOSTS = ("localhost", "127.0.0.1", "::1")
CLIENT_NAME = "billing.partner.example"
RESOURCE_SERVER_NAME = "invoices.example"
WEB_NAME = "web.example"

_CONFIG = Template("""\
# Made by `mtlsd dev init`. All keys are in docs/configuration.md.

issuer = "https://localhost:$public_port"

[[listener]]
name = "mtls"
endpoint = "tcp:$port:interface=127.0.0.1"
certificate = "server.pem"
key = "server.key"
client_certificate = "required"
serves = ["token", "introspection", "revocation", "par", "registration"]

[[listener]]                             # for resource servers and browsers, which have no certificate
name = "public"
endpoint = "tcp:$public_port:interface=127.0.0.1"
certificate = "server.pem"
key = "server.key"
client_certificate = "none"
serves = ["metadata", "jwks"]

[[trust_anchors]]
name = "dev"
certificates = ["ca.pem"]
revocation = { crl = ["ca.crl"] }        # `mtlsd dev revoke` puts certificates on it

[registration]                           # for clients that register themselves: mtlsd client token
modes = ["initial_access_token"]
trust_anchors = ["dev"]
scopes = ["invoices:read"]

[[client]]                               # known by a name in a certificate that the CA issued
client_id = "billing"
token_endpoint_auth_method = "tls_client_auth"
tls_client_auth_san_dns = "$client_name"
trust_anchors = ["dev"]
scope = "invoices:read invoices:write"

[[client]]                               # known by its own, self-signed certificate
client_id = "pinned"
token_endpoint_auth_method = "self_signed_tls_client_auth"
certificate = "pinned.pem"
scope = "invoices:read"

[[client]]                               # acts for users
client_id = "web"
token_endpoint_auth_method = "tls_client_auth"
tls_client_auth_san_dns = "$web_name"
trust_anchors = ["dev"]
grant_types = ["authorization_code", "refresh_token"]
redirect_uris = ["https://web.example/callback"]
scope = "invoices:read invoices:write"

[[client]]                               # a resource server: it asks what tokens are, and calls the next one
client_id = "invoices"
token_endpoint_auth_method = "tls_client_auth"
tls_client_auth_san_dns = "$resource_server_name"
trust_anchors = ["dev"]
grant_types = ["urn:ietf:params:oauth:grant-type:token-exchange"]
introspects = ["https://localhost:$public_port"]
exchanges_for = ["https://localhost:$public_port"]
resources = ["https://ledger.example/"]
scope = "invoices:read"
""")


@attrs.frozen
class Made:
    """What `init` has made.

    :ivar commands: shell commands that use it; the first starts the daemon.
    """

    config: Path
    commands: tuple[str, ...]


def init(directory: Path, now: datetime, *, port: int = 8443, public_port: int = 8444) -> Made:
    """Make a CA, certificates for a server, its clients and a resource server, and a configuration for them.

    :param directory: made when it is not there.
    :param now: aware; when the certificates begin.
    :param port: of the listener that requires a client certificate.
    :param public_port: of the listener that asks for none.
    :raises UsageError: when the directory has anything in it or is not the caller's, or the ports are one.
    """
    if port == public_port:
        raise UsageError("the two listeners need two ports")
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_ours(directory)
    made = _certificates(now)
    for name, issued in made.items():
        _write(directory / f"{name}.pem", issued.certificate_pem, 0o644)
        _write(directory / f"{name}.key", issued.key_pem, 0o600)
    revocation_list = dev_pki.revocation_list(made["ca"], (), 1, now)
    _write(directory / "ca.crl", revocation_list.public_bytes(Encoding.PEM), 0o644)
    config = directory / "mtlsd.toml"
    text = _CONFIG.substitute(
        port=port,
        public_port=public_port,
        client_name=CLIENT_NAME,
        resource_server_name=RESOURCE_SERVER_NAME,
        web_name=WEB_NAME,
    )
    _write(config, text.encode(), 0o644)
    return Made(config, _commands(directory, port, public_port))


def _check_ours(directory: Path) -> None:
    """Others must not be able to put files of theirs in the place of keys and configuration."""
    status = directory.stat()
    if status.st_uid != os.geteuid():
        raise UsageError(
            f"{directory} belongs to somebody else; name one of yours, or one that is not there yet"
        )
    if status.st_mode & stat.S_IWOTH:
        raise UsageError(f"everybody may write to {directory}; name a directory that is not there yet")
    if any(directory.iterdir()):
        raise UsageError(f"{directory} is not empty; name a directory that is empty or not there yet")


def _certificates(now: datetime) -> dict[str, dev_pki.Issued]:
    authority = dev_pki.certificate_authority("mtlsd development CA", now)
    return {
        "ca": authority,
        "server": dev_pki.server("localhost", HOSTS, authority, now),
        "billing": dev_pki.client("billing", [CLIENT_NAME], authority, now),
        "invoices": dev_pki.client("invoices", [RESOURCE_SERVER_NAME], authority, now),
        "web": dev_pki.client("web", [WEB_NAME], authority, now),
        "pinned": dev_pki.client("pinned", [], None, now),
    }


def _write(path: Path, content: bytes, mode: int) -> None:
    """The mode is there from the beginning: nobody can read a key before it is closed to others."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)


def _commands(directory: Path, port: int, public_port: int) -> tuple[str, ...]:
    def at(name: str) -> str:
        return shlex.quote(str(directory / name))

    curl = f"curl --cacert {at('ca.pem')}"
    tokens = tuple(
        f"{curl} --cert {at(f'{client}.pem')} --key {at(f'{client}.key')} "
        f"-d grant_type=client_credentials -d client_id={client} https://localhost:{port}/token"
        for client in ("billing", "pinned")
    )
    metadata = f"{curl} https://localhost:{public_port}/.well-known/oauth-authorization-server"
    return (f"mtlsd run -c {at('mtlsd.toml')}", *tokens, metadata)


def register(verbs: Any) -> None:
    """Add `dev` to the command line."""
    dev = verbs.add_parser("dev", help="try mtlsd on this machine").add_subparsers(
        title="verbs", required=True, metavar="VERB"
    )
    parser = dev.add_parser("init", help="make a CA, certificates and a mtlsd.toml")
    parser.add_argument("directory", type=Path, metavar="DIR", help="empty, or not there yet")
    parser.add_argument("--port", type=_port, default=8443, help="for clients with certificates (8443)")
    parser.add_argument("--public-port", type=_port, default=8444, help="for everybody (8444)")
    parser.set_defaults(do=_init)
    dev_revoke.register(dev)


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise ValueError
    return port


def _init(arguments: argparse.Namespace) -> int:
    made = init(arguments.directory, utc_now(), port=arguments.port, public_port=arguments.public_port)
    start, *use = made.commands
    print(f"Made {made.config}. Start the daemon:\n\n  {start}\n\nand, in another shell, use it:\n")
    print("\n".join(f"  {command}" for command in use))
    return OK

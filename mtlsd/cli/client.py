"""`mtlsd client`: registering clients in the store, and looking at all of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mtlsd.cli import client_approve, client_token
from mtlsd.cli.client_metadata import make_secret, metadata_in
from mtlsd.cli.common import (
    add_config,
    add_json,
    load_config,
    opened_store,
    print_json,
    print_table,
    result_of,
    stored_clients,
    unreachable,
)
from mtlsd.cli.exits import OK, UsageError
from mtlsd.cli.rotation import certificate_documents, certificates_of, print_certificates
from mtlsd.cli.subjects import Names, names_in
from mtlsd.clients.client import Client
from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.clients.methods import PKI, PRIVATE_KEY_JWT, SELF_SIGNED
from mtlsd.config.model import Config
from mtlsd.jose.jwk import thumbprint
from mtlsd.ops.audit import utc_now
from mtlsd.pki.certificate import Certificate
from mtlsd.service.published import kept
from mtlsd.service.snapshot import client_index, registrations
from mtlsd.stores.interfaces import ClientStore, UnknownClient

_SUBJECTS = {
    "subject_dn": "tls_client_auth_subject_dn",
    "san_dns": "tls_client_auth_san_dns",
    "san_uri": "tls_client_auth_san_uri",
    "san_ip": "tls_client_auth_san_ip",
    "san_email": "tls_client_auth_san_email",
}


def register(verbs: Any) -> None:
    parser = verbs.add_parser("client", help="register, list and remove clients")
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION")
    _register_add(actions)
    listing = actions.add_parser("list", help="every client, from files and from the store")
    add_config(listing)
    add_json(listing)
    listing.set_defaults(do=_list)
    for name, do, text in (
        ("show", _show, "one client, whole"),
        ("disable", _disable, "refuse a client, and keep its registration"),
        ("enable", _enable, "let a disabled client in again"),
        ("remove", _remove, "forget a client; its client_id is never given again"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("client_id", metavar="CLIENT_ID")
        add_config(action)
        if name == "show":
            add_json(action)
        action.set_defaults(do=do)
    client_token.register(actions)
    client_approve.register(actions)


def _register_add(actions: Any) -> None:
    add = actions.add_parser(
        "add",
        help="register a client in the store",
        description="With --certificate, its name and the trust anchor group that vouches for it are"
        " registered, or the certificate itself where it is self-signed. Otherwise give a name and a group,"
        " or --jwks-uri. All other metadata, such as redirect_uris, is read from --metadata.",
    )
    add_config(add)
    add_json(add)
    add.add_argument("--client-id", required=True, metavar="ID")
    add.add_argument(
        "--certificate", type=Path, action="append", default=[], metavar="FILE.pem",
        help="read the name from it, or pin it; a self-signed one may be given several times",
    )  # fmt: skip
    add.add_argument(
        "--jwks-uri",
        metavar="URL",
        help="where the client publishes the certificates that it uses, over https",
    )
    add.add_argument("--pin", action="store_true", help="pin the certificate although a CA has issued it")
    add.add_argument(
        "--by",
        choices=("dn", "dns", "uri", "ip", "email"),
        default=None,
        help="which name of the certificate to take",
    )
    for option, member in _SUBJECTS.items():
        add.add_argument(f"--{option.replace('_', '-')}", metavar="NAME", help=f"register {member}")
    add.add_argument(
        "--trust-anchors", action="append", default=[], metavar="GROUP", help="a group that may vouch"
    )
    add.add_argument("--scope", default="", help="what it may ask for, separated by spaces")
    add.add_argument(
        "--resource", action="append", default=[], metavar="URI", help="a resource it may ask for"
    )
    add.add_argument("--name", metavar="TEXT", help="client_name, for people")
    add.add_argument(
        "--metadata", type=Path, metavar="FILE.json", help="other client metadata (RFC 7591): a JSON object"
    )
    add.add_argument(
        "--new-secret", action="store_true", help="make a client secret, and show it once; its hash is kept"
    )
    add.add_argument("--replace", action="store_true", help="replace the registration that the store has")
    add.set_defaults(do=_add)


def _add(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    metadata, pins = _metadata(arguments, config)
    secret = None
    if arguments.new_secret:
        secret, metadata["client_secret_hash"] = make_secret()
    client = Client.from_metadata(metadata, place="command line", certificates=pins)
    with opened_store(config) as store:
        others = [own for own in result_of(store.list_clients()) if own.client_id != client.client_id]
        client_index(config, [*others, client])
        if arguments.replace:
            result_of(store.update_client(client, utc_now()))
        else:
            result_of(store.add_client(client, utc_now()))
    for warning in unreachable(config, [client]):
        print(f"warning: {warning}", file=sys.stderr)
    if arguments.json:
        print_json(
            client.to_metadata() if secret is None else {**client.to_metadata(), "client_secret": secret}
        )
    else:
        print(f"registered {client.client_id}: {identity_of(client)}")
        if secret is not None:
            print(f"client_secret: {secret}")
        print("A running daemon knows it within two seconds.")
    return OK


def _metadata(arguments: argparse.Namespace, config: Config) -> tuple[dict[str, Any], list[bytes]]:
    """The client metadata that the options ask for, and the certificates to pin."""
    metadata = metadata_in(arguments.metadata, arguments.client_id)
    metadata["client_id"] = arguments.client_id
    if arguments.resource:
        metadata["resources"] = arguments.resource
    if arguments.scope:
        metadata["scope"] = arguments.scope
    if arguments.name:
        metadata["client_name"] = arguments.name
    given = {
        member: getattr(arguments, option)
        for option, member in _SUBJECTS.items()
        if getattr(arguments, option)
    }
    found = (
        names_in(arguments.certificate, arguments.by, arguments.pin, config)
        if arguments.certificate
        else Names()
    )
    ways = [bool(given), bool(arguments.certificate), arguments.jwks_uri is not None]
    if sum(ways) > 1:
        raise UsageError("give one of --certificate, --jwks-uri and a name, not several")
    if "token_endpoint_auth_method" in metadata and not any(ways):
        return metadata, []
    if not any(ways):
        options = ", --".join(_SUBJECTS).replace("_", "-")
        raise UsageError(
            f"give --certificate, --jwks-uri, one of --{options},"
            " or --metadata with a token_endpoint_auth_method that needs none of them"
        )
    metadata.update(given or found.subject)
    if arguments.jwks_uri is not None:
        metadata["jwks_uri"] = arguments.jwks_uri
    metadata["token_endpoint_auth_method"] = _method(metadata, found, arguments.jwks_uri)
    if groups := arguments.trust_anchors or found.groups:
        metadata["trust_anchors"] = groups
    return metadata, found.pins


def _method(metadata: Mapping[str, Any], found: Names, jwks_uri: str | None) -> str:
    """What the options leave of methods, and the metadata choose."""
    if jwks_uri is not None:
        methods: tuple[str, ...] = (SELF_SIGNED, PRIVATE_KEY_JWT)
    else:
        methods = (SELF_SIGNED,) if found.pins else (PKI,)
    asked: str = metadata.get("token_endpoint_auth_method", methods[0])
    if asked not in methods:
        raise UsageError(f"--metadata asks for {asked!r}, and the other options for {' or '.join(methods)}")
    return asked


def identity_of(client: Client) -> str:
    """By what the client is known, in one line."""
    if client.subject is not None:
        return f"{client.subject.member} {client.subject.text} under {', '.join(client.trust_anchors)}"
    if client.jwks_uri is not None:
        return f"jwks_uri {client.jwks_uri}"
    if client.keys:
        return "key " + ", ".join(thumbprint(dict(key.members)) for key in client.keys)
    if not client.pins:
        return "its client_id alone" if client.is_public else "a secret"
    return "certificate " + ", ".join(Certificate.from_der(pin).x5t_s256 for pin in client.pins)


def _index_of(config: Config) -> ClientIndex:
    """Every client, with the certificates that a daemon has fetched last."""
    stored = stored_clients(config)
    return client_index(config, stored, kept(config, registrations(config, stored)))


def _list(arguments: argparse.Namespace) -> int:
    listed = _index_of(load_config(arguments.config)).registrations.values()
    if arguments.json:
        print_json([_document(registration) for registration in listed])
        return OK
    rows = [("CLIENT_ID", "METHOD", "KNOWN BY", "STATE", "REGISTERED IN")]
    for own in listed:
        client = own.client
        state = "disabled" if client.disabled else "enabled"
        rows.append(
            (client.client_id, client.token_endpoint_auth_method, identity_of(client), state, own.origin)
        )
    print_table(rows)
    return OK


def _document(registration: Registration) -> dict[str, Any]:
    return {"registered_in": registration.origin, **registration.client.to_metadata()}


def _show(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    registration = _index_of(config).registrations.get(arguments.client_id)
    if registration is None:
        raise UsageError(f"no client {arguments.client_id!r}; mtlsd client list shows all")
    certificates = certificates_of(registration.client, config)
    if arguments.json:
        print_json({**_document(registration), "certificates": certificate_documents(certificates)})
        return OK
    for name, value in _document(registration).items():
        if name != "jwks":
            print(f"{name}: {_shown(value)}")
    print_certificates(certificates)
    return OK


def _shown(value: Any) -> str:
    """A member of the metadata on a line, as it is written in a configuration."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(value) if isinstance(value, list) else str(value)


@contextmanager
def _changing(arguments: argparse.Namespace) -> Iterator[ClientStore]:
    """The store, for a change of one client of it; clients of files are changed in their files."""
    config = load_config(arguments.config)
    with opened_store(config) as store:
        try:
            yield store
        except UnknownClient as error:
            for registration in config.registrations:
                if registration.client.client_id == arguments.client_id:
                    raise UsageError(
                        f"{arguments.client_id!r} is registered in {registration.origin}: change it there"
                    ) from error
            raise


def _disable(arguments: argparse.Namespace) -> int:
    with _changing(arguments) as store:
        result_of(store.set_disabled(arguments.client_id, True, utc_now()))
    print(f"disabled {arguments.client_id}")
    return OK


def _enable(arguments: argparse.Namespace) -> int:
    with _changing(arguments) as store:
        result_of(store.set_disabled(arguments.client_id, False, utc_now()))
    print(f"enabled {arguments.client_id}")
    return OK


def _remove(arguments: argparse.Namespace) -> int:
    with _changing(arguments) as store:
        result_of(store.remove_client(arguments.client_id, utc_now()))
    print(f"removed {arguments.client_id}")
    return OK

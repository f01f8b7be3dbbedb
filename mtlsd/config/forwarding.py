"""From `[listener.forwarded]` and `proxy_protocol` to how a listener hears of clients from a proxy."""

from __future__ import annotations

import hashlib
import ipaddress
import pwd
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import attrs

from mtlsd.clients.client import Client
from mtlsd.clients.index import ClientIndex, Registration
from mtlsd.clients.methods import PKI, SELF_SIGNED
from mtlsd.config.document import ForwardedTable, ListenerTable
from mtlsd.config.endpoints import Place
from mtlsd.config.files import Files
from mtlsd.config.model import Forwarding, ProxyProtocol
from mtlsd.config.notes import Notes
from mtlsd.config.registrations import check_end
from mtlsd.config.text import key_path, shown
from mtlsd.errors import ConfigError
from mtlsd.forwarded.credentials import OVERFLOW_UID, known_uids
from mtlsd.forwarded.formats import FORMATS, Reader
from mtlsd.pki.path import AnchorGroup

_FIELD_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
_CREDENTIALS = re.compile(rb"[\x21-\x39\x3b-\x7e]{1,64}:([\x21-\x7e]{16,256})\n?")
PROXY_V2 = "proxy-v2"
# what means something else already, or is the client's own
_TAKEN = frozenset(
    {"authorization", "connection", "content-length", "content-type", "host", "transfer-encoding"}
    | {"x-proxy-authorization", "cookie", "origin"}
)


@attrs.frozen
class Around:
    """What a listener's proxy is loaded with.

    :ivar groups: all trust anchor groups, by name.
    """

    directory: Path
    groups: Mapping[str, AnchorGroup]
    now: datetime


def load_forwarding(
    listener: ListenerTable, place: Place | None, around: Around, notes: Notes
) -> Forwarding | None:
    """How the proxy forwards certificates; None where it does not, or what has mistakes, which are noted."""
    table = listener.forwarded
    if listener.client_certificate != "forwarded":
        if table is not None:
            remedy = 'Remove it, or have certificates forwarded: client_certificate = "forwarded".'
            notes.add("forwarded", "means nothing on a listener that clients connect to", remedy)
        return None
    if table is None:
        remedy = "Say below [listener.forwarded] what the proxy sends and who it is: see docs/proxies.md."
        notes.add("forwarded", "is missing: nobody is known to forward certificates", remedy)
        return None
    own = notes.at(f"{notes.table}.forwarded")
    _check_transport(listener, table, place, notes, own)
    proxies = _proxies(table, around, own)
    return Forwarding(
        format=_format(table, own),
        client_address=_field("client_address", table.client_address, own),
        proxies=proxies,
        proxy_groups=tuple(_groups(table, around.groups, own)),
        proxy_credentials=_credentials(table, around.directory, own),
        proxy_uids=_uids(table, own),
    )


def load_proxy_protocol(listener: ListenerTable, notes: Notes) -> ProxyProtocol | None:
    """What comes before everything else; mistakes are noted."""
    table = listener.proxy_protocol
    if listener.forwarded is not None and listener.forwarded.format == PROXY_V2:
        if table is not None:
            remedy = "Remove it: the format is its version 2 already."
            notes.add("proxy_protocol", 'means nothing with format = "proxy-v2"', remedy)
        return ProxyProtocol(2, ())
    if table is None:
        return None
    networks = []
    for index, text in enumerate(table.proxies):
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError:
            remedy = 'Write an address or a network, such as "10.1.2.3" or "10.1.0.0/16".'
            notes.add(key_path("proxy_protocol", "proxies", index), f"{shown(text)} is no network", remedy)
    if not table.proxies:
        remedy = "Name the addresses of the proxies: whoever may send the header can have any address."
        notes.add("proxy_protocol.proxies", "is empty", remedy)
    return ProxyProtocol(table.version, tuple(networks))


def _check_transport(
    listener: ListenerTable, table: ForwardedTable, place: Place | None, notes: Notes, own: Notes
) -> None:
    """What the proxy is known by can be seen on this endpoint, and nobody can listen in or join in (R77)."""
    plain = listener.certificate is None and listener.key is None
    local = place is not None and place.is_local
    if plain and place is not None and not local:
        remedy = "Give certificate and key, or listen on loopback or a unix: socket."
        notes.add("endpoint", "would take certificates and tokens in the clear from other machines", remedy)
    if plain and (table.proxy_certificates or table.proxy_trust_anchors):
        remedy = "Give the listener certificate and key."
        own.add("proxy_certificates", "cannot be seen without TLS", remedy)
    by_socket = place is None or place.kind == "unix"
    if table.proxy_users and not by_socket:
        remedy = 'Listen on "unix:/run/mtlsd/proxy.sock:mode=666", or know the proxy by another key.'
        own.add("proxy_users", "cannot be seen: the endpoint is no unix: socket", remedy)
    if table.format == PROXY_V2 and not (plain and table.proxy_users):
        remedy = "Listen on a unix: socket without certificate and key, and name proxy_users."
        own.add("format", "comes in the clear before everything else, so it needs a unix: socket", remedy)
    if table.format == PROXY_V2 and table.proxy_credentials is not None:
        message = "cannot come: what sends the header adds no fields to requests"
        own.add("proxy_credentials", message, "Remove it: the proxy is known by proxy_users.")
    if not (
        table.proxy_certificates or table.proxy_trust_anchors or table.proxy_credentials or table.proxy_users
    ):
        remedy = "Give proxy_certificates, proxy_trust_anchors, proxy_credentials or proxy_users."
        own.add("", "says nothing of who the proxy is: anybody could forward any certificate", remedy)
    if listener.refuse_in is not None:
        remedy = "Remove it: a client's certificate is refused in the response."
        notes.add("refuse_in", "means nothing where a proxy forwards certificates", remedy)


def _format(table: ForwardedTable, notes: Notes) -> Reader | None:
    if table.format == PROXY_V2:
        if table.header is not None or table.encoding is not None:
            notes.add("header", 'means nothing with format = "proxy-v2"', "Remove it.")
        return None
    try:
        found = FORMATS[table.format].reader(table.header, table.encoding)
    except ValueError as error:
        notes.add("format", str(error), "See docs/proxies.md.")
        return None
    if not set(_names(found)).isdisjoint(_TAKEN | {table.client_address.lower()}):
        notes.add("header", "is a field that means something else", "Take another one.")
    return found


def _names(found: Reader) -> Iterator[str]:
    return (name.decode("ascii") for name in found.fields)


def _field(key: str, name: str, notes: Notes) -> bytes:
    if not _FIELD_NAME.fullmatch(name) or name.lower() in _TAKEN:
        notes.add(key, f"{shown(name)} cannot be used", "Take letters, digits and -: X-Forwarded-For.")
        return b""
    return name.lower().encode("ascii")


def _proxies(table: ForwardedTable, around: Around, notes: Notes) -> ClientIndex | None:
    """The proxy as the judge knows clients: by its very certificate, or by a name under an anchor group."""
    if bool(table.proxy_trust_anchors) != bool(table.proxy_san_dns):
        remedy = "Name both: the groups, and the names of the proxies in the certificates that they issue."
        notes.add("proxy_trust_anchors", "and proxy_san_dns belong together", remedy)
        return None
    pins = list(_pins(table, around, notes))
    if len(pins) < len(table.proxy_certificates) or not (pins or table.proxy_san_dns):
        return None
    known: list[Client] = []
    try:
        if pins:
            metadata: dict[str, object] = {"client_id": "proxy", "token_endpoint_auth_method": SELF_SIGNED}
            place = notes.place("proxy_certificates")
            known.append(Client.from_metadata(metadata, place=place, certificates=pins))
        for name in table.proxy_san_dns:
            known.append(Client.from_metadata(_named(name, table), place=notes.place("proxy_san_dns")))
        return ClientIndex.build(Registration(client, notes.file) for client in known)
    except ConfigError as error:
        notes.found.extend(error.mistakes)
        return None


def _pins(table: ForwardedTable, around: Around, notes: Notes) -> Iterator[bytes]:
    """The first certificate of each file: a chain may follow, as proxies have it in one file."""
    for name in table.proxy_certificates:
        found = Files(around.directory, notes).certificates("proxy_certificates", name)
        if found:
            check_end("proxy_certificates", found[0], around.now, notes)
            yield found[0].der


def _named(name: str, table: ForwardedTable) -> dict[str, object]:
    return {
        "client_id": f"proxy {name}",
        "token_endpoint_auth_method": PKI,
        "tls_client_auth_san_dns": name,
        "trust_anchors": list(table.proxy_trust_anchors),
    }


def _groups(table: ForwardedTable, known: Mapping[str, AnchorGroup], notes: Notes) -> Iterator[AnchorGroup]:
    for index, name in enumerate(table.proxy_trust_anchors):
        if name in known:
            yield known[name]
        else:
            message = f"{shown(name)} is no trust anchor group"
            notes.add(key_path("proxy_trust_anchors", index), message, "Add it as [[trust_anchors]].")


def _credentials(table: ForwardedTable, directory: Path, notes: Notes) -> bytes | None:
    """The digest of the whole field value, so that nothing else need be kept."""
    if table.proxy_credentials is None:
        return None
    content = Files(directory, notes).secret("proxy_credentials", table.proxy_credentials)
    if content is None:
        return None
    match = _CREDENTIALS.fullmatch(content)
    if match is None:
        message = f"{shown(table.proxy_credentials)} does not have one line user:password"
        remedy = 'Make one: (umask 077; echo "proxy:$(openssl rand -hex 32)" > FILE).'
        notes.add("proxy_credentials", message, remedy)
        return None
    return hashlib.sha256(b"Basic " + b64encode(content.rstrip(b"\n"))).digest()


def _uids(table: ForwardedTable, notes: Notes) -> frozenset[int] | None:
    if not table.proxy_users:
        return None
    uids, known = set(), known_uids()
    for index, name in enumerate(table.proxy_users):
        key = key_path("proxy_users", index)
        try:
            uid = pwd.getpwnam(name).pw_uid
        except KeyError:
            remedy = "Name the user as which the proxy's workers run: www-data, haproxy, caddy."
            notes.add(key, f"{shown(name)} is no user of this machine", remedy)
            continue
        if uid == OVERFLOW_UID:
            remedy = "Have the proxy run as a user of its own."
            notes.add(key, f"{shown(name)} is what the kernel calls everybody whom it cannot name", remedy)
        elif not any(uid in own for own in known):
            remedy = (
                "Let mtlsd see the machine's users: PrivateUsers=no, by `systemctl edit mtlsd`. Then restart "
                "it: no reload changes that."
            )
            notes.add(key, f"{shown(name)} is nobody in the user namespace that mtlsd runs in", remedy)
        uids.add(uid)
    return frozenset(uids)

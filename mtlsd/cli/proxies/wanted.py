"""What a proxy has to do for one listener: the values that the templates are filled with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Self
from urllib.parse import urlsplit

import attrs

from mtlsd.cli.exits import UsageError
from mtlsd.config.document import ForwardedTable, ListenerTable
from mtlsd.config.endpoints import Place
from mtlsd.config.model import Config, Credential, Listener
from mtlsd.config.notes import Notes
from mtlsd.config.read import Document, read_document
from mtlsd.forwarded.formats import FORMATS, KNOWN_FIELDS
from mtlsd.forwarded.spellings import CREDENTIALS_FIELD
from mtlsd.pki.printable import printable

# what needs no quotes in anybody's configuration
_plain_path = re.compile(r"/[\w./@+-]+", re.ASCII).fullmatch
_plain_name = re.compile(r"[\w.:-]+", re.ASCII).fullmatch
_UPPER: Final = ("ssl", "dn", "mtls", "wso2", "arr")
_ANY: Final = ("0.0.0.0", "::")  # noqa: S104  # to be told apart, not to listen there


@attrs.frozen
class Upstream:
    """Where the proxy finds mtlsd.

    :ivar socket: the path of its UNIX socket; None where it listens on TCP.
    :ivar host: its address or its name.
    :ivar port: None where the configuration does not tell it.
    :ivar name: the name in its certificate; None where it speaks plain HTTP.
    :ivar certificate: the file with its certificate, as the configuration has it.
    """

    socket: str | None
    host: str
    port: int | None
    name: str | None
    certificate: str | None

    @property
    def address(self) -> str:
        """Host and port, as in a URL; PORT for one that is not known."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port or 'PORT'}"

    @property
    def name_is_address(self) -> bool:
        return self.name is not None and not re.search("[A-Za-z]", self.name.rpartition(":")[2])


@attrs.frozen
class Wanted:
    """One listener, as its proxy sees it.

    :ivar host, port: of the proxy, as clients see it.
    :ivar form: the format, for `header` with the encoding; None where TLS is passed through.
    :ivar fields: the fields of the certificate, as they are usually written; the first has the leaf.
    :ivar client_address: the field with the client's address.
    :ivar strip: the fields that clients could send to pass for somebody, beside those that the proxy sets.
    :ivar proxy_certificate: what the proxy's own certificate has to be, in words; None where it needs none.
    :ivar credentials: the file with the proxy's credentials; None where it needs none.
    :ivar proxy_users: one of which the proxy has to run as, to be let in; empty where that is not asked.
    :ivar anchors: the files of the trust anchors that may vouch for clients.
    :ivar names_cas: whether clients are told those anchors' names. Who has a certificate of none of them
        would offer none then.
    :ivar intermediates: how many intermediates each of the anchor groups holds.
    :ivar proxy_protocol: the version of the header that comes first; None where none does.
    """

    listener: str
    host: str
    port: int
    upstream: Upstream
    form: str | None
    fields: tuple[str, ...]
    client_address: str
    strip: tuple[str, ...]
    proxy_certificate: str | None
    credentials: str | None
    proxy_users: tuple[str, ...]
    anchors: tuple[str, ...]
    names_cas: bool
    intermediates: Mapping[str, int]
    proxy_protocol: int | None
    body_bytes: int
    header_bytes: int
    keepalive_seconds: int

    @classmethod
    def from_config(cls, config: Config, listener: Listener, names_cas: bool) -> Self:
        """Read what the listener's proxy must know.

        :param names_cas: as the attribute.
        :raises UsageError: where the configuration does not tell it.
        """
        document = read_document(config.path, Notes(config.path.name))  # for the names of files
        assert document is not None  # it was loaded a moment ago
        (table,) = (own.table for own in document.listeners if own.table.name == listener.name)
        url, told = urlsplit(listener.public_url), table.forwarded
        if not _plain_name(url.hostname or ""):
            raise UsageError(f"the listener's public_url has a host that cannot be written: {url.hostname!r}")
        fields = () if told is None else _fields(told)
        client_address = "X-Forwarded-For" if told is None else told.client_address
        own = {name.lower() for name in (*fields, client_address)}
        credentials = None if told is None else told.proxy_credentials
        others = (own.forwarding.format for own in config.listeners if own.forwarding is not None)
        guarded = KNOWN_FIELDS.union(*(each.fields for each in others if each is not None))
        return cls(
            listener=listener.name,
            host=url.hostname or "",
            port=url.port or 443,
            upstream=_upstream(listener, table),
            form=None if told is None else _form(told),
            fields=fields,
            client_address=client_address,
            strip=tuple(sorted(titled(name) for name in _text(guarded) if name not in own))
            + (() if credentials else (CREDENTIALS,)),
            proxy_certificate=None if told is None else _proxy_certificate(told),
            credentials=None if credentials is None else printable(credentials),
            proxy_users=() if told is None else told.proxy_users,
            anchors=tuple(_anchor_files(document, (group.name for group in listener.groups))),
            names_cas=names_cas,
            intermediates={group.name: len(group.intermediates) for group in listener.groups},
            proxy_protocol=None if listener.proxy_protocol is None else listener.proxy_protocol.version,
            body_bytes=listener.limits.body_bytes,
            header_bytes=listener.limits.header_bytes,
            keepalive_seconds=listener.limits.keepalive_seconds,
        )

    @property
    def reserved(self) -> tuple[str, ...]:
        """The fields that no client may send: those that the proxy sets, and those that nobody sends."""
        return (*self.fields, *self.strip)

    @property
    def idle_seconds(self) -> int:
        """How long the proxy may keep a connection idle: it has to be the first to close it."""
        return max(1, self.keepalive_seconds - 5)

    @property
    def netloc(self) -> str:
        """Host and port as clients see them, in the field Host."""
        return self.host if self.port == 443 else f"{self.host}:{self.port}"


def _text(names: Iterable[bytes]) -> Iterable[str]:
    return (name.decode("ascii") for name in names)


def titled(name: str) -> str:
    """A field name as it is usually written: `X-SSL-Client-Cert`."""
    return "-".join(word.upper() if word in _UPPER else word.capitalize() for word in name.lower().split("-"))


CREDENTIALS: Final = titled(CREDENTIALS_FIELD.decode("ascii"))


def _fields(told: ForwardedTable) -> tuple[str, ...]:
    if told.format not in FORMATS:
        return ()
    return tuple(map(titled, _text(FORMATS[told.format].fields(told.header))))


def _form(told: ForwardedTable) -> str:
    return told.format if told.encoding is None else f"{told.format} {told.encoding}"


def _proxy_certificate(told: ForwardedTable) -> str | None:
    if told.proxy_certificates:
        return "the one that mtlsd knows as " + " or ".join(map(printable, told.proxy_certificates))
    if told.proxy_san_dns:
        groups = " or ".join(map(printable, told.proxy_trust_anchors))
        return f"for {' or '.join(map(printable, told.proxy_san_dns))}, from the trust anchors {groups}"
    return None


def _anchor_files(document: Document, groups: Iterable[str]) -> Iterable[str]:
    wanted = set(groups)
    for entry in document.trust_anchors:
        if entry.table.name in wanted:
            yield from map(printable, entry.table.certificates)


def _upstream(listener: Listener, table: ListenerTable) -> Upstream:
    name = None if listener.credential is None else _name_of(listener.credential)
    certificate = None if name is None else printable(table.certificate or "")
    place = Place.from_string(listener.endpoint, lambda _: None)
    if place.kind == "unix":
        if not _plain_path(place.address):
            raise UsageError(
                f"the path of the socket must be absolute and plain, and {printable(place.address)} is not"
            )
        return Upstream(place.address, "", None, name, certificate)
    address = place.address if place.kind == "tcp" and place.address not in _ANY else None
    return Upstream(None, address or name or "127.0.0.1", place.port, name, certificate)


def _name_of(credential: Credential) -> str:
    """A name of the certificate that mtlsd shows to the proxy: a DNS name, if there is one."""
    names = credential.chain[0].subject_alt_names
    for kind in ("dns", "ip"):
        for name in names:
            if name.kind == kind and _plain_name(name.value):
                return name.value
    raise UsageError("the listener's own certificate has no name that a proxy could verify")


def proxied(config: Config, name: str | None) -> Listener:
    """The listener that is meant.

    :raises UsageError: where there is none, or several.
    """
    found = [own for own in config.listeners if own.forwarding is not None or own.proxy_protocol is not None]
    asked = [own.name for own in found if set(own.serves) == {"forward-auth"}]
    if name in asked:
        raise UsageError(
            f"clients do not come to {name}: the proxy of an application asks there, and "
            "docs/forward-auth.md has its configuration"
        )
    found = [own for own in found if own.name not in asked]
    if name is not None:
        found = [own for own in found if own.name == name]
    names = ", ".join(own.name for own in config.listeners)
    if not found:
        which = "no listener" if name is None else f"the listener {name!r} does not exist, or"
        raise UsageError(
            f"{which} is for a proxy: give one of {names} "
            'client_certificate = "forwarded" and [listener.forwarded], or proxy_protocol (docs/proxies.md)'
        )
    if len(found) > 1:
        raise UsageError(f"say which one: --listener {' | '.join(own.name for own in found)}")
    return found[0]

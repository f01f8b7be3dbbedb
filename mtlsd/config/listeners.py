"""From `[[listener]]` to a Listener."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

import attrs

from mtlsd.config.document import ListenerTable
from mtlsd.config.endpoints import CheckEndpoint, Place
from mtlsd.config.forwarding import Around, load_forwarding, load_proxy_protocol
from mtlsd.config.model import Credential, Limits, Listener
from mtlsd.config.notes import Notes
from mtlsd.config.read import Entry
from mtlsd.config.server_certificate import check_hosts, load_credential
from mtlsd.config.text import key_path, shown, suggestion
from mtlsd.config.urls import check_url, host_of, origin_of, with_port
from mtlsd.pki.path import AnchorGroup


@attrs.frozen
class Surroundings:
    """What a listener is built with beside its own table.

    :ivar issuer: empty when it has a mistake itself.
    :ivar alone: whether there is no other listener.
    :ivar fapi2: whether the FAPI 2.0 Security Profile holds.
    """

    directory: Path
    issuer: str
    groups: Mapping[str, AnchorGroup]
    alone: bool
    now: datetime
    check_endpoint: CheckEndpoint
    fapi2: bool = False


def load_listener(entry: Entry[ListenerTable], around: Surroundings) -> tuple[Listener | None, Place | None]:
    """The listener, and where it listens; None for what has mistakes, which are noted."""
    table, notes = entry.table, entry.notes
    _check_contradictions(table, notes)
    credential = _credential(table, around, notes)
    place = _place(table.endpoint, around.check_endpoint, notes)
    forwarding = load_forwarding(table, place, Around(around.directory, around.groups, around.now), notes)
    _check_metrics(table, place, notes)
    public_url = _public_url(table, place, around, notes)
    groups = _groups(table, around.groups, notes)
    if credential is None and not _is_plain(table):
        return None, place
    if credential is not None and forwarding is None:
        hosts = {host_of(url) for url in (public_url, _issuer_here(around.issuer, public_url)) if url}
        check_hosts(credential.chain[0], sorted(hosts), notes)
    listener = Listener(
        name=table.name,
        endpoint=table.endpoint,
        credential=credential,
        client_certificate=table.client_certificate,
        refuse_in=table.refuse_in or ("handshake" if table.client_certificate == "required" else "response"),
        serves=tuple(dict.fromkeys(table.serves)),
        groups=groups,
        x509_strict=table.x509_strict is not False,
        limits=Limits(**attrs.asdict(table.limits)),
        public_url=public_url,
        recommended_ciphers=around.fapi2,
        forwarding=forwarding,
        proxy_protocol=load_proxy_protocol(table, notes),
    )
    return listener, place


def _is_plain(table: ListenerTable) -> bool:
    """Whether a proxy comes without TLS."""
    return table.client_certificate == "forwarded" and table.certificate is None and table.key is None


def _credential(table: ListenerTable, around: Surroundings, notes: Notes) -> Credential | None:
    if table.certificate is not None and table.key is not None:
        return load_credential(table.certificate, table.key, around.directory, around.now, notes)
    if not _is_plain(table):
        for key in ("certificate", "key"):
            if getattr(table, key) is None:
                notes.add(key, "is missing", f"Name the PEM file of the listener's {key}.")
    return None


def _check_contradictions(table: ListenerTable, notes: Notes) -> None:
    if not table.serves:
        notes.add("serves", "is empty", 'Say what it is for, such as serves = ["token"].')
    if table.x509_strict is False:
        remedy = "Set it to true again when the old PKI is gone."
        notes.warn("x509_strict", "is false: certificates that break rules of RFC 5280 are accepted", remedy)
    if "forward-auth" in table.serves and table.client_certificate != "forwarded":
        remedy = 'Serve it on a listener with client_certificate = "forwarded".'
        notes.add("serves", '"forward-auth" is for proxies, and takes what they forward', remedy)
    if table.client_certificate != "none":
        if "authorization" in table.serves and table.client_certificate != "forwarded":
            remedy = 'Serve it on a listener with client_certificate = "none".'
            notes.add("serves", '"authorization" is for browsers, which would ask for certificates', remedy)
        return
    for key in ("refuse_in", "trust_anchors", "x509_strict"):
        if getattr(table, key) is not None:
            remedy = "Remove it, or ask for certificates: client_certificate."
            notes.add(key, "means nothing on a listener that asks for no certificate", remedy)


def _check_metrics(table: ListenerTable, place: Place | None, notes: Notes) -> None:
    """Whoever sees the metrics knows how many are refused, and whom mtlsd asks: so nobody does by chance."""
    if "metrics" not in table.serves:
        return
    if set(table.serves) != {"metrics"}:
        remedy = 'Give it a listener of its own, with serves = ["metrics"] alone.'
        notes.add("serves", '"metrics" cannot stand beside others', remedy)
    chosen = table.client_certificate == "required" and table.trust_anchors is not None
    if not chosen and (place is None or not place.is_local):
        remedy = (
            'Listen on loopback, "tcp:9443:interface=127.0.0.1", or require certificates of a group that is '
            'for this: client_certificate = "required", trust_anchors = ["monitoring"].'
        )
        notes.add("serves", '"metrics" would be shown to whoever reaches the listener', remedy)


def _place(endpoint: str, check_endpoint: CheckEndpoint, notes: Notes) -> Place | None:
    try:
        return Place.from_string(endpoint, check_endpoint)
    except ValueError as error:
        remedy = "Take a Twisted endpoint string: tcp:8443, systemd:domain=INET:name=mtls."
        notes.add("endpoint", f"{shown(endpoint)} {error}", remedy)
        return None


def _public_url(table: ListenerTable, place: Place | None, around: Surroundings, notes: Notes) -> str:
    """Where clients find it; the empty string when that cannot be said."""
    if table.public_url is not None:
        url = table.public_url.removesuffix("/")
        try:
            check_url(url)
        except ValueError as error:
            remedy = 'Take a URL as clients see it: "https://mtls.example.com:8443".'
            notes.add("public_url", f"{shown(table.public_url)} {error}", remedy)
            return ""
        return url
    if not around.issuer:
        return ""
    if around.alone:
        return origin_of(around.issuer)
    if table.client_certificate == "forwarded":
        remedy = 'Say how clients reach the proxy: public_url = "https://mtls.example.com".'
        notes.add("public_url", "is missing, and the endpoint tells the proxy's way alone", remedy)
        return ""
    if place is None or not place.port:
        if place is not None:
            remedy = 'Say how clients reach it: public_url = "https://mtls.example.com:8443".'
            notes.add("public_url", "is missing, and the endpoint does not tell the port", remedy)
        return ""
    return with_port(around.issuer, place.port)


def _issuer_here(issuer: str, public_url: str) -> str:
    """The issuer, when this is the listener where clients look for its metadata."""
    return issuer if issuer and public_url and origin_of(issuer) == origin_of(public_url) else ""


def _groups(table: ListenerTable, known: Mapping[str, AnchorGroup], notes: Notes) -> tuple[AnchorGroup, ...]:
    """Those that are named, or all."""
    if table.client_certificate == "none":
        return ()
    names = tuple(known) if table.trust_anchors is None else tuple(dict.fromkeys(table.trust_anchors))
    for index, name in enumerate(table.trust_anchors or ()):
        if name not in known:
            notes.add(key_path("trust_anchors", index), *unknown_group(name, known))
    return tuple(known[name] for name in names if name in known)


def unknown_group(name: str, known: Iterable[str]) -> tuple[str, str]:
    """Message and remedy for the name of a trust anchor group that there is not."""
    names = [one for one in known if one.isprintable()]  # the others are mistakes, told elsewhere
    others = f"There are: {', '.join(names)}." if names else "Add it as [[trust_anchors]]."
    return f"{shown(name)} is no trust anchor group", suggestion(name, names) or others

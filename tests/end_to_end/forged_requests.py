"""Every forged request: where it comes to, what it says, and why it has to be refused.

The forger is the client `other`, or nobody. It has all that is public of the client `good`, its certificate
above all, and not its key.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import attrs

from mtlsd.forwarded.formats import KNOWN_FIELDS
from tests.end_to_end.clients import request_token
from tests.end_to_end.daemon import mtlsd
from tests.end_to_end.forgeries import (
    ADDRESSES,
    ALTERED,
    CREDENTIALS,
    FROM,
    HEADER_BYTES,
    JOINED,
    KNOWN,
    LARGE,
    MALFORMED,
    NOTHING,
    PROXY,
    REPEATED,
    SPELLING,
    SYNTAX,
    UNALTERED,
    UNEXPECTED,
    Line,
    Why,
    alike,
    cases_of,
    line,
    underscored,
)
from tests.end_to_end.proxying import PROXY as PROXY_NAME
from tests.end_to_end.proxying import Wire, chain, der, plain, presented, proxied, proxied_setup
from tests.end_to_end.setup import Setup
from tests.unit.forwarded.spelling import SETTINGS
from tests.unit.forwarded.test_proxy_protocol import of_ghostunnel

MISMATCH = frozenset({"subject.mismatch"})
"""It went by, unread: `other` is not `good`."""
CREDENTIALS_FIELD = "X-Proxy-Authorization"
TITLES = sorted(name.decode("ascii") for name in KNOWN_FIELDS)

BEHIND = {
    "pinned": "nginx",
    "anchored": "rfc9440",
    "plain": "haproxy",
    "apache": "apache",
    "aws-alb": "aws-alb",
    "verifying": "aws-alb verifying",
    "wso2": "wso2",
    "socket": "envoy",
    "all": "traefik",
    "any-pem": "header pem",
    "any-url": "header urlencoded-pem",
    "any-der": "header base64-der",
}
"""The listeners for proxies, and what each takes."""
BY_CERTIFICATE = {"pinned": "pinned-proxy", "anchored": "proxy", "all": "pinned-proxy"}
WITHOUT_CREDENTIALS = ("pinned", "anchored", "socket", "piped")


@attrs.frozen
class Place:
    """Where a forger comes to.

    :ivar certificate: the name of what is presented in the handshake.
    """

    listener: str
    certificate: str | None = None


@attrs.frozen
class Case:
    """One request.

    :ivar lines: its field lines, those that the proxy adds among them.
    :ivar why: it is refused for one of these.
    """

    place: Place
    name: str
    lines: tuple[Line, ...]
    why: Why

    def __str__(self) -> str:
        return f"{self.place.listener} {self.place.certificate}: {self.name}"


DIRECT = (Place("mtls", "other"), Place("optional", "other"))
UNKNOWN = (Place("optional"), Place("open"))


def forged_setup(directory: Path) -> Setup:
    """With listeners of every kind, and the proxies' own certificates registered for clients, too.

    In the file that would be a mistake; in the store, and by another group with the same anchor, nobody
    sees it.
    """
    setup = proxied_setup(directory)
    setup.add_client("proxy-by-name", tls_client_auth_san_dns=PROXY_NAME)
    setup.add_listener("optional", "optional", trust_anchors=["partners"])
    setup.add_listener("open", "none")
    setup.listener("mtls")["trust_anchors"] = ["partners"]
    for name, form, keys in (
        ("verifying", "aws-alb", {"header": "X-Amzn-Mtls-Clientcert-Leaf"}),
        ("any-pem", "header", {"header": "X-Peer", "encoding": "pem"}),
        ("any-url", "header", {"header": "X-Peer", "encoding": "urlencoded-pem"}),
        ("any-der", "header", {"header": "X-Peer", "encoding": "base64-der"}),
    ):
        plain(proxied(setup, name, form, proxy_credentials="credentials", **keys))
    anothers = plain(proxied(setup, "anothers", "envoy", proxy_users=[_another_user()]))
    anothers["endpoint"] = f"unix:{directory / 'anothers'}"
    pin = setup.directory / "presented" / "pinned-proxy" / "client.pem"
    mtlsd("client", "add", "-c", setup.write(), "--client-id", "proxy-by-pin", "--certificate", pin)
    return setup


def _another_user() -> str:
    names = (entry.pw_name for entry in pwd.getpwall() if entry.pw_uid != os.getuid())
    return next(name for name in names if name != "nobody")


@attrs.frozen
class Target:
    """A daemon as the forger sees it.

    :ivar stock: whether twisted.web's own Site reads the requests: what is no HTTP it may repair or refuse.
    """

    setup: Setup
    stock: bool

    def fields(self, setting: str, who: str) -> list[tuple[bytes, bytes]]:
        """What a proxy sends for this client, in one of :data:`SETTINGS`."""
        written = presented(self.setup, who)
        return list(SETTINGS[setting].spell(der(written), chain(written)).items())

    def value(self, setting: str, who: str = "good") -> bytes:
        return self.fields(setting, who)[0][1]

    def own(self, listener: str, who: str | None = "other") -> tuple[Line, ...]:
        """All that the right proxy adds."""
        fields = [] if who is None else self.fields(BEHIND[listener], who)
        known = () if listener in WITHOUT_CREDENTIALS else (KNOWN,)
        return (FROM, *known, *(line(*field) for field in fields))

    def wire(self, place: Place) -> Wire:
        name = place.certificate or BY_CERTIFICATE.get(place.listener)
        written = None if name is None else presented(self.setup, name)
        first = b""
        if place.listener == "piped":
            first = of_ghostunnel(der(presented(self.setup, "other")))
        return Wire(self.setup, place.listener, written, first)


def token_request(client_id: str, lines: tuple[Line, ...]) -> bytes:
    body = "&".join(f"{name}={value}" for name, value in request_token(client_id).items()).encode()
    head = (
        b"POST /token HTTP/1.1",
        b"Host: as.example.com",
        b"Content-Type: application/x-www-form-urlencoded",
        b"Content-Length: %d" % len(body),
        *lines,
    )
    return b"\r\n".join((*head, b"", b"")) + body


# -- every case ----------------------------------------------------------------------------------------------

Cases = Iterator[Case]


def names_in_every_spelling(target: Target) -> Cases:
    """On listeners that no proxy is for."""
    value = target.value("nginx")
    for name in (*TITLES, "x-peer", CREDENTIALS_FIELD):
        for place in (*DIRECT, *UNKNOWN):
            for cased in cases_of(name):
                yield Case(place, cased, (line(cased, value),), UNEXPECTED)
        for spelled in underscored(name):
            yield Case(DIRECT[0], spelled, (line(spelled, value),), SPELLING)
        for place in (*DIRECT, *UNKNOWN):
            yield Case(place, f"{name} with _", (line(name.replace("-", "_").upper(), value),), SPELLING)


def names_alike(target: Target) -> Cases:
    """They are no such field to anybody, or no HTTP."""
    for name, setting in ((b"X-SSL-Client-Cert", "nginx"), (b"Client-Cert", "rfc9440")):
        for what, other, is_name in alike(name):
            lines = (other + b": " + target.value(setting),)
            yield Case(DIRECT[0], f"{name!r}, {what}", lines, MISMATCH if is_name else SYNTAX)
            yield Case(UNKNOWN[0], f"{name!r}, {what}", lines, NOTHING if is_name else SYNTAX)
            behind = (*target.own("pinned"), *lines)
            yield Case(Place("pinned"), f"{name!r}, {what}", behind, MISMATCH if is_name else SYNTAX)


def values_of_every_kind(target: Target) -> Cases:
    """On listeners that no proxy is for, whatever is in the field."""
    for place in (DIRECT[0], UNKNOWN[0]):
        for setting in SETTINGS:
            for name, value in target.fields(setting, "good"):
                for how, alter in UNALTERED.items():
                    yield Case(place, f"{setting} {name!r} {how}", (line(name, alter(value)),), UNEXPECTED)
                for how, (alter, why) in ALTERED.items():
                    expected = SYNTAX if why == SYNTAX else UNEXPECTED
                    yield Case(place, f"{setting} {name!r} {how}", (line(name, alter(value)),), expected)


def beside_what_the_proxy_sends(target: Target) -> Cases:
    """Through the right proxy, which does not remove what clients send: before and after its own fields."""
    for listener, setting in (*BEHIND.items(), ("piped", "")):
        own = () if not setting else target.own(listener)
        reader = SETTINGS[setting].reader if setting else None
        mine = set() if reader is None else {name.decode() for name in (*reader.fields, *reader.beside)}
        mine |= set() if listener in WITHOUT_CREDENTIALS else {CREDENTIALS_FIELD.lower()}
        for name in (*TITLES, "x-peer", CREDENTIALS_FIELD.lower()):
            value = target.value("nginx")
            if name not in mine:
                yield Case(Place(listener), f"before, {name}", (line(name, value), *own), UNEXPECTED)
                yield Case(Place(listener), f"after, {name}", (*own, line(name.title(), value)), UNEXPECTED)
            for spelled in {name.replace("-", "_"), name.replace("-", "_", 1)}:
                yield Case(Place(listener), f"before, {spelled}", (line(spelled, value), *own), SPELLING)
                yield Case(Place(listener), f"after, {spelled}", (*own, line(spelled, value)), SPELLING)
        for spelled in underscored("x-forwarded-for"):
            yield Case(Place(listener), spelled, (*own, line(spelled, b"192.0.2.66")), SPELLING)


def repeated(target: Target) -> Cases:
    """The very fields of the right proxy, a second time, in each order."""
    for listener, setting in BEHIND.items():
        own = target.own(listener)
        for name, value in (*target.fields(setting, "good"), (b"x-forwarded-for", b"192.0.2.66")):
            for cased in cases_of(name.decode()):
                for again in (value, b""):
                    forged, what = line(cased, again), f"{cased} {'full' if again else 'empty'}"
                    yield Case(Place(listener), f"before, {what}", (forged, *own), REPEATED)
                    yield Case(Place(listener), f"after, {what}", (*own, forged), REPEATED)
            forged = line(name, value)
            yield Case(Place(listener), f"around, {name!r}", (forged, *own, forged), REPEATED)
            yield Case(Place(listener), f"twice, {name!r}", (FROM, *own[1:], forged, forged), REPEATED)


def joined(target: Target) -> Cases:
    """What the client has sent and what the right proxy says, in one field."""
    for listener, setting in BEHIND.items():
        before = target.own(listener, None)
        (name, good), *rest = target.fields(setting, "good")
        other = target.value(setting, "other")
        more = tuple(line(*field) for field in rest)
        for between in JOINED:
            for what, value in (("forged first", good + between + other), ("last", other + between + good)):
                lines = (*before, line(name, value), *more)
                yield Case(Place(listener), f"{what}, joined by {between!r}", lines, MALFORMED)


def altered(target: Target) -> Cases:
    """The right proxy passes on what nobody writes."""
    for listener, setting in BEHIND.items():
        before = target.own(listener, None)
        name, value = target.fields(setting, "good")[0]
        for how, (alter, why) in ALTERED.items():
            if target.stock and how == "folded before it":
                continue  # and unfolded by the Site: it is what the proxy says
            yield Case(Place(listener), how, (*before, line(name, alter(value))), why)


def of_other_formats(target: Target) -> Cases:
    """In the field of this format."""
    for listener, setting in BEHIND.items():
        name = target.fields(setting, "good")[0][0]
        for other in SETTINGS:
            value = target.value(other)
            if any({setting, other} <= same for same in _WRITTEN_ALIKE):
                continue
            lines = (*target.own(listener, None), line(name, value))
            yield Case(Place(listener), f"as {other}", lines, MALFORMED)


_WRITTEN_ALIKE: Sequence[set[str]] = (
    {"aws-alb", "aws-alb encoding all", "aws-alb verifying", "nginx", "header urlencoded-pem"},
    {"traefik", "haproxy", "header base64-der"},
    {"apache", "header pem"},
    *({setting} for setting in SETTINGS),
)
"""What one of them writes another may read: it is the same certificate to each."""


def addresses(target: Target) -> Cases:
    """Of the client, as the right proxy would not tell them."""
    for listener in BEHIND:
        _, *own = target.own(listener)
        yield Case(Place(listener), "no address", tuple(own), MALFORMED)
        for address in ADDRESSES:
            lines = (line("X-Forwarded-For", address), *own)
            yield Case(Place(listener), f"address {address!r}", lines, MALFORMED)


def credentials(target: Target) -> Cases:
    """Of the proxy: forged, repeated, missing, in other fields."""
    for listener, setting in BEHIND.items():
        if listener in WITHOUT_CREDENTIALS:
            continue
        place = Place(listener)
        fields = (FROM, *(line(*field) for field in target.fields(setting, "good")))
        yield Case(place, "none", fields, PROXY)
        for what, value in CREDENTIALS.items():
            yield Case(place, what, (*fields, line(CREDENTIALS_FIELD, value)), PROXY)
        for name in ("Authorization", "Proxy-Authorization", "X-Authorization", "X-Proxy-Authorization2"):
            yield Case(place, f"in {name}", (*fields, line(name, KNOWN.partition(b": ")[2])), PROXY)
        for spelled in underscored(CREDENTIALS_FIELD):
            forged = line(spelled, KNOWN.partition(b": ")[2])
            yield Case(place, spelled, (*fields, forged), SPELLING)
            yield Case(place, f"{spelled} too", (*fields, KNOWN, forged), SPELLING)
        for what, value in (("again", KNOWN), ("empty", b"x-proxy-authorization:")):
            yield Case(place, f"{what}, after", (*fields, KNOWN, value), REPEATED)
            yield Case(place, f"{what}, before", (value, *fields, KNOWN), REPEATED)


def another_user(target: Target) -> Cases:
    """By a UNIX socket, as another user than the proxy."""
    for who in ("good", "other", None):
        fields = () if who is None else tuple(line(*field) for field in target.fields("envoy", who))
        yield Case(Place("anothers"), str(who), (FROM, *fields), PROXY)
        yield Case(Place("anothers"), f"{who}, with credentials", (FROM, KNOWN, *fields), UNEXPECTED)


def oversized(target: Target) -> Cases:
    """Up to what a head may have, and beyond."""
    for place, own, name in (
        (DIRECT[0], (), "X-SSL-Client-Cert"),
        (Place("pinned"), target.own("pinned", None), "X-SSL-Client-Cert"),
        (Place("anchored"), target.own("anchored", None), "Client-Cert"),
        (Place("all"), target.own("all", None), "X-Forwarded-Tls-Client-Cert"),
        (Place("plain"), target.own("plain", None), "X-SSL-Client-Cert-Chain"),
    ):
        empty = len(token_request("good", (*own, line(name, b"")))) - len(token_request("good", ()))
        head = token_request("good", ()).index(b"\r\n\r\n") + 4
        most = HEADER_BYTES - head - empty
        inside = UNEXPECTED if place is DIRECT[0] else MALFORMED
        for size, why in (
            (1000, inside),
            (most - 1, inside),
            (most, inside),
            (most + 1, LARGE),
            (60_000, LARGE),
        ):
            for what, value in (("A", b"A" * size), ("certificates", target.value("traefik") * 99)):
                lines = (*own, line(name, value[:size].ljust(size, b"A")))
                yield Case(place, f"{size} octets of {what}", lines, why)


GROUPS: tuple[Callable[[Target], Cases], ...] = (
    names_in_every_spelling,
    names_alike,
    values_of_every_kind,
    beside_what_the_proxy_sends,
    repeated,
    joined,
    altered,
    of_other_formats,
    addresses,
    credentials,
    another_user,
    oversized,
)

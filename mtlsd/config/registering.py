"""From `[registration]` to what clients may register by themselves, and who may."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from mtlsd.clients.grant_types import GRANT_TYPES
from mtlsd.clients.methods import METHODS, SECRET_METHODS, AuthMethod
from mtlsd.clients.reader import is_resource, is_scope_token
from mtlsd.config.document import RegistrationTable
from mtlsd.config.listeners import unknown_group
from mtlsd.config.model import Fetch, Listener
from mtlsd.config.notes import Notes
from mtlsd.config.text import key_path, shown
from mtlsd.fetch.addresses import AddressRules
from mtlsd.fetch.refused import FetchRefused
from mtlsd.fetch.url import Url
from mtlsd.oauth.registration_policy import RegistrationPolicy
from mtlsd.pki.path import AnchorGroup

# RFC 6761, RFC 6762, RFC 8375 and ICANN's reservation: names that no public server has
_PRIVATE_SUFFIXES: Final = (".localhost", ".local", ".internal", ".home.arpa", ".test", ".invalid")
REGISTRABLE: Final[tuple[AuthMethod, ...]] = tuple(own for own in METHODS if own not in SECRET_METHODS)
"""A client that registers itself never has a secret: an operator has to allow that for each."""


def load_registration_policy(
    table: RegistrationTable,
    groups: Mapping[str, AnchorGroup],
    fetch: Fetch,
    notes: Notes,
    *,
    fapi2: bool = False,
) -> RegistrationPolicy:
    """What `[registration]` says; mistakes are noted."""
    for index, name in enumerate(table.trust_anchors):
        if name not in groups:
            notes.add(key_path("trust_anchors", index), *unknown_group(name, groups))
    _check_each("grant_types", table.grant_types, GRANT_TYPES, notes)
    _check_each("token_endpoint_auth_methods", table.token_endpoint_auth_methods, REGISTRABLE, notes)
    _check_all("scopes", table.scopes, is_scope_token, "values without spaces (RFC 6749 section 3.3)", notes)
    _check_all("resources", table.resources, is_resource, "absolute URIs without a fragment", notes)
    _check_all("redirect_hosts", table.redirect_hosts, _is_host, "hosts in lower case, or *.HOST", notes)
    return RegistrationPolicy(
        modes=tuple(dict.fromkeys(table.modes)),
        trust_anchors=tuple(dict.fromkeys(table.trust_anchors)),
        scopes=tuple(dict.fromkeys(table.scopes)),
        resources=tuple(dict.fromkeys(table.resources)),
        grant_types=tuple(dict.fromkeys(table.grant_types)),
        token_endpoint_auth_methods=tuple(
            method for method in REGISTRABLE if method in table.token_endpoint_auth_methods
        ),
        redirect_hosts=tuple(dict.fromkeys(table.redirect_hosts)),
        unproven_names=table.unproven_names,
        per_address_per_hour=table.per_address_per_hour,
        open_per_hour=table.open_per_hour,
        most_clients=table.most_clients,
        unused_days=table.unused_days,
        fapi2=fapi2,
        refuses_url=lambda url: refused_url(url, fetch),
    )


def check_registration(policy: RegistrationPolicy, listeners: Sequence[Listener], notes: Notes) -> None:
    """Who may register finds an endpoint, and who finds one may register."""
    serving = [listener for listener in listeners if "registration" in listener.serves]
    if serving and not policy.modes:
        remedy = 'Say who may, such as modes = ["initial_access_token"], or serve it nowhere.'
        notes.add("modes", "is empty, so nobody may register at the endpoint that is served", remedy)
    if policy.modes and not serving:
        notes.add("modes", "no listener serves registration", 'Add "registration" to serves of a listener.')
    if "certificate" in policy.modes and serving:
        _check_certificates(policy, serving, notes)
    if "open" in policy.modes:
        remedy = "Take initial_access_token or certificate, unless that is what you want."
        notes.warn("modes", "everybody who reaches the endpoint may register clients", remedy)


def _check_certificates(policy: RegistrationPolicy, serving: Sequence[Listener], notes: Notes) -> None:
    """A certificate that no client has yet comes through the handshake of such a listener alone."""
    if not policy.trust_anchors:
        remedy = 'Name those whose certificates may register: trust_anchors = ["partners"].'
        notes.add("trust_anchors", "is empty, so no certificate may register", remedy)
        return
    allowed = set(policy.trust_anchors)
    for listener in serving:
        trusted = {group.name for group in listener.groups}
        if listener.asks_for_certificate and listener.refuse_in == "response" and trusted & allowed:
            return
    remedy = 'Serve it on a listener with refuse_in = "response" that trusts one of these groups.'
    notes.add("modes", '"certificate" cannot work: strangers are refused in the handshake', remedy)


def refused_url(text: str, fetch: Fetch) -> str | None:
    """Why nothing would ever be fetched from this URL of a stranger, as far as its text tells.

    Where a name leads is looked at each time that something is fetched.
    """
    rules = AddressRules.allowing(fetch.allow)
    try:
        url = Url.from_string(text)
        if url.address is not None:
            rules.usable(url.host, (url.address,))
            return None
    except FetchRefused as refused:
        return refused.detail
    host = url.host.rstrip(".")
    private = "." not in host or host.endswith(_PRIVATE_SUFFIXES)
    return "the host is not public" if private and url.host not in rules.hosts else None


def _check_each(key: str, values: Sequence[str], known: Collection[str], notes: Notes) -> None:
    for index, value in enumerate(values):
        if value not in known:
            notes.add(key_path(key, index), f"{shown(value)} cannot be had", f"It takes {', '.join(known)}.")


def _check_all(key: str, values: Sequence[str], fits: Callable[[str], bool], what: str, notes: Notes) -> None:
    for index, value in enumerate(values):
        if not fits(value):
            notes.add(key_path(key, index), f"{shown(value)} cannot be used", f"It takes {what}.")


def _is_host(text: str) -> bool:
    plain = text.removeprefix("*.")
    usual = plain.replace(".", "").replace("-", "").replace(":", "").replace("+", "")
    return plain.isascii() and usual.isalnum() and plain == plain.lower()

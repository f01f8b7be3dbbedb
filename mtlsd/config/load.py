"""Reading a whole configuration: `mtlsd run`, `mtlsd check` and a reload come here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import attrs

from mtlsd.clients.index import ClientIndex
from mtlsd.config.anchors import load_groups
from mtlsd.config.checks import (
    Known,
    check_groups_of_clients,
    check_places,
    check_proxies,
    check_pushing,
    check_reachable,
    check_served,
    check_trust,
    check_without_certificates,
)
from mtlsd.config.document import AuthorizationTable
from mtlsd.config.endpoints import CheckEndpoint, check_plugin
from mtlsd.config.fapi import check_fapi2, has_authorization
from mtlsd.config.fetching import check_jwks_uri, load_fetch
from mtlsd.config.introspecting import check_introspection
from mtlsd.config.listeners import Surroundings, load_listener
from mtlsd.config.lists import READ_AT_ONCE
from mtlsd.config.model import Config, Fetch, Listener, Loaded, Requests, Tokens
from mtlsd.config.notes import Notes
from mtlsd.config.outputs import audit_file, directory_of, store_file
from mtlsd.config.read import Document, read_document
from mtlsd.config.registering import check_registration, load_registration_policy
from mtlsd.config.registrations import load_registration
from mtlsd.config.revocation import Sources, check_revocation, with_revocation
from mtlsd.config.text import check_names, key_path, shown
from mtlsd.config.urls import check_url
from mtlsd.config.users import check_users, load_users
from mtlsd.errors import ConfigError
from mtlsd.oauth.registration_policy import RegistrationPolicy
from mtlsd.pki.path import AnchorGroup
from mtlsd.pki.printable import printable


def load(
    path: Path,
    now: datetime,
    check_endpoint: CheckEndpoint = check_plugin,
    largest_list: int = READ_AT_ONCE,
) -> Loaded:
    """Read a configuration file and everything that it names.

    :param now: aware; certificates are checked for it.
    :param check_endpoint: raises ValueError for a kind of endpoint that there is not.
    :param largest_list: how large a file with a revocation list may be, in bytes, to be read and verified
        here. The daemon does that itself, without keeping anybody waiting.
    :raises ConfigError: with every mistake and every warning, in the order of the file.
    """
    # A daemon may change its directory before it reloads
    path = path.absolute()
    notes = Notes(printable(path.name))
    document = read_document(path, notes)
    if document is None:
        raise ConfigError(tuple(notes.found))
    config = _Loader(document, path, now, check_endpoint, largest_list, notes).config()
    if config is None or notes.fatal:
        raise ConfigError(tuple(notes.found))
    return Loaded(config, tuple(notes.found))


@attrs.frozen
class _Loader:
    document: Document
    path: Path
    now: datetime
    check_endpoint: CheckEndpoint
    largest_list: int
    notes: Notes

    def config(self) -> Config | None:
        """The configuration; None, or one not to be used, when there are fatal notes."""
        issuer = self._issuer()
        fetch = load_fetch(self.document.fetch, self.path.parent, self.now, self.notes.at("fetch"))
        groups = self._groups()
        listeners = self._listeners(issuer, groups)
        check_groups_of_clients(self.document.clients, groups)
        clients = self._clients(fetch)
        self._check_conflicts(clients, groups)
        self._check_together(issuer, listeners, groups, clients)
        outputs = self._outputs(issuer)
        users = load_users(self.document.users, self.path.parent, self.notes.at("users"))
        check_users(users, [listener for listener, _ in listeners], self.notes.at("users"))
        registration = self._registration(groups, fetch, [listener for listener, _ in listeners])
        self._check_methods(listeners, clients, registration)
        if self._is_fapi2:
            check_fapi2(self.document, [listener for listener, _ in listeners], clients, self.notes)
        if self.document.top is None:
            return None
        return Config(
            path=self.path,
            issuer=issuer,
            profile=self.document.top.profile,
            listeners=tuple(listener for listener, _ in listeners),
            groups=tuple(groups.values()),
            drain_seconds=self.document.top.drain_seconds,
            registrations=tuple(known.registration for known in clients),
            tokens=outputs.tokens,
            requests=_requests(self.document.authorization, self._is_fapi2, self.notes.at("authorization")),
            store=outputs.store,
            audit=outputs.audit,
            fetch=fetch,
            users=users,
            registration=registration,
        )

    @property
    def _is_fapi2(self) -> bool:
        return self.document.top is not None and self.document.top.profile == "fapi2"

    def _issuer(self) -> str:
        """The issuer, or the empty string when it has a mistake."""
        if self.document.top is None:
            return ""
        issuer = self.document.top.issuer
        try:
            check_url(issuer)
        except ValueError as error:
            remedy = 'Take an https URL without query, fragment and final slash: "https://as.example.com".'
            self.notes.add("issuer", f"{shown(issuer)} {error}", remedy)
            return ""
        return issuer

    def _groups(self) -> Mapping[str, AnchorGroup]:
        entries = self.document.trust_anchors
        around = Sources(self.path.parent, self.now, self.largest_list)
        groups = load_groups(entries, self.path.parent, self.now)
        checked = (with_revocation(groups[entry.table.name], entry, around) for entry in entries)
        return groups | {group.name: group for group in checked}

    def _listeners(self, issuer: str, groups: Mapping[str, AnchorGroup]) -> list[tuple[Listener, Notes]]:
        entries = self.document.listeners
        if not entries and self.document.complete:
            self.notes.add("listener", "there is no listener", "See docs/configuration.md.")
        check_names((entry.table.name, entry.notes) for entry in entries)
        around = Surroundings(
            self.path.parent,
            issuer,
            groups,
            len(entries) == 1,
            self.now,
            self.check_endpoint,
            self._is_fapi2,
        )
        loaded = [(entry, *load_listener(entry, around)) for entry in entries]
        check_places(
            [(entry.table.name, place, entry.notes) for entry, _, place in loaded if place is not None]
        )
        return [(listener, entry.notes) for entry, listener, _ in loaded if listener is not None]

    def _clients(self, fetch: Fetch) -> list[Known]:
        loaded = [(load_registration(entry, self.now), entry.notes) for entry in self.document.clients]
        known = [Known(registration, notes) for registration, notes in loaded if registration is not None]
        for own in known:
            if own.registration.client.jwks_uri is not None:
                check_jwks_uri(own.registration.client.jwks_uri, fetch, own.notes)
        return known

    def _check_conflicts(self, clients: Sequence[Known], groups: Mapping[str, AnchorGroup]) -> None:
        """No two clients claim one name or one certificate. Those of the store join them later."""
        anchor_keys = {
            name: [anchor.key_sha256 for anchor in group.anchors] for name, group in groups.items()
        }
        try:
            ClientIndex.build((known.registration for known in clients), anchor_keys)
        except ConfigError as error:
            self.notes.found.extend(error.mistakes)

    def _check_together(
        self,
        issuer: str,
        listeners: Sequence[tuple[Listener, Notes]],
        groups: Mapping[str, AnchorGroup],
        clients: Sequence[Known],
    ) -> None:
        """What is missing is only told when nothing before has been left out for a mistake."""
        if self.notes.fatal:
            return
        served = [listener for listener, _ in listeners]
        homes = [(groups[entry.table.name], entry.notes) for entry in self.document.trust_anchors]
        check_served(served, issuer, self.notes)
        required = self.document.authorization.require_pushed or (
            self._is_fapi2 and has_authorization(served, clients)
        )
        check_pushing(served, required, clients, self.notes)
        check_revocation(homes)
        check_trust(listeners, homes, any(known.registration.client.pins for known in clients))
        check_proxies(clients, served)
        check_reachable(clients, served)
        check_introspection(clients, served)

    def _check_methods(
        self,
        listeners: Sequence[tuple[Listener, Notes]],
        clients: Sequence[Known],
        policy: RegistrationPolicy,
    ) -> None:
        registrable = policy.token_endpoint_auth_methods if policy.modes else ()
        methods = {known.registration.client.token_endpoint_auth_method for known in clients}
        check_without_certificates(listeners, methods.union(registrable))

    def _registration(
        self, groups: Mapping[str, AnchorGroup], fetch: Fetch, listeners: Sequence[Listener]
    ) -> RegistrationPolicy:
        notes = self.notes.at("registration")
        policy = load_registration_policy(
            self.document.registration, groups, fetch, notes, fapi2=self._is_fapi2
        )
        if not self.notes.fatal:
            check_registration(policy, listeners, notes)
        return policy

    def _outputs(self, issuer: str) -> _Outputs:
        document, directory = self.document, self.path.parent
        notes = self.notes.at("tokens")
        if document.tokens.audience is not None and not document.tokens.audience.strip():
            notes.add("audience", "is empty", "Name the resource server, or remove it to take the issuer.")
        tokens = Tokens(
            access_token_seconds=document.tokens.access_token_seconds,
            code_seconds=document.tokens.code_seconds,
            refresh_token_seconds=document.tokens.refresh_token_seconds,
            refresh_token_idle_seconds=document.tokens.refresh_token_idle_seconds,
            signing_keys=directory_of("signing_keys", document.tokens.signing_keys, directory, notes),
            signing_algorithm=document.tokens.signing_algorithm,
            audience=document.tokens.audience or issuer,
        )
        store = store_file(document.store.url, directory, self.notes.at("store"))
        return _Outputs(tokens, store, audit_file(document.audit.file, directory, self.notes.at("audit")))


LONGEST_SCOPE_TEXT: Final = 200


def _requests(table: AuthorizationTable, fapi2: bool, notes: Notes) -> Requests:
    for scope, text in table.scope_texts.items():
        if not text.strip() or not text.isprintable() or len(text) > LONGEST_SCOPE_TEXT:
            remedy = f"Take one line of at most {LONGEST_SCOPE_TEXT} characters."
            notes.add(key_path("scope_texts", scope), f"is {shown(text)}", remedy)
    pushed = fapi2 if table.require_pushed is None else table.require_pushed
    return Requests(
        require_pushed=pushed,
        require_pkce=table.require_pkce,
        request_uri_seconds=table.request_uri_seconds,
        public_per_address_per_hour=table.public_per_address_per_hour,
        public_per_hour=table.public_per_hour,
        scope_texts=table.scope_texts,
    )


@attrs.frozen
class _Outputs:
    tokens: Tokens
    store: Path
    audit: Path | None

"""From `revocation` of `[[trust_anchors]]` to the policy of a group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import attrs

from mtlsd.config.document import RevocationTable, TrustAnchorsTable
from mtlsd.config.fetching import read_url
from mtlsd.config.files import Files
from mtlsd.config.lists import FROM_CERTIFICATE, Lists
from mtlsd.config.notes import Notes
from mtlsd.config.read import Entry
from mtlsd.config.text import key_path, shown, suggestion
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.path import AnchorGroup
from mtlsd.pki.revocation import RevocationPolicy, Source

_SOURCES: Final = f'crl = ["FILE or URL"], ocsp = "{FROM_CERTIFICATE}"'


@attrs.frozen
class Sources:
    """What policies are read with beside their own tables.

    :ivar directory: where the names of files start.
    :ivar largest_list: how large a list may be, in bytes, to be read whole.
    """

    directory: Path
    now: datetime
    largest_list: int


def with_revocation(group: AnchorGroup, entry: Entry[TrustAnchorsTable], around: Sources) -> AnchorGroup:
    """The group with its policy; without one where there is none, or one with mistakes, which are noted."""
    table = entry.table.revocation
    if table is None:
        return group
    policy = _Reader(table, entry.notes, around).policy()
    if policy is None:
        return group
    files = Lists(around.directory, group, around.now, policy.grace, around.largest_list, entry.notes)
    names = {index: name for index, name in enumerate(table.crl) if _is_file(name)}
    files.check(names, alone=len(names) == len(table.crl) and policy.order == ("crl",))
    return attrs.evolve(group, revocation=policy)


def check_revocation(groups: Iterable[tuple[AnchorGroup, Notes]]) -> None:
    """Say where nobody asks whether a certificate was revoked."""
    for group, notes in groups:
        if group.revocation is None:
            remedy = f"Name a list or a responder: revocation = {{ {_SOURCES} }}."
            notes.warn("revocation", "is missing: a revoked certificate is good until it expires", remedy)
        elif group.revocation.on_unknown == "allow":
            remedy = 'Take "refuse", unless a source that is down must stop nobody.'
            message = 'is "allow": where no source can tell, a revoked certificate is good'
            notes.warn("revocation.on_unknown", message, remedy)


@attrs.frozen
class _Reader:
    table: RevocationTable
    notes: Notes
    around: Sources

    def policy(self) -> RevocationPolicy | None:
        table = self.table
        urls = {index: name for index, name in enumerate(table.crl) if _is_url(name)}
        fetched = [self._url(name, key_path("revocation", "crl", index)) for index, name in urls.items()]
        ocsp_url = self._ocsp_url()
        responders = self._responders()
        order = self._order()
        if order is None:
            return None
        directory = self.around.directory
        return RevocationPolicy(
            order=order,
            on_unknown=table.on_unknown,
            crl_files=tuple(str(directory / name) for name in dict.fromkeys(table.crl) if _is_file(name)),
            crl_urls=tuple(dict.fromkeys(url for url in fetched if url is not None)),
            crl_from_certificate=FROM_CERTIFICATE in table.crl,
            ocsp_url=ocsp_url,
            ocsp_responders=responders,
            require_nonce=table.require_nonce,
            max_age=timedelta(hours=table.max_age_hours),
            grace=timedelta(minutes=table.grace_minutes),
        )

    def _url(self, text: str, key: str) -> str | None:
        url = read_url(text, key, self.notes)
        return None if url is None else str(url)

    def _ocsp_url(self) -> str | None:
        text = self.table.ocsp
        if text is None or text == FROM_CERTIFICATE:
            return None
        if not _is_url(text):
            close = suggestion(text, (FROM_CERTIFICATE,))
            close = f"{close} " if close else ""
            remedy = f'{close}It takes "{FROM_CERTIFICATE}", or the URL of a responder.'
            self.notes.add("revocation.ocsp", f"{shown(text)} is no URL", remedy)
            return None
        return self._url(text, "revocation.ocsp")

    def _responders(self) -> tuple[Certificate, ...]:
        key, names = "revocation.ocsp_responders", self.table.ocsp_responders
        if names and self.table.ocsp is None:
            remedy = f'Remove it, or ask responders: ocsp = "{FROM_CERTIFICATE}".'
            self.notes.add(key, "means nothing without ocsp", remedy)
        files = Files(self.around.directory, self.notes)
        found = tuple(dict.fromkeys(own for name in names for own in files.certificates(key, name)))
        for own in found:
            if own.not_after < self.around.now:
                message = f"{own.subject.to_string()} expired on {own.not_after:%Y-%m-%d}"
                self.notes.warn(key, message, "Replace it: nothing that it signs is believed.")
        return found

    def _order(self) -> tuple[Source, ...] | None:
        """None where nobody is asked, or not everybody."""
        configured = self._configured()
        if not configured:
            self.notes.add("revocation", "has neither crl nor ocsp", f"Name one: {_SOURCES}.")
            return None
        order = self.table.order
        if order is None:
            return configured
        for source in dict.fromkeys(order):
            if source not in configured:
                remedy = f"Remove it, or configure {source}."
                self.notes.add("revocation.order", f'has "{source}", which is not configured', remedy)
        for source in configured:
            if source not in order:
                remedy = f"Add it, or remove {source}."
                self.notes.add("revocation.order", f'lacks "{source}", which is configured', remedy)
        if len(set(order)) < len(order):
            self.notes.add("revocation.order", "has a source twice", "Name each source once.")
        return order if set(order) == set(configured) else None

    def _configured(self) -> tuple[Source, ...]:
        """Which kinds of sources there are, in the order that is usual."""
        kinds: Mapping[Source, bool] = {"ocsp": self.table.ocsp is not None, "crl": bool(self.table.crl)}
        return tuple(source for source, there in kinds.items() if there)


def _is_url(text: str) -> bool:
    return "://" in text


def _is_file(text: str) -> bool:
    return text != FROM_CERTIFICATE and not _is_url(text)

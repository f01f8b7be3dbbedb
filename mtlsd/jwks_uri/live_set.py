"""One JWK Set, and how it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import attrs
from twisted.internet.defer import Deferred

from mtlsd.clients.fetched import Published
from mtlsd.errors import Fact
from mtlsd.fetch.exchange import Fetched
from mtlsd.fetch.freshness import Validators, fresh_for
from mtlsd.jose import b64
from mtlsd.jose.jwk import thumbprint
from mtlsd.jose.verification import VerificationKey
from mtlsd.jwks_uri.kept import Kept
from mtlsd.jwks_uri.key_set import KeySet
from mtlsd.jwks_uri.timing import Timing

Contents = tuple[tuple[Published, ...], tuple[VerificationKey, ...]]


@attrs.frozen
class KeySetStatus:
    """How a set stands, for operators.

    :ivar certificates: the thumbprints (`x5t#S256`) of those that are in force.
    :ivar skipped: which keys are left out, and why.
    :ivar error: why the last fetch brought nothing; None where it did.
    """

    uri: str
    clients: tuple[str, ...]
    certificates: tuple[str, ...]
    skipped: tuple[str, ...]
    last_good_at: datetime | None
    last_tried_at: datetime | None
    next_try_at: datetime
    error: str | None


@attrs.define(eq=False)
class LiveSet:
    """The set at one `jwks_uri`.

    :ivar clients: who registered it.
    :ivar kept: the last good answer; None once it is too old to serve.
    :ivar published: its certificates.
    :ivar keys: its keys that verify signatures, those of the certificates among them.
    :ivar failures: fetches in a row that brought nothing; `error` says why.
    :ivar due: when it is fetched next, in the clock's seconds.
    :ivar tried: when it was fetched last, in the clock's seconds.
    :ivar early: whether `due` was asked for early.
    :ivar running: the fetch that is under way.
    """

    uri: str
    clients: tuple[str, ...]
    due: float
    kept: Kept | None = None
    published: tuple[Published, ...] = ()
    keys: tuple[VerificationKey, ...] = ()
    skipped: tuple[str, ...] = ()
    failures: int = 0
    error: str | None = None
    tried: float | None = None
    tried_at: datetime | None = None
    early: bool = False
    running: Deferred[Fetched] | None = None

    @property
    def validators(self) -> Validators:
        """With them the server says only whether the set has changed."""
        return Validators() if self.kept is None else self.kept.validators

    def load(self, kept: Kept, key_set: KeySet) -> None:
        """Begin with what was kept."""
        self.kept, self.published, self.skipped = kept, kept.published(key_set), key_set.skipped
        self.keys = key_set.keys

    def take(
        self, fetched: Fetched, key_set: KeySet | None, now: datetime, timing: Timing
    ) -> tuple[Kept, timedelta]:
        """Put what was fetched in force.

        :param key_set: what its body says; None where the set has not changed (304).
        :return: what to keep, and how long it may be used.
        """
        fresh = fresh_for(
            fetched.headers, now, floor=timing.floor, ceiling=timing.ceiling, default=timing.default
        )
        self.failures, self.error = 0, None
        if key_set is None:
            assert self.kept is not None, (
                "a 304 answers validators alone, and these are those of what is kept"
            )
            self.kept = attrs.evolve(self.kept, good_at=now, fresh_until=now + fresh)
            return self.kept, fresh
        known = {published.der: published.since for published in self.published}
        self.published = tuple(Published(der, known.get(der, now)) for der in key_set.certificates)
        self.keys, self.skipped = key_set.keys, key_set.skipped
        since = {hashlib.sha256(own.der).digest(): own.since for own in self.published}
        validators = Validators.from_headers(fetched.headers)
        self.kept = Kept(self.uri, fetched.body, validators, now, now + fresh, since)
        return self.kept, fresh

    def end_if_old(self, now: datetime, keep: timedelta) -> None:
        """Let go of a copy that nobody has confirmed for too long."""
        if self.kept is not None and now - self.kept.good_at >= keep:
            self.kept, self.published, self.keys, self.skipped = None, (), (), ()

    def status(self, now: datetime, seconds: float) -> KeySetStatus:
        """:param seconds: the clock's, at the same time as `now`."""
        return KeySetStatus(
            uri=self.uri,
            clients=self.clients,
            certificates=thumbprints(self.published),
            skipped=self.skipped,
            last_good_at=None if self.kept is None else self.kept.good_at,
            last_tried_at=self.tried_at,
            next_try_at=now + timedelta(seconds=max(self.due - seconds, 0.0)),
            error=self.error,
        )

    def facts(self) -> dict[str, Fact]:
        """What names it in an event."""
        return {"kind": "jwks_uri", "source": self.uri, "clients": self.clients}


def changes(before: Iterable[Published], after: Iterable[Published]) -> Mapping[str, Fact]:
    """Which certificates came and went; empty where none did."""
    old, new = ({own.der: own for own in published} for published in (before, after))
    added = thumbprints(new[der] for der in new.keys() - old.keys())
    removed = thumbprints(old[der] for der in old.keys() - new.keys())
    return {"added": added, "removed": removed} if added or removed else {}


def key_changes(before: Sequence[VerificationKey], after: Sequence[VerificationKey]) -> Mapping[str, Fact]:
    """Which keys came and went, by their thumbprints (RFC 7638); empty where nothing of them changed."""
    if before == after:
        return {}
    old, new = ({thumbprint(dict(key.members)) for key in keys} for keys in (before, after))
    return {"keys_added": sorted(new - old), "keys_removed": sorted(old - new)}


def thumbprints(published: Iterable[Published]) -> tuple[str, ...]:
    """Their `x5t#S256`."""
    return tuple(b64.sha256_text(own.der) for own in published)

"""What is served next, made whole beside what is served now."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

import attrs
from twisted.logger import Logger

from mtlsd.config.model import Config
from mtlsd.jose.keyring import Keyring
from mtlsd.keys.files import KEYRING, algorithm_mistake, load_or_create
from mtlsd.oauth.bound import BoundCertificates
from mtlsd.ops.audit import utc_now
from mtlsd.service import assembly
from mtlsd.service.background import Background, Report
from mtlsd.service.people import People
from mtlsd.service.snapshot import registrations, snapshot
from mtlsd.stores.interfaces import Store
from mtlsd.stores.refusing import RefusingArtifacts
from mtlsd.stores.workers import ThreadWorker
from mtlsd.web.serving import Serving

_log = Logger()


@attrs.frozen
class Seen:
    """What the present state was made from.

    :ivar store: the store's generation.
    :ivar keyring: what tells one version of the keyring's file from another.
    :ivar keys_until: when the JWK Set changes by itself, since a retiring key ends.
    """

    store: int
    keyring: tuple[int, int]
    keys_until: datetime | None


@attrs.frozen
class Built:
    """What is to be served next."""

    serving: Serving
    seen: Seen
    background: Background

    @classmethod
    async def make(
        cls,
        config: Config,
        store: Store,
        reactor: Any,
        report: Report,
        people: People,
        before: Background | None = None,
        bound: BoundCertificates | None = None,
    ) -> Self:
        """Make it; what is live stays as it is.

        Versions are read first: a change in between is seen the next time.

        :param report: takes audit events.
        :param bound: the certificates that tokens were bound to before.
        """
        now = utc_now()
        generation = await store.generation()
        keyring = await _keyring(config, now, reactor)
        stamp = keyring_stamp(config)
        _tell_algorithm(config, keyring)
        stored = await store.list_clients()
        known = registrations(config, stored)
        background = await Background.open(config, known, reactor, report, before)
        try:
            judged_by = snapshot(config, stored, background.published, background.knowledge, background.keys)
            artifacts, resolve = RefusingArtifacts(store.artifacts), background.knowledge.resolve
            secrets, standing_of = people.secrets, people.standing_of(config)
            served = assembly.serving(
                config,
                judged_by,
                keyring,
                now,
                resolve,
                artifacts,
                bound,
                secrets,
                standing_of,
                people.pushes,
            )
            serving = attrs.evolve(served, talking=people.talking(config, served.authorization))
        except BaseException:
            await background.leave(before)
            raise
        ends = [retiring.until_at for retiring in keyring.retiring]
        return cls(serving, Seen(generation, stamp, min(ends, default=None)), background)


async def _keyring(config: Config, now: datetime, reactor: Any) -> Keyring:
    """In a thread: another process may hold the directory's lock, and to make an RSA key takes its time."""
    worker, tokens = ThreadWorker(reactor, "signing keys"), config.tokens
    worker.start()
    try:
        return await worker.run(lambda: load_or_create(tokens.signing_keys, tokens.signing_algorithm, now))
    finally:
        worker.stop()


def _tell_algorithm(config: Config, keyring: Keyring) -> None:
    place = f"{config.path.name}: tokens.signing_algorithm"
    mistake = algorithm_mistake(keyring, config.tokens.signing_algorithm, place)
    if mistake is not None:
        _log.warn("keys.algorithm {mistake}", mistake=mistake)


def keyring_stamp(config: Config) -> tuple[int, int]:
    """What tells one version of the keyring's file from another."""
    try:
        found = (config.tokens.signing_keys / KEYRING).stat()
    except OSError:
        return (0, 0)
    return found.st_mtime_ns, found.st_ino

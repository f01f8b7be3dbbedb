"""Signing keys in a directory: ``<kid>.pem`` for each key and ``keyring.json``, which says what each is for.

What ``keyring.json`` does not name is not in use. So a key is written before it is named and removed after
it is no longer named, and between any two steps the directory holds one whole keyring: the old or the new
one. The first file ever written is a ``keyring.json`` without keys; where there are keys and no such file,
somebody removed it, and mtlsd does not guess.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

from mtlsd.errors import ConfigError, Mistake
from mtlsd.jose.keyring import Keyring, RetiringKey, SigningKey
from mtlsd.jose.signer import Signer
from mtlsd.keys.directory import (
    PrivateDirectory,
    explaining,
    make_private_directory,
    name_of_unfinished,
    read_private,
    refuse,
)
from mtlsd.keys.private_key import from_pem, generate, to_pem, usual_algorithm
from mtlsd.keys.records import KeyRecord, OtherVersion, format_records, parse_records, records_of

KEYRING = "keyring.json"
RETIRE_FOR = timedelta(days=1)
"""How long a replaced key is published where nobody says: longer than any sensible token and any cache."""

_KEY_FILE = re.compile(r"[A-Za-z0-9_-]{43}\.pem")
_RESTORE = "Restore the directory from a backup, or move it away: mtlsd then makes new keys."


def load(directory: Path) -> Keyring:
    """The keyring of a directory. Writes nothing.

    :raises ConfigError: when there is none, or anything about the directory is not as it must be.
    """
    keyring = load_if_any(directory)
    if keyring is None:
        raise refuse(directory, "There are no signing keys yet.", "Start mtlsd once: mtlsd run makes them.")
    return keyring


def load_if_any(directory: Path) -> Keyring | None:
    """The same; None where the directory or its keys have not been made yet. Writes nothing.

    :raises ConfigError: when anything about the directory is not as it must be.
    """
    with explaining(directory):
        there = directory.exists()
    if not there:
        return None
    with PrivateDirectory.opened(directory, writing=False) as held:
        return _read(held)


def load_or_create(directory: Path, alg: str, now: datetime) -> Keyring:
    """The keyring of a directory, which is made with two keys where it is not there.

    Keys whose retirement has ended are removed. A next key of another algorithm, which has never signed, is
    replaced by one of ``alg``; the active key stays, see :func:`algorithm_mistake`.

    :param alg: one of :data:`mtlsd.jose.signer.ALGORITHMS`.
    :param now: aware UTC.
    :raises ConfigError: when anything about the directory is not as it must be.
    """
    make_private_directory(directory)
    with PrivateDirectory.opened(directory, writing=True) as held:
        old = _read(held)
        new = Keyring(generate(alg, now), generate(alg, now)) if old is None else _mended(old, alg, now)
        if new is not old:
            _write(held, old, new)
        return new


def _mended(keyring: Keyring, alg: str, now: datetime) -> Keyring:
    kept = keyring.without_expired(now)
    return kept if kept.next.signer.alg == alg else kept.replace_next(generate(alg, now))


def rotate(directory: Path, alg: str, now: datetime, retire_for: timedelta) -> Keyring:
    """The next key signs from now on, a new one becomes next, and the old one stays published.

    Where there are no keys yet, they are made, and nothing is rotated. Nor is it where the next key is of
    another algorithm than ``alg``: it is replaced, and resource servers shall know its successor first.

    :param retire_for: how long the old key is published: the lifetime of a token at least.
    :raises ConfigError: when anything about the directory is not as it must be.
    """
    fresh = generate(alg, now)  # before the lock is taken: RSA takes its time
    make_private_directory(directory)
    with PrivateDirectory.opened(directory, writing=True) as held:
        old = _read(held)
        if old is None:
            new = Keyring(fresh, generate(alg, now))
        elif old.next.signer.alg != alg:
            new = old.without_expired(now).replace_next(fresh)
        else:
            new = old.rotate(now, fresh, retire_for)
        _write(held, old, new)
        return new


def import_key(
    directory: Path,
    pem_path: Path,
    now: datetime,
    *,
    alg: str | None = None,
    retire_for: timedelta = RETIRE_FOR,
) -> Keyring:
    """A key that the operator brings becomes the active one at once.

    :param pem_path: PEM, not encrypted, that nobody else can read. It is copied and can be removed.
    :param alg: what it signs with; by default ES256, EdDSA or RS256 by its kind.
    :param retire_for: how long the key that was active is still published.
    :raises ConfigError: when the key cannot be used, or anything about the directory is not as it must be.
    """
    imported = _imported(pem_path, alg, now)
    make_private_directory(directory)
    with PrivateDirectory.opened(directory, writing=True) as held:
        old = _read(held)
        if old is not None and imported.kid in {key.kid for key in old.keys}:
            raise refuse(
                pem_path, "The keyring has this key already.", "Bring another key, or mtlsd keys rotate."
            )
        if old is None:
            new = Keyring(generate(imported.signer.alg, now), imported)
        else:
            new = old.replace_active(now, imported, retire_for)
        _write(held, old, new)
        return new


def _imported(pem_path: Path, alg: str | None, now: datetime) -> SigningKey:
    try:
        private_key = from_pem(read_private(pem_path, pem_path))
        return SigningKey(Signer.from_private_key(private_key, alg or usual_algorithm(private_key)), now)
    except ValueError as error:
        raise refuse(
            pem_path,
            f"{error}.",
            "Bring an EC P-256, Ed25519 or RSA key of 2048 bits or more, not encrypted.",
        ) from None


def algorithm_mistake(keyring: Keyring, alg: str, place: str) -> Mistake | None:
    """What to tell an operator who configured another algorithm than that of the active key.

    Not fatal: the active key goes on signing, since resource servers do not know the next one yet.

    :param place: where the algorithm is configured.
    """
    if keyring.signer.alg == alg:
        return None
    prepared = keyring.next.signer.alg == alg
    first = "" if prepared else f"Reload, and the next key is one for {alg}. "
    return Mistake(
        place,
        f"Tokens are still signed with {keyring.signer.alg}.",
        f"{first}When resource servers have fetched the next key: mtlsd keys rotate.",
        fatal=False,
    )


# -- reading ------------------------------------------------------------------------------------------------


def _read(held: PrivateDirectory) -> Keyring | None:
    """:raises ConfigError: when the directory holds anything but one whole keyring."""
    names = held.names()
    if foreign := sorted(name for name in names if not _is_ours(name)):
        raise refuse(
            held.path / foreign[0],
            "This file is not mtlsd's.",
            "Keep nothing else in the directory of the keys.",
        )
    if KEYRING not in names:
        if any(_KEY_FILE.fullmatch(name) for name in names):
            raise refuse(held.path / KEYRING, "It is missing, though there are keys.", _RESTORE)
        return None
    records = _read_records(held)
    return _assemble(held, records) if records else None


def _is_ours(name: str) -> bool:
    name = name_of_unfinished(name) or name
    return name == KEYRING or _KEY_FILE.fullmatch(name) is not None


def _read_records(held: PrivateDirectory) -> tuple[KeyRecord, ...]:
    place = held.path / KEYRING
    try:
        return parse_records(held.read(KEYRING, _RESTORE))
    except OtherVersion as error:
        raise refuse(
            place, f"It cannot be read: {error}.", "Use the mtlsd that wrote it, or a newer one."
        ) from None
    except ValueError as error:
        raise refuse(place, f"It cannot be read: {error}.", _RESTORE) from None


def _assemble(held: PrivateDirectory, records: tuple[KeyRecord, ...]) -> Keyring:
    keys: dict[str, SigningKey] = {}
    retiring: list[RetiringKey] = []
    mistakes: list[Mistake] = []
    for record in records:
        try:
            key = _read_key(held, record)
        except ConfigError as error:
            mistakes += error.mistakes
            continue
        if record.until_at is None:
            keys[record.state] = key
        else:
            retiring.append(RetiringKey(key, record.until_at))
    if mistakes:
        raise ConfigError(tuple(mistakes))
    return Keyring(keys["next"], keys["active"], tuple(retiring))


def _read_key(held: PrivateDirectory, record: KeyRecord) -> SigningKey:
    name = f"{record.kid}.pem"
    if not _KEY_FILE.fullmatch(name):
        raise refuse(held.path / KEYRING, "It has a kid that is no thumbprint.", _RESTORE)
    try:
        signer = Signer.from_private_key(from_pem(held.read(name, _RESTORE)), record.alg)
    except ValueError as error:
        raise refuse(held.path / name, f"The {record.state} key cannot be used: {error}.", _RESTORE) from None
    if signer.kid != record.kid:
        raise refuse(held.path / name, "It holds another key than its name says.", _RESTORE)
    return SigningKey(signer, record.created_at)


# -- writing ------------------------------------------------------------------------------------------------


def _write(held: PrivateDirectory, old: Keyring | None, new: Keyring) -> None:
    """Bring ``new`` to the disk; each step leaves either keyring whole."""
    names = held.names()
    _remove(held, [name for name in names if name_of_unfinished(name)])
    if KEYRING not in names:
        held.replace(KEYRING, format_records(()))
        held.sync()
    known = () if old is None else {key.kid for key in old.keys}
    for key in new.keys:
        if key.kid not in known:
            held.replace(f"{key.kid}.pem", to_pem(key.signer.private_key))
    held.sync()
    held.replace(KEYRING, format_records(records_of(new)))
    held.sync()
    used = {KEYRING, *(f"{key.kid}.pem" for key in new.keys)}
    _remove(held, [name for name in held.names() if name not in used])


def _remove(held: PrivateDirectory, names: list[str]) -> None:
    for name in sorted(names):
        held.remove(name)
    if names:
        held.sync()

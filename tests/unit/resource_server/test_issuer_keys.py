"""When the issuer's keys are fetched, and what happens while they cannot be."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.fetch.refused import FetchRefused
from mtlsd.jose.verification import VerificationKey
from mtlsd.resource_server.https import Document
from mtlsd.resource_server.issuer_keys import IssuerKeys, KeyTiming
from tests.unit.resource_server.world import KEYS, SIGNER, Later, at_once, key_of, signer

KID = SIGNER.kid
UNKNOWN = "unknown"
TIMING = KeyTiming(wait_seconds=0)


@attrs.define
class Issuer:
    """What it publishes; None while it is down."""

    jwks: object = attrs.field(factory=lambda: jwks_of(*KEYS))
    headers: dict[str, str] = attrs.field(factory=dict)
    asked: int = 0
    now: float = 1000.0

    def fetch(self) -> Document:
        self.asked += 1
        if self.jwks is None:
            raise FetchRefused("connection", "nobody is there")
        members: Any = self.jwks
        return Document(members, self.headers)

    def keys(self, start: Any = at_once, timing: KeyTiming = TIMING) -> IssuerKeys:
        return IssuerKeys(self.fetch, timing, lambda: self.now, start)


def jwks_of(*keys: VerificationKey) -> dict[str, Any]:
    return {"keys": [key.to_jwk() for key in keys]}


def unavailable(keys: IssuerKeys, kid: str | None = KID) -> str:
    with pytest.raises(Refusal) as refused:
        keys.known(kid)
    assert refused.value.reason is reasons.ISSUER_KEYS_UNAVAILABLE
    return str(refused.value.facts["code"])


def test_fetched_once() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    for _ in range(3):
        assert keys.known(KID) == KEYS
    assert issuer.asked == 1


def test_while_they_are_fetched() -> None:
    """One fetch for all, and nobody is accepted meanwhile."""
    issuer, later = Issuer(), Later()
    keys = issuer.keys(later)
    assert [keys.known(KID), keys.known(UNKNOWN)] == [None, None]
    with pytest.raises(Refusal):
        keys.awaited(KID)
    assert len(later.waiting) == 1
    later.run()
    assert keys.awaited(KID) == KEYS
    assert issuer.asked == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("max-age=5", 60), ("max-age=300", 300), ("no-store", 60), ("", 600)],
)
def test_how_long_they_are_fresh(header: str, seconds: float) -> None:
    """Within floor and ceiling. When they are stale they serve on while they are fetched again."""
    issuer, later = Issuer(headers={"cache-control": header} if header else {}), Later()
    keys = issuer.keys(later)
    keys.known(KID)
    later.run()
    issuer.now += seconds - 1
    assert keys.known(KID) == KEYS
    assert not later.waiting
    issuer.now += 1
    assert keys.known(KID) == KEYS
    assert len(later.waiting) == 1


def test_no_server_says_that_they_are_fresh_for_ever() -> None:
    issuer = Issuer(headers={"cache-control": "max-age=999999"})
    keys = issuer.keys()
    keys.known(KID)
    issuer.now += 3600
    keys.known(KID)
    assert issuer.asked == 2


def test_a_new_key() -> None:
    issuer = Issuer()
    keys = issuer.keys()
    keys.known(KID)
    fresh = key_of(signer(number=2))
    issuer.jwks = jwks_of(fresh)
    assert keys.known(fresh.kid) == (fresh,)
    assert issuer.asked == 2


def test_after_a_quiet_night() -> None:
    """Keys older than the ceiling are not used while newer ones come, but they are where none can be had."""
    issuer, later = Issuer(), Later()
    keys = issuer.keys(later)
    keys.known(KID)
    later.run()
    issuer.now += 3600
    assert keys.known(KID) is None
    issuer.jwks = None
    later.run()
    assert keys.awaited(KID) == KEYS
    issuer.now += 100
    assert keys.known(KID) == KEYS


def test_a_key_that_is_gone() -> None:
    """What the issuer has withdrawn is not kept."""
    issuer = Issuer()
    keys = issuer.keys()
    keys.known(KID)
    issuer.jwks = jwks_of(KEYS[1])
    issuer.now += 3600
    assert keys.known(KID) == (KEYS[1],)


def test_invented_kids() -> None:
    """Anybody can write one: the issuer is not asked more often for it, and nobody else waits."""
    issuer = Issuer()
    keys = issuer.keys()
    for number in range(1000):
        assert keys.known(f"invented-{number}") == KEYS
        assert keys.known(KID) == KEYS
    assert issuer.asked == TIMING.early_burst
    issuer.now += TIMING.early_seconds
    for number in range(1000):
        keys.known(f"invented-{number}")
    assert issuer.asked == TIMING.early_burst + 1


def test_the_issuer_is_down() -> None:
    """Known keys serve on, until they are too old; one that is missing is not the caller's fault."""
    issuer = Issuer()
    keys = issuer.keys()
    keys.known(KID)
    issuer.jwks = None
    issuer.now += 3600
    assert keys.known(KID) == KEYS
    assert unavailable(keys, UNKNOWN) == "connection"
    issuer.now += TIMING.keep.total_seconds() - 3601
    assert keys.known(KID) == KEYS
    issuer.now += 1
    assert unavailable(keys) == "connection"
    issuer.jwks, issuer.now = jwks_of(*KEYS), issuer.now + 100
    assert keys.known(KID) == KEYS


def test_the_issuer_was_never_there() -> None:
    issuer = Issuer(jwks=None)
    keys = issuer.keys()
    for _ in range(100):
        assert unavailable(keys) == "connection"
    assert issuer.asked == TIMING.early_burst


@pytest.mark.parametrize("jwks", [{}, {"keys": []}, {"keys": "x"}, {"keys": [{"kty": "oct", "k": "AA"}]}, []])
def test_a_set_without_keys(jwks: object) -> None:
    """It does not take the place of a good one."""
    issuer = Issuer()
    keys = issuer.keys()
    keys.known(KID)
    issuer.jwks, issuer.now = jwks, issuer.now + 3600
    assert keys.known(KID) == KEYS
    assert unavailable(Issuer(jwks=jwks).keys()) in ("keys", "failed")


def test_no_thread_is_to_be_had() -> None:
    def start(_: object) -> None:
        raise RuntimeError("can't start new thread")

    assert unavailable(Issuer().keys(start)) == "failed"


def test_too_many_wait() -> None:
    keys = Issuer().keys(Later(), KeyTiming(wait_seconds=0, most_waiting=0))
    assert keys.known(KID) is None
    with pytest.raises(Refusal) as refused:
        keys.awaited(KID)
    assert refused.value.facts["code"] == "busy"


def test_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that fetches is in the parent: the child fetches for itself."""
    issuer, later = Issuer(), Later()
    keys = issuer.keys(later)
    assert keys.known(KID) is None
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert keys.known(KID) is None
    assert len(later.waiting) == 2

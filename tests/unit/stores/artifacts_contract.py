"""What every store of artifacts must do: a suite that each implementation runs against itself.

Import this module, not the class, or pytest collects the class by itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from unittest import TestCase

import attrs
from zope.interface.verify import verifyObject

from mtlsd.oauth.artifacts import GRANT_STAYS_REMOVED, KINDS, Artifact, Bounds, Found, Kind
from mtlsd.stores.interfaces import ArtifactStore
from tests.unit.stores.values import LATER, NOW, result_of

BOUNDS = Bounds(a_client={"request_uri": 3}, a_grant={"refresh_token": 3})
SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)


def key(secret: str) -> bytes:
    return Artifact.key_of(secret)


def artifact(
    secret: str = "1",
    kind: Kind = "code",
    client_id: str | None = "a",
    grant_id: str | None = None,
    lives: timedelta = MINUTE,
    **content: object,
) -> Artifact:
    return Artifact(kind, key(secret), client_id, grant_id, content, NOW + lives)


class ArtifactStoreContract(TestCase):
    """Every Deferred is expected to have fired when it is returned."""

    def open_artifacts(self) -> ArtifactStore:
        """Another object on the data of this test, as another process has it; with BOUNDS."""
        raise NotImplementedError

    def set_disabled(self, client_id: str, disabled: bool) -> None:
        """Have the store know the client as disabled, or not."""
        raise NotImplementedError

    def forget(self, client_id: str) -> None:
        """Have the store remove the client."""
        raise NotImplementedError

    def setUp(self) -> None:
        self.artifacts = self.open_artifacts()

    def save(self, *artifacts: Artifact, now: datetime = NOW) -> None:
        result_of(self.artifacts.save(*artifacts, now=now))

    def find(self, secret: str = "1", kind: Kind = "code", now: datetime = NOW) -> Found | None:
        return result_of(self.open_artifacts().find(kind, key(secret), now))

    def found(self, *secrets: str, kind: Kind = "code", now: datetime = NOW) -> list[str]:
        """Which of them there are."""
        return [secret for secret in secrets if self.find(secret, kind, now) is not None]

    def consume(
        self, secret: str = "1", now: datetime = NOW, then: tuple[Artifact, ...] = ()
    ) -> Found | None:
        return result_of(self.artifacts.consume("code", key(secret), now, then))

    def claim(self, secret: str, lives: timedelta, now: datetime = NOW) -> bool:
        return result_of(self.open_artifacts().claim("replay", key(secret), NOW + lives, now))

    def remove_grant(self, grant_id: str, now: datetime = NOW) -> None:
        result_of(self.open_artifacts().remove_grant(grant_id, now))

    def remove_client(self, client_id: str, now: datetime = NOW) -> None:
        result_of(self.open_artifacts().remove_client(client_id, now))

    def sweep(self, now: datetime = NOW, most: int = 1000) -> int:
        return result_of(self.artifacts.sweep(now, most))

    def test_it_provides_the_interface(self) -> None:
        verifyObject(ArtifactStore, self.artifacts)

    # -- keeping -----------------------------------------------------------------------------------------

    def test_what_was_saved_is_there_for_everybody(self) -> None:
        own = artifact(grant_id="g", scope=["a", "ä"], nested={"n": [1, None, True, 0.5]}, odd="\ud800\0")
        self.save(own)
        found = self.find()
        assert found is not None
        self.assertEqual((own, None), (found.artifact, found.consumed_at))
        self.assertEqual(own.content, found.artifact.content)
        self.assertIsNone(self.find("2"))

    def test_kinds_are_apart(self) -> None:
        self.save(*(artifact(kind=kind, of=kind) for kind in KINDS))
        for kind in KINDS:
            found = self.find(kind=kind)
            assert found is not None
            self.assertEqual({"of": kind}, found.artifact.content)

    def test_without_a_client_and_a_grant(self) -> None:
        self.save(artifact(client_id=None))
        self.assertEqual(["1"], self.found("1"))

    def test_it_ends_when_it_expires(self) -> None:
        """At that instant, to the microsecond; nobody has to sweep."""
        self.save(artifact())
        end = NOW + MINUTE
        self.assertIsNotNone(self.find(now=end - timedelta(microseconds=1)))
        self.assertIsNone(self.find(now=end))
        self.assertIsNone(self.consume(now=end))

    def test_saving_replaces(self) -> None:
        """A session that goes on."""
        self.save(artifact(step=1))
        self.save(artifact(step=2, lives=DAY), now=LATER)
        found = self.find(now=NOW + 2 * MINUTE)
        assert found is not None
        self.assertEqual({"step": 2}, found.artifact.content)

    def test_saving_does_not_resurrect(self) -> None:
        self.save(artifact())
        self.consume()
        self.save(artifact(again=True, lives=DAY), now=LATER)
        found = self.find(now=LATER)
        assert found is not None
        self.assertEqual((NOW, {}), (found.consumed_at, found.artifact.content))

    def test_what_expired_is_no_hindrance(self) -> None:
        self.save(artifact())
        self.consume()
        self.save(artifact(lives=DAY), now=NOW + MINUTE)
        found = self.find(now=NOW + MINUTE)
        assert found is not None
        self.assertIsNone(found.consumed_at)

    def test_remove(self) -> None:
        self.save(artifact("1"), artifact("2"), artifact("1", kind="session"))
        for _ in range(2):
            result_of(self.artifacts.remove("code", key("1")))
        self.assertEqual(["2"], self.found("1", "2"))
        self.assertEqual(["1"], self.found("1", kind="session"))
        self.assertIsNone(self.consume())

    # -- once --------------------------------------------------------------------------------------------

    def test_consumed_once(self) -> None:
        own = artifact(grant_id="g", scope="a")
        self.save(own)
        self.assertEqual(Found(own, None), self.consume())
        for later in (LATER, LATER + SECOND):
            self.assertEqual(Found(own, NOW), self.consume(now=later))
        self.assertEqual(Found(own, NOW), self.find())

    def test_nothing_to_consume(self) -> None:
        self.assertIsNone(self.consume(then=(artifact("2"),)))
        self.assertEqual([], self.found("1", "2"))

    def test_what_comes_of_it_is_saved_for_the_winner_alone(self) -> None:
        self.save(artifact())
        self.consume(then=(artifact("2"), artifact("3", kind="refresh_token")))
        self.consume(then=(artifact("4"),))
        self.assertEqual(["2"], self.found("2", "3", "4"))
        self.assertEqual(["3"], self.found("3", kind="refresh_token"))

    def test_a_claim_is_for_the_first(self) -> None:
        """Until it ends, and in whatever process."""
        self.assertTrue(self.claim("1", MINUTE))
        self.assertFalse(self.claim("1", DAY))
        self.assertFalse(self.claim("1", DAY, NOW + MINUTE - SECOND))
        self.assertTrue(self.claim("2", MINUTE))
        self.assertTrue(self.claim("1", DAY, NOW + MINUTE))
        self.assertFalse(self.claim("1", DAY, NOW + MINUTE + SECOND))

    # -- grants ------------------------------------------------------------------------------------------

    def test_a_removed_grant_takes_everything_with_it(self) -> None:
        self.save(artifact("1", grant_id="g"), artifact("2", grant_id="g"), artifact("3", grant_id="h"))
        self.save(artifact("4"))
        self.consume("2")
        self.remove_grant("g")
        self.assertEqual(["3", "4"], self.found("1", "2", "3", "4"))
        self.assertIsNone(self.consume("1", then=(artifact("5"),)))
        self.assertEqual([], self.found("5"))

    def test_a_removed_grant_stays_removed(self) -> None:
        """The other half of a race: the code's second use removes what its first is just about to save."""
        self.remove_grant("g")
        self.save(artifact("1", grant_id="g"), artifact("2", grant_id="h"))
        self.consume("2", then=(artifact("3", grant_id="g"), artifact("4", grant_id="h")))
        self.assertEqual(["2", "4"], self.found("1", "2", "3", "4"))

    def test_how_long_a_grant_is_known_as_removed(self) -> None:
        end = NOW + GRANT_STAYS_REMOVED
        self.remove_grant("g")
        for now, expected in ((NOW, True), (end - SECOND, True), (end, False)):
            self.assertEqual(expected, result_of(self.artifacts.grant_removed("g", now)))
        self.assertFalse(result_of(self.artifacts.grant_removed("h", NOW)))

    def test_a_grant_is_known_as_removed_as_long_as_its_artifacts_would_have_lived(self) -> None:
        """Also when it is removed again, and was swept meanwhile."""
        self.save(artifact("1", grant_id="g", lives=30 * DAY), artifact("2", grant_id="g", lives=5 * DAY))
        self.remove_grant("g")
        self.sweep()
        self.remove_grant("g", LATER)
        self.sweep(NOW + 29 * DAY)
        self.assertTrue(result_of(self.artifacts.grant_removed("g", NOW + 30 * DAY - SECOND)))
        self.assertFalse(result_of(self.artifacts.grant_removed("g", NOW + 30 * DAY)))
        self.assertEqual([], self.found("1", now=NOW + 29 * DAY))

    def test_a_grant_that_ended_may_begin_again(self) -> None:
        """Whether or not it was swept before: `now` alone decides."""
        self.remove_grant("g")
        end = NOW + GRANT_STAYS_REMOVED
        self.save(artifact(grant_id="g", lives=30 * DAY), now=end)
        self.assertEqual(["1"], self.found("1", now=end))
        self.sweep(end)
        self.assertEqual(["1"], self.found("1", now=end))

    # -- clients -----------------------------------------------------------------------------------------

    def test_a_client_takes_its_artifacts_with_it(self) -> None:
        self.save(artifact("1"), artifact("2", client_id="b"), artifact("3", client_id=None))
        self.remove_client("a")
        self.assertEqual(["2", "3"], self.found("1", "2", "3"))

    def test_a_client_may_come_back(self) -> None:
        """With new artifacts; the old ones stay away, swept or not."""
        self.save(artifact("1"))
        self.remove_client("a")
        self.save(artifact("2"))
        self.assertEqual(["2"], self.found("1", "2"))
        self.sweep()
        self.save(artifact("3"))
        self.assertEqual(["2", "3"], self.found("1", "2", "3"))
        self.remove_client("a")
        self.assertEqual([], self.found("1", "2", "3"))

    def test_a_client_may_come_back_after_everything_was_swept(self) -> None:
        self.save(artifact("1"), artifact("2"))
        self.remove_client("a")
        self.sweep(NOW + DAY)
        self.remove_client("a")
        self.save(artifact("3"))
        self.assertEqual(["3"], self.found("1", "2", "3"))

    def test_a_disabled_client_has_no_artifacts_and_gets_none(self) -> None:
        self.save(artifact("1"), artifact("2", client_id="b"))
        self.set_disabled("a", True)
        self.save(artifact("3"))
        self.assertEqual(["2"], self.found("1", "2", "3"))
        self.set_disabled("a", False)
        self.assertEqual([], self.found("1", "3"))
        self.save(artifact("4"))
        self.assertEqual(["4"], self.found("4"))

    def test_nothing_is_kept_of_a_client_that_was_removed_from_the_store(self) -> None:
        """Not even what a request still under way saves a moment later."""
        self.set_disabled("a", False)
        self.save(artifact("1"))
        self.forget("a")
        self.save(artifact("2"), artifact("3", client_id="b"))
        self.assertEqual(["3"], self.found("1", "2", "3"))

    # -- bounds ------------------------------------------------------------------------------------------

    def test_of_too_many_the_oldest_go(self) -> None:
        """For each client by itself; the newest stay, whenever they end."""
        for number in range(5):
            own = artifact(str(number), kind="request_uri", lives=timedelta(seconds=100 - number))
            self.save(own, attrs.evolve(own, client_id="b", key=key(f"b{number}")))
        of_a, of_b = (
            self.found(*(f"{who}{number}" for number in range(5)), kind="request_uri") for who in ("", "b")
        )
        self.assertEqual((["2", "3", "4"], ["b2", "b3", "b4"]), (of_a, of_b))

    def test_others_are_not_bounded(self) -> None:
        self.save(*(artifact(str(number), kind="access_token") for number in range(9)))
        self.assertEqual(9, len(self.found(*map(str, range(9)), kind="access_token")))

    def test_of_refresh_tokens_so_many_of_a_grant_are_kept(self) -> None:
        for number in range(5):
            self.save(artifact(str(number), kind="refresh_token", grant_id="g"))
            self.save(artifact(f"h{number}", kind="refresh_token", grant_id=f"h{number}"))
        kept = self.found("0", "1", "2", "3", "4", "h0", "h4", kind="refresh_token")
        self.assertEqual(["2", "3", "4", "h0", "h4"], kept)

    def test_what_is_replaced_does_not_count_twice(self) -> None:
        for _ in range(5):
            self.save(artifact("1", kind="request_uri"), artifact("2", kind="request_uri"))
        self.assertEqual(["1", "2"], self.found("1", "2", kind="request_uri"))

    # -- sweeping ----------------------------------------------------------------------------------------

    def test_sweeping_takes_what_expired(self) -> None:
        self.save(*(artifact(str(number), lives=number * MINUTE) for number in range(10)))
        self.assertEqual(4, self.sweep(NOW + 5 * MINUTE, 4))
        self.assertEqual(2, self.sweep(NOW + 5 * MINUTE, 4))
        self.assertEqual(0, self.sweep(NOW + 5 * MINUTE, 4))
        self.assertEqual(["6", "7", "8", "9"], self.found(*map(str, range(10))))

    def test_sweeping_keeps_what_is_consumed(self) -> None:
        self.save(artifact())
        self.consume()
        self.sweep()
        self.assertIsNotNone(self.find())

    def test_the_clients_that_were_issued_anything(self) -> None:
        """Codes or tokens, each client once; what it pushed or registered with is nothing of the kind."""
        for client_id in ("b", "a", "ä"):
            for kind in ("code", "refresh_token", "access_token"):
                self.save(artifact(f"{client_id} {kind}", kind, client_id))
        self.save(artifact("1", "request_uri", "c"), artifact("2", "registration_token", "d"))
        self.save(artifact("3", client_id=None), artifact("4", "refresh_token", "e"))
        self.assertEqual(("a", "b", "e", "ä"), result_of(self.artifacts.client_ids()))

    def test_of_kind(self) -> None:
        """What there is of a kind, used or not; not what expired, was removed, or went with its client."""
        self.save(
            artifact("1"), artifact("2"), artifact("3", lives=SECOND), artifact("4"), artifact("5", "session")
        )
        self.save(artifact("6", client_id="b"), artifact("7", grant_id="g"))
        self.consume("2")
        result_of(self.artifacts.remove("code", key("4")))
        result_of(self.artifacts.remove_client("b", NOW))
        result_of(self.artifacts.remove_grant("g", NOW))
        found = result_of(self.open_artifacts().of_kind("code", NOW + SECOND))
        assert {own.artifact.key: own.consumed_at is not None for own in found} == {
            key("1"): False,
            key("2"): True,
        }

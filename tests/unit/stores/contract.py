"""What every store must do: a suite that each implementation runs against itself.

Import this module, not the class, or pytest collects the class by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from unittest import TestCase

import attrs
from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from mtlsd.clients.client import Client
from mtlsd.clients.sightings import MOST_SIGHTINGS, Sighting
from mtlsd.stores.interfaces import ClientStore, Conflict, StoreUnavailable, UnknownClient
from tests.unit.stores.values import LATER, NOW, failure_of, named, pinned, result_of, sighting


class ClientStoreContract(TestCase):
    """Every Deferred is expected to have fired when it is returned."""

    def make_store(self) -> ClientStore:
        """Another store object, not open, on the data of this test: as another process would have it."""
        raise NotImplementedError

    def setUp(self) -> None:
        self.store = self.open_store()

    def open_store(self) -> ClientStore:
        store = self.make_store()
        result_of(store.open())
        self.addCleanup(store.close)
        return store

    def add(self, *clients: Client) -> None:
        for client in clients:
            result_of(self.store.add_client(client, NOW))

    def conflict_of(self, deferred: Deferred[None]) -> Conflict:
        return failure_of(deferred, Conflict)

    def listed(self) -> tuple[Client, ...]:
        return result_of(self.open_store().list_clients())

    def generation(self) -> int:
        return result_of(self.store.generation())

    # -- the interface -----------------------------------------------------------------------------------

    def test_it_provides_the_interface(self) -> None:
        verifyObject(ClientStore, self.store)

    def test_an_empty_store(self) -> None:
        self.assertEqual((), self.listed())
        self.assertIsNone(result_of(self.store.get_client("a")))

    def test_closed_it_is_unavailable(self) -> None:
        result_of(self.store.close())
        failure_of(self.store.list_clients(), StoreUnavailable)
        failure_of(self.store.add_client(named("a"), NOW), StoreUnavailable)

    def test_closing_twice_does_nothing(self) -> None:
        result_of(self.store.close())
        result_of(self.store.close())

    def test_closed_it_can_be_opened_again(self) -> None:
        self.add(named("a"))
        result_of(self.store.close())
        result_of(self.store.open())
        self.assertEqual(named("a"), result_of(self.store.get_client("a")))

    # -- registering -------------------------------------------------------------------------------------

    def test_what_was_added_is_there_for_everybody(self) -> None:
        """Also for another object on the same data, and equal in every member."""
        clients = (
            named("a", "a.example", "partners", "banks", resources=["https://rs.example/"], client_name="Ä"),
            named("b", tls_client_auth_subject_dn="CN=b+OU=c,O=Exämple\\, Inc,C=DE"),
            pinned("c", "one", "two", disabled=True),
        )
        self.add(*reversed(clients))
        self.assertEqual(clients, self.listed())
        for client in clients:
            self.assertEqual(client, result_of(self.store.get_client(client.client_id)))

    def test_a_client_id_is_looked_up_exactly(self) -> None:
        self.add(named("a"))
        self.assertIsNone(result_of(self.store.get_client("A")))

    def test_a_client_id_is_there_once(self) -> None:
        self.add(named("a"))
        conflict = self.conflict_of(self.store.add_client(named("a", "other.example"), LATER))
        self.assertEqual("a", conflict.client_id)
        self.assertEqual((named("a"),), self.listed())

    def test_a_subject_belongs_to_one_client(self) -> None:
        """The names are compared as names (R34, R37), not as they were written."""
        self.add(named("a", "Billing.example"))
        conflict = self.conflict_of(self.store.add_client(named("b", "billing.EXAMPLE"), NOW))
        self.assertEqual("a", conflict.client_id)
        self.assertIn("'a'", conflict.message)
        self.assertEqual((named("a", "Billing.example"),), self.listed())

    def test_a_subject_dn_belongs_to_one_client(self) -> None:
        self.add(named("a", tls_client_auth_subject_dn="CN=Billing,O=Example"))
        same = named("b", tls_client_auth_subject_dn="cn=billing, o=example")
        self.assertEqual("a", self.conflict_of(self.store.add_client(same, NOW)).client_id)

    def test_one_anchor_group_in_common_is_enough_to_conflict(self) -> None:
        self.add(named("a", "x.example", "partners", "banks"))
        conflict = self.conflict_of(self.store.add_client(named("b", "x.example", "others", "banks"), NOW))
        self.assertIn("banks", conflict.message)

    def test_a_conflict_keeps_nothing(self) -> None:
        """The first anchor group was free, and still is."""
        self.add(named("a", "x.example", "banks"))
        self.conflict_of(self.store.add_client(named("b", "x.example", "others", "banks"), NOW))
        self.add(named("c", "x.example", "others"))

    def test_the_same_name_elsewhere_is_another_subject(self) -> None:
        """Under another anchor group, and as another kind of name (R30, R35)."""
        self.add(named("a", "x.example", "partners"), named("b", "x.example", "banks"))
        self.add(named("c", tls_client_auth_subject_dn="CN=x.example"))
        self.assertEqual(3, len(self.listed()))

    def test_a_pinned_certificate_belongs_to_one_client(self) -> None:
        self.add(pinned("a", "one", "two"))
        conflict = self.conflict_of(self.store.add_client(pinned("b", "three", "two"), NOW))
        self.assertEqual("a", conflict.client_id)
        self.add(pinned("c", "three"))

    def test_a_disabled_client_keeps_what_is_its_own(self) -> None:
        self.add(named("a", "x.example", disabled=True))
        self.assertEqual("a", self.conflict_of(self.store.add_client(named("b", "x.example"), NOW)).client_id)

    # -- changing ----------------------------------------------------------------------------------------

    def test_update_replaces_everything(self) -> None:
        """The old certificate is free then, the new one taken: rotation of a pin (R12)."""
        self.add(pinned("a", "one", "two"))
        result_of(self.store.update_client(pinned("a", "two", "three"), LATER))
        self.assertEqual((pinned("a", "two", "three"),), self.listed())
        self.assertEqual("a", self.conflict_of(self.store.add_client(pinned("b", "three"), NOW)).client_id)
        self.add(pinned("b", "one"))

    def test_update_conflicts_with_others_and_changes_nothing_then(self) -> None:
        self.add(named("a"), named("b"))
        self.assertEqual(
            "a", self.conflict_of(self.store.update_client(named("b", "a.example"), LATER)).client_id
        )
        self.assertEqual((named("a"), named("b")), self.listed())
        self.assertEqual("b", self.conflict_of(self.store.add_client(named("c", "b.example"), NOW)).client_id)

    def test_update_of_a_client_that_is_not_there(self) -> None:
        failure_of(self.store.update_client(named("a"), NOW), UnknownClient)
        failure_of(self.store.update_client(named("a"), NOW, named("a")), UnknownClient)
        self.assertEqual((), self.listed())

    def test_of_two_updates_at_once_none_is_lost(self) -> None:
        """Two operators read the same client, and each adds a certificate."""
        seen = pinned("a", "one")
        self.add(seen)
        result_of(self.store.update_client(pinned("a", "one", "two"), LATER, seen))
        late = self.open_store().update_client(pinned("a", "one", "three"), LATER, seen)
        self.assertEqual("a", self.conflict_of(late).client_id)
        self.assertEqual((pinned("a", "one", "two"),), self.listed())

    def test_update_sees_that_somebody_disabled_the_client(self) -> None:
        self.add(named("a"))
        result_of(self.store.set_disabled("a", True, NOW))
        self.conflict_of(self.store.update_client(named("a", client_name="A"), LATER, named("a")))

    def test_disable_and_enable(self) -> None:
        self.add(named("a"))
        for disabled in (True, True, False):
            result_of(self.store.set_disabled("a", disabled, LATER))
            self.assertEqual((attrs.evolve(named("a"), disabled=disabled),), self.listed())

    def test_disabling_a_client_that_is_not_there(self) -> None:
        unknown = failure_of(self.store.set_disabled("a", True, NOW), UnknownClient)
        self.assertEqual("a", unknown.client_id)

    # -- removing ----------------------------------------------------------------------------------------

    def test_remove_frees_subject_and_pin(self) -> None:
        self.add(named("a", "x.example"), pinned("b", "one"))
        result_of(self.store.remove_client("a", LATER))
        result_of(self.store.remove_client("b", LATER))
        self.assertEqual((), self.listed())
        self.add(named("c", "x.example"), pinned("d", "one"))

    def test_a_removed_client_id_is_never_given_again(self) -> None:
        """R59."""
        self.add(named("a"))
        result_of(self.store.remove_client("a", LATER))
        conflict = self.conflict_of(self.open_store().add_client(named("a", "new.example"), LATER))
        self.assertIn("removed", conflict.message)
        failure_of(self.store.update_client(named("a"), LATER), UnknownClient)
        self.assertEqual((), self.listed())

    def test_removing_a_client_that_is_not_there(self) -> None:
        failure_of(self.store.remove_client("a", NOW), UnknownClient)
        self.add(named("a"))

    # -- noticing changes --------------------------------------------------------------------------------

    def test_the_generation_changes_with_every_change_of_anybody(self) -> None:
        other = self.open_store()
        seen = [self.generation()]
        changes: tuple[Callable[[], Deferred[None]], ...] = (
            lambda: other.add_client(named("a"), NOW),
            lambda: other.update_client(named("a", client_name="A"), NOW),
            lambda: other.set_disabled("a", True, NOW),
            lambda: other.remove_client("a", NOW),
        )
        for change in changes:
            result_of(change())
            seen.append(self.generation())
        self.assertEqual(len(seen), len(set(seen)))

    def test_the_generation_stays_without_a_change(self) -> None:
        self.add(named("a"))
        before = self.generation()
        self.conflict_of(self.store.add_client(named("b", "a.example"), NOW))
        failure_of(self.store.remove_client("c", NOW), UnknownClient)
        self.listed()
        self.assertEqual(before, self.generation())

    # -- what clients came with ----------------------------------------------------------------------------

    def record(self, *sightings: Sighting) -> None:
        result_of(self.store.record_sightings(sightings))

    def seen(self, client_id: str) -> tuple[Sighting, ...]:
        return result_of(self.open_store().sightings(client_id))

    def test_sightings_are_there_for_everybody(self) -> None:
        """The one seen last first; of clients in files too, which the store does not have."""
        self.add(named("a"))
        one, two, other = sighting("a", "1", 0, 5), sighting("a", "2", 3, 9), sighting("file", "1", 1, 1)
        self.record(one, two, other)
        self.assertEqual((two, one), self.seen("a"))
        self.assertEqual((other,), self.seen("file"))
        self.assertEqual((), self.seen("b"))

    def test_sightings_of_one_certificate_are_joined(self) -> None:
        """In whatever order several processes write them."""
        self.record(sighting("a", "1", 10, 20))
        self.record(sighting("a", "1", 30, 40), sighting("a", "1", 0, 5))
        self.assertEqual((sighting("a", "1", 0, 40),), self.seen("a"))

    def test_the_last_certificates_are_kept(self) -> None:
        made = [sighting("a", str(number), number, number) for number in range(MOST_SIGHTINGS + 3)]
        self.record(*made[: MOST_SIGHTINGS + 1], sighting("b", "1", 0, 0))
        self.record(*made[MOST_SIGHTINGS + 1 :])
        self.assertEqual(tuple(reversed(made[3:])), self.seen("a"))
        self.assertEqual(1, len(self.seen("b")))

    def test_nothing_is_remembered_of_a_removed_client(self) -> None:
        """Not even what a daemon writes a moment later."""
        self.add(named("a"))
        self.record(sighting("a", "1", 0, 0))
        result_of(self.store.remove_client("a", LATER))
        self.record(sighting("a", "1", 1, 1))
        self.assertEqual((), self.seen("a"))

    def test_sightings_are_no_change_of_a_client(self) -> None:
        """Nobody shall reload because of them."""
        self.add(named("a"))
        before = self.generation()
        self.record(sighting("a", "1", 0, 0))
        self.assertEqual(before, self.generation())
        result_of(self.store.update_client(named("a", client_name="A"), LATER))
        self.assertEqual(1, len(self.seen("a")))

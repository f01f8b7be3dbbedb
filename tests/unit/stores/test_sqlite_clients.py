"""The SQLite store: the contract, and what is particular to it."""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import TestCase

from mtlsd.errors import ConfigError
from mtlsd.stores.interfaces import ClientStore
from mtlsd.stores.sqlite import open_store
from mtlsd.stores.workers import InlineWorker
from tests.unit.stores import contract
from tests.unit.stores.values import LATER, NOW, failure_of, named, pinned, result_of


class SQLiteContractTests(contract.ClientStoreContract):
    """The contract, against a file."""

    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "mtlsd.db"
        super().setUp()

    def make_store(self) -> ClientStore:
        return open_store(self.path, InlineWorker())


class SQLiteClientsTests(TestCase):
    """What lies in the file."""

    def setUp(self) -> None:
        directory = TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = Path(directory.name) / "mtlsd.db"
        self.store = open_store(self.path, InlineWorker(), InlineWorker())
        result_of(self.store.open())
        self.addCleanup(self.store.close)
        self.shell = sqlite3.connect(self.path, isolation_level=None)
        self.addCleanup(self.shell.close)

    def test_instants_are_microseconds(self) -> None:
        result_of(self.store.add_client(named("a"), NOW))
        result_of(self.store.set_disabled("a", True, LATER))
        row = self.shell.execute("SELECT disabled, created_at, updated_at FROM client").fetchone()
        self.assertEqual((1, 1772366400123456, 1772366401123456), row)

    def test_an_instant_without_time_zone_is_a_fault(self) -> None:
        with self.assertRaises(TypeError):
            self.store.add_client(named("a"), datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point

    def test_the_column_says_whether_a_client_is_disabled(self) -> None:
        result_of(self.store.add_client(named("a", disabled=True), NOW))
        metadata = self.shell.execute("SELECT metadata FROM client").fetchone()[0]
        self.assertNotIn("disabled", json.loads(metadata))

    def test_the_database_itself_keeps_subjects_and_pins_unique(self) -> None:
        """Whoever writes: a row that another client holds is refused."""
        result_of(self.store.add_client(named("a"), NOW))
        result_of(self.store.add_client(pinned("b", "one"), NOW))
        for table in ("client_subject", "client_pin"):
            with self.assertRaises(sqlite3.IntegrityError):
                self.shell.execute(f"INSERT INTO {table} SELECT * FROM {table}")

    def test_the_database_itself_refuses_a_removed_client_id(self) -> None:
        """R59."""
        result_of(self.store.add_client(named("a"), NOW))
        result_of(self.store.remove_client("a", NOW))
        with self.assertRaisesRegex(sqlite3.IntegrityError, "never given again"):
            self.shell.execute(
                "INSERT INTO client (client_id, metadata, disabled, created_at, updated_at)"
                " VALUES ('a', '{}', 0, 0, 0)"
            )

    def test_a_change_by_hand_changes_the_generation(self) -> None:
        result_of(self.store.add_client(named("a"), NOW))
        before = result_of(self.store.generation())
        self.shell.execute("UPDATE client SET disabled = 1 WHERE client_id = 'a'")
        self.assertNotEqual(before, result_of(self.store.generation()))

    def test_rows_that_cannot_be_read_are_all_named(self) -> None:
        """No client is silently left out, and none is guessed."""
        for client_id in "abcd":
            result_of(self.store.add_client(named(client_id), NOW))
        self.shell.execute("UPDATE client SET metadata = '{' WHERE client_id = 'a'")
        self.shell.execute("UPDATE client SET metadata = '[]' WHERE client_id = 'b'")
        self.shell.execute(
            "UPDATE client SET metadata = json_set(metadata, '$.scope', 7) WHERE client_id = 'c'"
        )
        error = failure_of(self.store.list_clients(), ConfigError)
        places = [mistake.place for mistake in error.mistakes]
        self.assertEqual(3, len(places))
        for client_id, place in zip("abc", places, strict=True):
            self.assertIn(f"{self.path}: client.{client_id}", place)
        failure_of(self.store.get_client("a"), ConfigError)
        self.assertEqual(named("d"), result_of(self.store.get_client("d")))

    def test_a_row_that_cannot_be_read_can_be_removed(self) -> None:
        result_of(self.store.add_client(named("a"), NOW))
        self.shell.execute("UPDATE client SET metadata = '{'")
        result_of(self.store.remove_client("a", NOW))
        self.assertEqual((), result_of(self.store.list_clients()))

    def test_a_row_under_another_client_id_is_refused(self) -> None:
        result_of(self.store.add_client(named("a"), NOW))
        self.shell.execute("UPDATE client SET client_id = 'b'")
        failure_of(self.store.get_client("b"), ConfigError)

    def test_hostile_names_are_values_and_not_statements(self) -> None:
        name = "x'); DROP TABLE client; --"
        client = named(name, tls_client_auth_subject_dn="CN=a'\\; DROP TABLE client\\; --")
        result_of(self.store.add_client(client, NOW))
        self.assertEqual((client,), result_of(self.store.list_clients()))

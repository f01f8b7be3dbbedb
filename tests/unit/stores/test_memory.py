"""The contract, against the store that other tests may use."""

from __future__ import annotations

from mtlsd.stores.interfaces import ClientStore
from tests.unit.stores import contract
from tests.unit.stores.memory import Data, MemoryStore


class MemoryContractTests(contract.ClientStoreContract):
    """Each test has data of its own."""

    def setUp(self) -> None:
        self.data = Data()
        super().setUp()

    def make_store(self) -> ClientStore:
        return MemoryStore(self.data)

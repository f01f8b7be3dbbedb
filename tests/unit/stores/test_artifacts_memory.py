"""The contract, against what other tests may use."""

from __future__ import annotations

from mtlsd.stores.interfaces import ArtifactStore
from tests.unit.stores import artifacts_contract as contract
from tests.unit.stores.artifacts_memory import MemoryArtifacts
from tests.unit.stores.values import NOW, result_of


class MemoryArtifactsTests(contract.ArtifactStoreContract):
    """Each test has data of its own."""

    def setUp(self) -> None:
        self.memory = MemoryArtifacts(contract.BOUNDS)
        super().setUp()

    def open_artifacts(self) -> ArtifactStore:
        return self.memory

    def set_disabled(self, client_id: str, disabled: bool) -> None:
        if disabled:
            self.forget(client_id)
        else:
            self.memory.refused_clients.discard(client_id)

    def forget(self, client_id: str) -> None:
        self.memory.refused_clients.add(client_id)
        result_of(self.memory.remove_client(client_id, NOW))

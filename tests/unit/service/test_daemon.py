"""The daemon around the server: the audit log's file at a reload."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
from twisted.internet.defer import Deferred

from mtlsd.config.model import Loaded
from mtlsd.ops.audit import AuditFile
from mtlsd.service import daemon as module
from mtlsd.service.daemon import Daemon


class RecordingFile(AuditFile):
    closed = False

    def close(self) -> None:
        super().close()
        self.closed = True


class Refusing:
    """A server that does not take over what it is given."""

    async def reload(self, config: object) -> None:
        raise OSError("address in use")


class Taking:
    async def reload(self, config: object) -> None:
        pass


@pytest.mark.parametrize("server", [Refusing(), Taking()])
def test_of_two_files_of_the_audit_log_one_is_closed(
    server: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new one where the reload is refused, otherwise the old one."""
    old, new = RecordingFile(str(tmp_path / "old")), RecordingFile(str(tmp_path / "new"))
    anything = cast(Any, None)
    monkeypatch.setattr(module, "load", lambda path, now: Loaded(cast(Any, _Config()), ()))
    monkeypatch.setattr(module, "_audit_file", lambda config: new)
    daemon = Daemon(tmp_path / "mtlsd.toml", anything, anything)
    daemon._audit = old
    done = Deferred.fromCoroutine(daemon._reload_once(cast(Any, server)))
    assert done.called
    assert (old.closed, new.closed) == ((False, True) if isinstance(server, Refusing) else (True, False))
    assert daemon._audit is (old if isinstance(server, Refusing) else new)


class _Config:
    issuer = "https://as.example"

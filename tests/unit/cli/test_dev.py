"""`mtlsd dev init` makes what works, and overwrites nothing."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import attrs
import pytest
from cryptography import x509

from mtlsd.cli import main
from mtlsd.cli.dev import CLIENT_NAME, Made, init
from mtlsd.cli.exits import USAGE, UsageError
from mtlsd.config.load import load
from mtlsd.judge import Identity, PresentedCertificate, judge
from mtlsd.revocation.offline import OfflineKnowledge
from mtlsd.service.snapshot import snapshot
from tests.end_to_end.openssl_ca import der_of
from tests.pki.maker import NOW


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return init(tmp_path / "dev", NOW)


def test_configuration_without_a_warning(made: Made) -> None:
    loaded = load(made.config, NOW)
    assert loaded.warnings == ()
    mtls, public = loaded.config.listeners
    assert (mtls.endpoint, mtls.client_certificate) == ("tcp:8443:interface=127.0.0.1", "required")
    assert (public.endpoint, public.client_certificate) == ("tcp:8444:interface=127.0.0.1", "none")
    assert loaded.config.issuer == public.public_url == "https://localhost:8444"


def test_ports(tmp_path: Path) -> None:
    made = init(tmp_path, NOW, port=1443, public_port=2443)
    urls = [listener.public_url for listener in load(made.config, NOW).config.listeners]
    assert urls == ["https://localhost:1443", "https://localhost:2443"]
    assert "https://localhost:1443/token" in made.commands[1]
    with pytest.raises(UsageError):
        init(tmp_path / "same", NOW, port=1443, public_port=1443)


@pytest.mark.parametrize(
    ("name", "method"), [("billing", "tls_client_auth"), ("pinned", "self_signed_tls_client_auth")]
)
def test_clients_are_known(made: Made, name: str, method: str) -> None:
    """The judge takes both, strictly."""
    leaf = der_of(made.config.parent / f"{name}.pem")
    config = load(made.config, NOW).config
    known = OfflineKnowledge.read(config.groups, config.fetch.cache, True, NOW)
    judged_by = attrs.evolve(snapshot(config, ()), revocation=known)
    judged = judge(PresentedCertificate(leaf, (), "mtls", "offline"), judged_by, NOW)
    assert isinstance(judged, Identity)
    assert dict(judged.clients) == {name: method}


def test_server_certificate_is_for_this_machine(made: Made) -> None:
    certificate = x509.load_pem_x509_certificate((made.config.parent / "server.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["localhost", "127.0.0.1", "::1"]


def test_keys_are_private(made: Made) -> None:
    directory = made.config.parent
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in directory.glob("*.key")} == {0o600}
    assert len(list(directory.glob("*.key"))) == 6


def test_commands_name_files_that_are_there(tmp_path: Path) -> None:
    """Whatever the directory is called."""
    made = init(tmp_path / "it's here", NOW)
    assert len(made.commands) == 4
    for command in made.commands:
        named = [word for word in shlex.split(command) if word.startswith(str(tmp_path))]
        assert named
        assert all(Path(word).is_file() for word in named)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "server.key").write_text("mine")
    with pytest.raises(UsageError, match="is not empty"):
        init(tmp_path, NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["server.key"]


def test_a_directory_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner could put keys of his own there."""
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(UsageError, match="somebody else"):
        init(tmp_path, NOW)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_everybody_may_write_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    with pytest.raises(UsageError, match="everybody may write"):
        init(tmp_path, NOW)


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dev", "init", str(tmp_path / "dev"), "--port", "1443"]) == 0
    assert "https://localhost:1443/token" in capsys.readouterr().out
    assert main(["dev", "init", str(tmp_path / "dev")]) == USAGE
    assert "is not empty" in capsys.readouterr().err


def test_name_of_the_client(made: Made) -> None:
    assert CLIENT_NAME in made.config.read_text()

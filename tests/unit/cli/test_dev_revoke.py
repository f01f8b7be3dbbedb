"""`mtlsd dev revoke` makes lists that the judge believes, each newer than the one before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mtlsd.cli import main
from mtlsd.cli.dev_revoke import revoke
from mtlsd.cli.exits import NO_PERMISSION, OK, USAGE, UsageError
from mtlsd.ops.audit import utc_now
from tests.unit.cli.conftest import Ran

Mtlsd = Callable[..., Ran]


def read(directory: Path) -> x509.CertificateRevocationList:
    return x509.load_pem_x509_crl((directory / "ca.crl").read_bytes())


def number(directory: Path) -> int:
    return read(directory).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def test_an_empty_list_is_there_from_the_beginning(directory: Path) -> None:
    authority = x509.load_pem_x509_certificate((directory / "ca.pem").read_bytes())
    assert list(read(directory)) == []
    assert number(directory) == 1
    assert read(directory).next_update_utc == authority.not_valid_after_utc


def test_each_list_follows_the_one_before(directory: Path) -> None:
    now = utc_now()
    assert revoke(directory, "server", now) == 2
    assert revoke(directory, "billing", now + timedelta(seconds=1)) == number(directory) == 3
    serials = {
        x509.load_pem_x509_certificate((directory / f"{name}.pem").read_bytes()).serial_number
        for name in ("server", "billing")
    }
    assert {entry.serial_number for entry in read(directory)} == serials
    assert sorted(path.name for path in directory.glob(".*")) == [], "nothing is left beside it"


def test_a_revoked_certificate_is_refused(directory: Path, mtlsd: Mtlsd) -> None:
    explain = ("explain", "--certificate", directory / "billing.pem")
    assert mtlsd(*explain).code == OK
    assert main(["dev", "revoke", str(directory), "billing"]) == OK
    ran = mtlsd(*explain, "--json")
    assert ran.code == NO_PERMISSION
    assert ran.json["refusal"]["reason"] == "revocation.revoked"
    assert ran.json["refusal"]["facts"]["source"] == f"crl {directory / 'ca.crl'}"
    assert ran.json["refusal"]["facts"]["revocation_reason"] == "keyCompromise"
    assert mtlsd("check").code == OK


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pinned", "has not issued the certificate of pinned"),
        ("ca", "nobody revokes a trust anchor"),
        ("../dev/billing", "give the name of a certificate"),
        ("mtlsd", "it has the certificates of billing, ca, "),
    ],
)
def test_what_cannot_be_revoked(
    directory: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    assert main(["dev", "revoke", str(directory), name]) != OK
    assert message in capsys.readouterr().err
    assert number(directory) == 1


def test_a_directory_that_dev_init_did_not_make(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dev", "revoke", str(tmp_path), "billing"]) == USAGE
    assert f"there is no {tmp_path / 'ca.pem'}: `mtlsd dev init` did not make" in capsys.readouterr().err


def test_once_is_enough(directory: Path) -> None:
    revoke(directory, "billing", utc_now())
    with pytest.raises(UsageError, match="is revoked already"):
        revoke(directory, "billing", utc_now())


def test_another_directory(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory / "ca.crl").write_text("nothing")
    assert main(["dev", "revoke", str(directory), "billing"]) == USAGE
    assert "is not as `mtlsd dev init` leaves it" in capsys.readouterr().err

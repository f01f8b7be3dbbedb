"""`mtlsd explain` and revocation: what is known offline, and whom a daemon would ask."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from mtlsd.cli.dev_pki import Issued
from mtlsd.cli.exits import NO_PERMISSION, OK, UNAVAILABLE
from mtlsd.ops.audit import utc_now
from tests.unit.cli.conftest import Ran

Mtlsd = Callable[..., Ran]


def explain(directory: Path, mtlsd: Mtlsd, revocation: str, *more: str) -> Ran:
    config = directory / "mtlsd.toml"
    config.write_text(config.read_text().replace('{ crl = ["ca.crl"] }', f"{{ {revocation} }}"))
    return mtlsd("explain", "--certificate", directory / "billing.pem", *more)


def test_where_it_comes_from_and_how_old_it_is(directory: Path, mtlsd: Mtlsd) -> None:
    ran = explain(directory, mtlsd, 'crl = ["ca.crl"]')
    assert ran.code == OK
    assert f"ok  revocation: good: crl {directory / 'ca.crl'}, 0:00:0" in ran.out


@pytest.mark.parametrize(
    ("revocation", "urls"),
    [
        ('ocsp = "http://ocsp.example/"', ["http://ocsp.example/"]),
        ('crl = ["https://pki.example/ca.crl"]', ["https://pki.example/ca.crl"]),
    ],
)
def test_whom_it_would_ask(directory: Path, mtlsd: Mtlsd, revocation: str, urls: list[str]) -> None:
    """It asks nobody, and does not call the certificate good."""
    ran = explain(directory, mtlsd, revocation, "--json")
    assert ran.code == UNAVAILABLE
    assert "refusal" not in ran.json
    assert "clients" not in ran.json
    (asked,) = ran.json["would_ask"]
    assert (asked["urls"], asked["certificate"], asked["trust_anchors"]) == (urls, "CN=billing", "dev")
    people = mtlsd("explain", "--certificate", directory / "billing.pem")
    assert f"would ask {urls[0]} about CN=billing, for dev" in people.out
    assert "accepted" not in people.out


@pytest.mark.parametrize("revocation", ['ocsp = "from-certificate"', 'crl = ["from-certificate"]'])
def test_nobody_to_ask(directory: Path, mtlsd: Mtlsd, revocation: str) -> None:
    """The development CA names neither list nor responder."""
    ran = explain(directory, mtlsd, revocation, "--json")
    assert (ran.code, ran.json["refusal"]["reason"]) == (NO_PERMISSION, "revocation.unknown")


def test_a_list_that_ran_out(directory: Path, mtlsd: Mtlsd) -> None:
    """It says so, as a daemon does, not only that no list tells."""
    authority = Issued.from_pem((directory / "ca.pem").read_bytes(), (directory / "ca.key").read_bytes())
    then = utc_now() - timedelta(days=20)
    builder = x509.CertificateRevocationListBuilder(
        authority.certificate.subject, then, then + timedelta(days=7)
    )
    builder = builder.add_extension(x509.CRLNumber(1), critical=False).add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False
    )
    (directory / "ca.crl").write_bytes(builder.sign(authority.key, SHA256()).public_bytes(Encoding.PEM))
    ran = mtlsd("explain", "--certificate", directory / "billing.pem", "--json")
    assert (ran.code, ran.json["refusal"]["reason"]) == (NO_PERMISSION, "revocation.unknown")
    (seen,) = ran.json["refusal"]["facts"]["seen"]
    assert seen.startswith(f"crl.expired: {directory / 'ca.crl'} nextUpdate ")


def test_where_that_is_allowed(directory: Path, mtlsd: Mtlsd) -> None:
    ran = explain(directory, mtlsd, 'ocsp = "from-certificate", on_unknown = "allow"')
    assert ran.code == OK
    assert "allowed, since on_unknown is allow" in ran.out
    assert "warning: mtlsd.toml: trust_anchors.dev.revocation.on_unknown" in ran.err


def test_a_group_that_nobody_checks(directory: Path, mtlsd: Mtlsd) -> None:
    config = directory / "mtlsd.toml"
    config.write_text(config.read_text().replace("revocation =", "# "))
    ran = mtlsd("explain", "--certificate", directory / "billing.pem")
    assert ran.code == OK
    assert "note  revocation: not checked" in ran.out

"""Trust anchors that are no CAs, no longer valid, or cannot be told apart."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from tests.pki.maker import Authority, ec_key
from tests.unit.config.example import Example, pem, pki

PARTNERS = "mtlsd.toml: trust_anchors.partners"


@pytest.fixture
def example(tmp_path: Path) -> Example:
    return Example.make(tmp_path)


def _namesake(role: str) -> Authority:
    """Another CA that calls itself as the root does."""
    return pki().ca("Root", None, role=role)


def _without_identifiers(role: str) -> Authority:
    """A CA called as the root is, with nothing but basic constraints to tell of it."""
    name, (since, until) = pki().root.certificate.subject, pki().valid()
    builder = x509.CertificateBuilder(name, name, ec_key(role).public_key(), 7, since, until)
    builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
    return Authority(builder.sign(ec_key(role), SHA256()), ec_key(role))


def test_group_without_anchors(example: Example) -> None:
    example.group["certificates"] = []
    assert example.told() == [f"{PARTNERS}.certificates: is empty"]


def test_leaf_as_anchor(example: Example) -> None:
    example.put("root.pem", pem(pki().leaf().leaf))
    (note,) = example.notes()
    assert note.message == "CN=billing,O=Partner,C=DE is not a CA's certificate"
    assert "self_signed_tls_client_auth" in note.remedy


@pytest.mark.parametrize("key", ["certificates", "intermediates"])
def test_anchor_that_openssl_cannot_read(example: Example, key: str) -> None:
    """Its common name is a BOOLEAN, which Python's cryptography takes."""
    common_name = bytes.fromhex("06 03 550403")
    at = pki().root.der.rindex(common_name) + len(common_name)
    broken = pki().root.der[:at] + b"\x01" + pki().root.der[at + 1 :]
    example.put("broken.pem", pem(pki().root.der) + pem(broken))
    example.group[key] = ["broken.pem"]
    (note,) = (note for note in example.notes() if note.fatal)
    assert note.place == f"{PARTNERS}.{key}"
    assert (
        note.message == '"broken.pem" certificate 2 cannot be read: OpenSSL cannot read it: mstring wrong tag'
    )


def test_expired_anchor(example: Example) -> None:
    example.put("root.pem", pem(pki().root.der) + pem(pki().expired_root.der))
    assert example.told() == [f"?{PARTNERS}.certificates: CN=Expired Root,O=Test PKI expired on 2026-11-20"]


def test_anchor_twice(example: Example) -> None:
    example.put("root.pem", pem(pki().root.der) * 2)
    assert example.told() == [
        f"?{PARTNERS}.certificates: the certificate of CN=Root,O=Test PKI is there twice"
    ]


def test_anchor_in_two_groups(example: Example) -> None:
    others = {"name": "others", "certificates": ["root.pem"], "revocation": {"ocsp": "from-certificate"}}
    example.document["trust_anchors"].append(others)
    example.mtls["trust_anchors"].append("others")
    assert example.told() == [
        "?mtlsd.toml: trust_anchors.others.certificates: CN=Root,O=Test PKI is an anchor of partners too"
    ]


def test_group_twice(example: Example) -> None:
    example.document["trust_anchors"].append({"name": "partners", "certificates": ["sub.pem"]})
    assert example.told() == [f'{PARTNERS}.name: "partners" is there twice']


def test_namesakes_with_key_identifiers(example: Example) -> None:
    """OpenSSL finds the right one by the authority key identifier."""
    example.put("root.pem", pem(pki().root.der) + pem(_namesake("namesake").der))
    assert example.told() == []


def test_namesakes_without_key_identifiers(example: Example) -> None:
    """OpenSSL takes the first of that name, so its answer depends on their order."""
    example.put("root.pem", pem(pki().root.der) + pem(_without_identifiers("no identifiers").der))
    assert example.told() == [
        "?mtlsd.toml: listener.mtls.trust_anchors: nothing tells two anchors called CN=Root,O=Test PKI apart"
    ]

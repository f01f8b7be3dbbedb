"""A leaf and its chain in one field are one client's (P26)."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mtlsd.forwarded.forwarded import ForwardedCertificate
from mtlsd.forwarded.leaf_first import leaf_first
from tests.pki import GOOD, Pki, dn, ec_key

PKI = Pki()
GOOD_ONE, OTHER = PKI.leaf(), PKI.leaf(subject=dn(CN="other"), key=ec_key("other"))
INTERMEDIATE, ROOT = PKI.intermediate, PKI.root
TIMES = (datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize("kind", ["ec_p256", "rsa_2048", "ed25519", "two_intermediates", "root_sent_along"])
def test_chains_as_clients_send_them(kind: str) -> None:
    presented = GOOD[kind].make(PKI)
    expected = ForwardedCertificate(presented.leaf, presented.chain)
    assert leaf_first((presented.leaf, *presented.chain)) == expected


@pytest.mark.parametrize("chain", [(), (GOOD_ONE.leaf,), (GOOD_ONE.leaf, *GOOD_ONE.chain, *GOOD_ONE.chain)])
def test_the_same_once_more(chain: tuple[bytes, ...]) -> None:
    assert leaf_first((GOOD_ONE.leaf, *chain)).leaf == GOOD_ONE.leaf


@pytest.mark.parametrize(
    "chain",
    [
        (OTHER.leaf,),
        (*GOOD_ONE.chain, OTHER.leaf, *OTHER.chain),
        (*GOOD_ONE.chain, ROOT.der, OTHER.leaf),
        (*GOOD_ONE.chain, b"0\0"),
        (PKI.self_signed("other").leaf,),
    ],
)
def test_two_clients_in_one_field(chain: tuple[bytes, ...]) -> None:
    with pytest.raises(ValueError, match="joined"):
        leaf_first((GOOD_ONE.leaf, *chain))


def test_names_and_flags_prove_nothing() -> None:
    """Of self-signed certificates clients are free to choose them."""
    subject = INTERMEDIATE.certificate.subject
    ours = [PKI.self_signed("other", subject, serial=number).leaf for number in (1, 2)]
    for chain in (ours, [*GOOD_ONE.chain, *ours], [*GOOD_ONE.chain, ROOT.der, *ours]):
        with pytest.raises(ValueError, match="joined"):
            leaf_first((GOOD_ONE.leaf, *chain))


def row(*names: str) -> list[bytes]:
    """Certificates with these names, each issued by the next one."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in names]
    subjects = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in names]
    issuers = zip([*subjects[1:], subjects[-1]], [*keys[1:], keys[-1]], strict=True)
    return [
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), *TIMES)
        .sign(signer, hashes.SHA256())
        .public_bytes(Encoding.DER)
        for (subject, key), (issuer, signer) in zip(zip(subjects, keys, strict=True), issuers, strict=True)
    ]


FIVE = row(*("same",) * 5)


def test_ten_in_order() -> None:
    leaf, *chain = row(*map(str, range(11)))
    assert leaf_first((leaf, *chain)).chain == tuple(chain)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_four_in_any_order(order: tuple[int, ...]) -> None:
    """Also where all of them have one name."""
    leaf, *chain = FIVE
    assert leaf_first((leaf, *(chain[place] for place in order))).leaf == leaf


def test_nobody_makes_us_verify_without_end() -> None:
    """Of these all might be above each other: it would take 55 signatures, of the dearest kind there is."""
    leaf, *chain = row(*("same",) * 11)
    with pytest.raises(ValueError, match="order"):
        leaf_first((leaf, *reversed(chain)))

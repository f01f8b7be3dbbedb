"""A leaf and its chain in one field are one client's (P26)."""

from __future__ import annotations

import pytest

from mtlsd.forwarded.forwarded import ForwardedCertificate
from mtlsd.forwarded.leaf_first import leaf_first
from tests.pki import GOOD, Pki, dn, ec_key

PKI = Pki()
GOOD_ONE, OTHER = PKI.leaf(), PKI.leaf(subject=dn(CN="other"), key=ec_key("other"))
INTERMEDIATE, ROOT = PKI.intermediate, PKI.root


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

"""Building paths offline: what is bad is refused with its reason, what is good is found."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone

import attrs
import pytest
from OpenSSL._util import lib

from mtlsd.errors import Refusal
from mtlsd.pki.certificate import Certificate
from mtlsd.pki.dn import DistinguishedName
from mtlsd.pki.path import MAX_CHAIN, AnchorGroup, Path, PathValidator, check_path
from mtlsd.pki.san import SubjectAltName
from mtlsd.pki.usage import check_client_usage
from tests.pki import BAD, DNS, EMAIL, GOOD, IP, NOW, SUBJECT, URI, Authority, Kind, Pki, Presented, ec_key

PKI = Pki()
PATH_KINDS = [kind for kind in GOOD.values() if kind.name != "pinned"]
REGISTERED = {
    DistinguishedName.from_string(SUBJECT).key,
    ("dns", SubjectAltName.from_registration("dns", DNS).key),
    ("uri", SubjectAltName.from_registration("uri", URI).key),
    ("ip", SubjectAltName.from_registration("ip", IP).key),
    ("email", SubjectAltName.from_registration("email", EMAIL).key),
}


def group(
    anchors: Sequence[bytes] = PKI.anchors, intermediates: Sequence[bytes] = (), name: str = "partners"
) -> AnchorGroup:
    return AnchorGroup(
        name, tuple(map(Certificate.from_der, anchors)), tuple(map(Certificate.from_der, intermediates))
    )


STRICT = PathValidator.from_groups([group()], strict=True)


def checked(presented: Presented, validator: PathValidator = STRICT, now: datetime = NOW) -> Path:
    """All that is checked of a path and of its leaf's usage."""
    path = validator.build(presented.leaf, presented.chain, now)
    check_path(path)
    check_client_usage(path.certificates[0])
    return path


def reason(presented: Presented, validator: PathValidator = STRICT, now: datetime = NOW) -> str:
    try:
        checked(presented, validator, now)
    except Refusal as refusal:
        return refusal.reason.code
    return "accepted"


def registered_names(leaf: bytes) -> set[object]:
    """Which of the honest client's names the certificate has."""
    found = Certificate.from_der(leaf)
    names: set[object] = {(name.kind, name.key) for name in found.subject_alt_names}
    return (names | {found.subject.key}) & REGISTERED


@pytest.mark.parametrize("kind", BAD.values(), ids=lambda k: k.name)
def test_bad_certificates(kind: Kind) -> None:
    """R31, R34, R37 to R39: refused for the right reason, or a good path to names of nobody."""
    presented = kind.make(PKI)
    start = time.perf_counter()
    found = reason(presented)
    assert time.perf_counter() - start < 1, "bounded work, however hostile the certificate"
    if found == "accepted":
        assert "subject.unknown" in kind.reasons
        assert registered_names(presented.leaf) == set()
    else:
        assert found in kind.reasons


def test_there_are_enough_bad_ones() -> None:
    assert len(BAD) >= 100


@pytest.mark.parametrize("kind", PATH_KINDS, ids=lambda k: k.name)
def test_good_certificates(kind: Kind) -> None:
    presented = kind.make(PKI)
    path = checked(presented)
    assert path.certificates[0].der == presented.leaf
    assert path.anchor.der == PKI.root.der
    assert registered_names(presented.leaf)


def test_refusals_tell_what_openssl_found() -> None:
    with pytest.raises(Refusal) as caught:
        checked(BAD["expired_intermediate"].make(PKI))
    facts = caught.value.facts
    assert facts["verify_error"] == 10
    assert facts["verify_message"] == "certificate has expired"
    assert facts["depth"] == 1
    assert facts["subject"] == "CN=Expired Intermediate,O=Test PKI"


# -- time ----------------------------------------------------------------------------------------------


def test_each_instant_is_judged_for_itself() -> None:
    """One validator, several instants: set_time on a store that has a time already does nothing."""
    presented = PKI.leaf()
    late, early = NOW + timedelta(days=31), NOW - timedelta(days=2)
    answers = [reason(presented, now=now) for now in (NOW, late, early, NOW)]
    assert answers == ["accepted", "certificate.expired", "certificate.not_yet_valid", "accepted"]


def test_instants_of_other_time_zones_are_the_same_instants() -> None:
    presented = PKI.leaf(valid=(NOW - timedelta(minutes=5), NOW + timedelta(minutes=5)))
    for hours in (-8, 0, 9):
        assert reason(presented, now=NOW.astimezone(timezone(timedelta(hours=hours)))) == "accepted"


def test_naive_instants_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="aware"):
        checked(PKI.leaf(), now=NOW.replace(tzinfo=None))


# -- anchors and intermediates -------------------------------------------------------------------------


def test_configured_intermediates_help() -> None:
    validator = PathValidator.from_groups([group(intermediates=[PKI.intermediate.der])], strict=True)
    path = checked(BAD["missing_intermediate"].make(PKI), validator)
    assert [own.der for own in path.certificates[1:]] == [PKI.intermediate.der, PKI.root.der]


def test_configured_intermediates_vouch_for_nothing() -> None:
    """With PARTIAL_CHAIN all that stands in the store is an anchor, so they must not get there."""
    other = PKI.ca("Elsewhere", None)
    validator = PathValidator.from_groups([group([other.der], [PKI.intermediate.der])], strict=True)
    assert reason(PKI.leaf(), validator) == "chain.untrusted"


def test_an_intermediate_can_be_the_anchor() -> None:
    validator = PathValidator.from_groups([group([PKI.intermediate.der])], strict=True)
    presented = PKI.leaf()
    assert checked(presented, validator).anchor.der == PKI.intermediate.der
    assert reason(PKI.leaf(PKI.root), validator) == "chain.untrusted"
    assert reason(PKI.leaf(PKI.ca("Sister", PKI.root)), validator) == "chain.untrusted"


def test_union_of_groups() -> None:
    other = PKI.ca("Other Root", None)
    validator = PathValidator.from_groups([group(), group([other.der], name="others")], strict=True)
    assert checked(PKI.leaf(), validator).anchor.der == PKI.root.der
    assert checked(PKI.leaf(other), validator).anchor.der == other.der


def test_no_anchor_no_path() -> None:
    """An empty group trusts nobody, and not what the system trusts."""
    assert reason(PKI.leaf(), PathValidator.from_groups([group([])], strict=True)) == "chain.untrusted"
    assert reason(PKI.leaf(), PathValidator.from_groups([], strict=True)) == "chain.untrusted"


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("key_identifiers", [True, False])
def test_two_anchors_with_one_name(order: int, key_identifiers: bool) -> None:
    """Both may vouch, in whatever order they are configured, and with or without key identifiers."""
    twin = PKI.ca("Root", None, "twin")
    validator = PathValidator.from_groups([group([PKI.root.der, twin.der][::order])], strict=key_identifiers)
    for authority in (PKI.root, twin):
        presented = PKI.leaf(authority, authority_key_identifier=key_identifiers)
        assert checked(presented, validator).anchor.der == authority.der


@pytest.mark.parametrize("order", [1, -1])
def test_two_anchors_with_one_name_refuse_for_the_right_reason(order: int) -> None:
    """Expired, not "signed by another key": the namesake's answer is not the one that counts."""
    twin = PKI.ca("Root", None, "twin")
    validator = PathValidator.from_groups([group([PKI.root.der, twin.der][::order])], strict=False)
    for authority in (PKI.root, twin):
        presented = PKI.leaf(authority, valid=PKI.valid(-9, -1), authority_key_identifier=False)
        assert reason(presented, validator) == "certificate.expired"
    impostor = BAD["same_name_without_key_ids"].make(PKI)
    assert reason(impostor, validator) == "chain.signature"


def test_expired_twin_does_not_stand_in_the_way() -> None:
    """A root that was renewed with its key: the old certificate is still configured."""
    old = PKI.ca("Root", None, "Root", valid=PKI.valid(-100, -1))
    for anchors in ([old.der, PKI.root.der], [PKI.root.der, old.der]):
        validator = PathValidator.from_groups([group(anchors)], strict=True)
        assert checked(PKI.leaf(), validator).anchor.der == PKI.root.der


def test_cross_signed_intermediate_that_leads_nowhere() -> None:
    """The client sends the intermediate as a stranger signed it; the one that helps is configured."""
    stranger = PKI.ca("Stranger", None)
    crossed = PKI.ca("Intermediate", stranger)
    presented = PKI.leaf(chain=(crossed.der,))
    assert reason(presented) == "chain.untrusted"
    validator = PathValidator.from_groups([group(intermediates=[PKI.intermediate.der])], strict=True)
    assert checked(presented, validator).anchor.der == PKI.root.der


def test_leaf_as_anchor_is_no_ca() -> None:
    """Somebody configured a client's certificate as trust anchor: it vouches for itself alone."""
    presented = PKI.leaf()
    validator = PathValidator.from_groups([group([presented.leaf])], strict=True)
    assert checked(presented, validator).certificates == (Certificate.from_der(presented.leaf),)
    assert reason(PKI.leaf(), validator) == "chain.untrusted"
    issued = BAD["leaf_as_ca"].make(PKI)
    validator = PathValidator.from_groups([group([issued.chain[0]])], strict=True)
    assert reason(issued, validator) == "chain.not_ca"


# -- strictness, strength, bounds ----------------------------------------------------------------------


def test_lenient_validator_takes_an_old_pki() -> None:
    lenient = PathValidator.from_groups([group()], strict=False)
    presented = BAD["authority_key_identifier_missing"].make(PKI)
    assert reason(presented) == "chain.strict"
    assert reason(presented, lenient) == "accepted"


LENIENT = PathValidator.from_groups([group()], strict=False)
STRICT_ONLY = {kind.name for kind in BAD.values() if "chain.strict" in kind.reasons}


@pytest.mark.parametrize("kind", [k for k in BAD.values() if k.name not in STRICT_ONLY], ids=lambda k: k.name)
def test_leniency_is_about_form_alone(kind: Kind) -> None:
    """Nothing but breaches of form gets through where strict checking is off."""
    presented = kind.make(PKI)
    found = reason(presented, LENIENT)
    assert found in kind.reasons or (found == "accepted" and not registered_names(presented.leaf))


def test_no_certificate_may_be_signed_weakly_but_the_anchor() -> None:
    """R46: the anchor is trusted for its key, not for its own signature."""
    weak = Authority(PKI.root.certificate, PKI.root.key)
    path = checked(PKI.leaf(weak))
    leaf, *middle, anchor = path.certificates
    check_path(Path((leaf, *middle, attrs.evolve(anchor, signature_hash="md5"))))
    for number in range(len(path.certificates) - 1):
        changed = list(path.certificates)
        changed[number] = attrs.evolve(changed[number], signature_hash="sha1")
        with pytest.raises(Refusal) as caught:
            check_path(Path(tuple(changed)))
        assert caught.value.reason.code == "chain.weak"


def test_anchor_with_a_short_key() -> None:
    """As in a handshake, where OpenSSL's security level looks at every key of the path."""
    path = checked(PKI.leaf())
    *below, anchor = path.certificates
    with pytest.raises(Refusal) as caught:
        check_path(Path((*below, attrs.evolve(anchor, key_type="RSA", key_bits=1024))))
    assert caught.value.reason.code == "chain.weak"


def test_longest_chain() -> None:
    presented = PKI.leaf()
    padding = [PKI.ca(f"Padding {number}", None, "level").der for number in range(MAX_CHAIN)]
    assert reason(attrs.evolve(presented, chain=(*presented.chain, *padding[:-1]))) == "accepted"
    assert reason(attrs.evolve(presented, chain=(*presented.chain, *padding))) == "chain.too_long"
    assert reason(attrs.evolve(presented, chain=(bytes(200_000),))) == "chain.too_long"


def test_openssl_error_queue_stays_empty() -> None:
    """What a refused path leaves there would end another connection at its next SSL_read."""
    for name in ("broken_signature", "same_name_and_key_id", "expired", "name_constraints_bomb"):
        reason(BAD[name].make(PKI))
        assert lib.ERR_peek_error() == 0


def test_leaf_issuer_is_not_taken_from_the_chain_alone() -> None:
    """A whole path in the chain is of no use to a leaf that does not belong to it."""
    honest = PKI.leaf(key=ec_key("victim"))
    stranger = PKI.self_signed("stranger")
    assert reason(attrs.evolve(stranger, chain=(honest.leaf, *honest.chain))) == "chain.untrusted"

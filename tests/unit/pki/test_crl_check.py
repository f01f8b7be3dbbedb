"""What lists say about certificates: most of these are good lists that must not be believed too far (R40)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cached_property

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.crl_check import CrlAnswer, check_crls
from mtlsd.pki.crl_issuer import RevocationList, read_list, signer_paths
from mtlsd.pki.crl_refused import CrlRefused
from mtlsd.pki.crl_scope import covered_reasons, is_vouched, point_keys
from mtlsd.pki.crl_table import CrlTable
from mtlsd.pki.distribution_points import ALL_REASONS, PointName
from mtlsd.pki.dn import DistinguishedName
from mtlsd.pki.path import AnchorGroup, Path, PathValidator
from tests.pki import NOW, Authority, Pki, ec_key
from tests.pki.crls import (
    SHA1_WITH_RSA,
    Crl,
    crl_of,
    directory_name,
    entry,
    extension,
    full_name,
    path_of,
    reasons,
    relative_name,
    scope,
    uri,
)
from tests.pki.maker import dn, ed25519_key, issue, key_usage, rsa_key

SERIAL = 4711
URL = "http://crl.example/ca.crl"
DAY = timedelta(days=1)
MOST = reasons(1, 2, 3, 4, 5, 6, 7, 8)


class World(Pki):
    """A PKI with a leaf of a known serial number."""

    @cached_property
    def leaf_path(self) -> Path:
        return self.path()

    def path(self, *points: x509.DistributionPoint, serial: int = SERIAL) -> Path:
        more = [(x509.CRLDistributionPoints(points), False)] if points else []
        leaf = self.leaf(serial=serial, more=more).leaf
        return path_of(leaf, self.intermediate.der, self.root.der)

    @cached_property
    def signers(self) -> list[Path]:
        return [path_of(self.root.der), path_of(self.intermediate.der, self.root.der)]

    def read(self, crl: Crl, name: str = "list", *more: Path, now: datetime = NOW) -> RevocationList:
        return read_list(crl.der(), [*self.signers, *more], now, name=name)

    def table(self, *crls: Crl, signers: tuple[Path, ...] = ()) -> CrlTable:
        return CrlTable.build(self.read(own, f"list {n}", *signers) for n, own in enumerate(crls, 1))

    def ask(self, *crls: Crl, path: Path | None = None, now: datetime = NOW) -> CrlAnswer:
        return check_crls(path or self.leaf_path, 0, self.table(*crls), now)

    def crl(self, *entries: bytes, **how: object) -> Crl:
        """A list of the CA that issued the leaf."""
        return crl_of(self.intermediate, *entries, **how)


PKI = World()


def point(
    *names: x509.GeneralName, issuer: x509.Name | None = None, some: frozenset[x509.ReasonFlags] | None = None
) -> x509.DistributionPoint:
    return x509.DistributionPoint(
        list(names) or None, None, some, None if issuer is None else [x509.DirectoryName(issuer)]
    )


AT_URL = point(x509.UniformResourceIdentifier(URL))


def told(answer: CrlAnswer) -> str:
    return answer.why or answer.status


def test_good_and_revoked() -> None:
    good = PKI.ask(PKI.crl(entry(1)))
    assert (good.status, good.why, good.lists) == ("good", None, ("list 1",))
    assert (good.this_update, good.next_update) == (NOW - DAY, NOW + 6 * DAY)
    revoked = PKI.ask(PKI.crl(entry(SERIAL, 1)))
    assert (revoked.status, revoked.reason, revoked.revoked_at) == ("revoked", "keyCompromise", NOW - 3 * DAY)
    assert revoked.facts() == {
        "crl": ["list 1"],
        "reason": "keyCompromise",
        "revoked_at": "2026-11-18T12:00:00+00:00",
        "thisUpdate": "2026-11-20T12:00:00+00:00",
        "nextUpdate": "2026-11-27T12:00:00+00:00",
    }


def test_answer_in_the_common_form() -> None:
    found = PKI.ask(PKI.crl(entry(SERIAL))).answer()
    assert found is not None
    assert (found.status, found.source, found.reason) == ("revoked", "crl list 1", "unspecified")
    assert PKI.ask().answer() is None


def test_intermediate_is_looked_up_in_its_own_issuers_list() -> None:
    """P25."""
    intermediate = PKI.leaf_path.certificates[1]
    table = PKI.table(crl_of(PKI.root, entry(intermediate.serial_number, 2)), PKI.crl())
    assert check_crls(PKI.leaf_path, 0, table, NOW).status == "good"
    assert check_crls(PKI.leaf_path, 1, table, NOW).reason == "cACompromise"


def test_time_goes_by() -> None:
    """A list that was good when it was read is not so for ever."""
    table = PKI.table(PKI.crl(entry(SERIAL)))
    assert told(check_crls(PKI.leaf_path, 0, table, NOW + 6 * DAY)) == "revoked"
    late = NOW + 6 * DAY + timedelta(seconds=1)
    assert told(check_crls(PKI.leaf_path, 0, table, late)) == "crl.expired"
    assert told(check_crls(PKI.leaf_path, 0, table, late, grace=DAY)) == "revoked"
    assert told(check_crls(PKI.leaf_path, 0, table, NOW - 2 * DAY)) == "crl.not_yet_valid"


SCOPES: dict[str, tuple[str, Crl]] = {
    "no list": ("crl.none", crl_of(PKI.root)),
    "users only": ("good", PKI.crl(more=[scope(only=1)])),
    "CAs only": ("crl.scope", PKI.crl(more=[scope(only=2)])),
    "attribute certificates only": ("crl.scope", PKI.crl(more=[scope(only=5)])),
    "some reasons": ("crl.reasons", PKI.crl(more=[scope(some=reasons(1, 2))])),
    "some reasons, revoked": ("revoked", PKI.crl(entry(SERIAL), more=[scope(some=reasons(1, 2))])),
    "all reasons": ("good", PKI.crl(more=[scope(some=MOST)])),
    "no reason": ("crl.scope", PKI.crl(entry(SERIAL), more=[scope(some=reasons(0))])),
    "another place": ("crl.scope", PKI.crl(more=[scope(name=full_name(uri("http://crl.example/b")))])),
    "this place": ("good", PKI.crl(more=[scope(name=full_name(uri("http://x"), uri(URL)))])),
    "a relative place": ("crl.scope", PKI.crl(more=[scope(name=relative_name("list"))])),
    "a delta alone": ("crl.none", PKI.crl(base=3)),
    "indirect but of the issuer": ("good", PKI.crl(more=[scope(indirect=True)])),
}


@pytest.mark.parametrize("name", SCOPES)
def test_scope(name: str) -> None:
    expected, crl = SCOPES[name]
    assert told(PKI.ask(crl, path=PKI.path(AT_URL))) == expected


def test_kinds_the_other_way_round() -> None:
    """A list for users says nothing of a CA."""
    for only, expected in ((1, "crl.scope"), (2, "good")):
        table = PKI.table(crl_of(PKI.root, more=[scope(only=only)]))
        assert told(check_crls(PKI.leaf_path, 1, table, NOW)) == expected


def test_reasons_from_two_lists() -> None:
    """RFC 5280 §6.3.3: together they must cover all; either may revoke."""
    some, rest = scope(some=reasons(1, 2)), scope(some=reasons(3, 4, 5, 6, 7, 8))
    both = PKI.ask(PKI.crl(more=[some]), PKI.crl(more=[rest], next_update=NOW + DAY))
    assert (both.status, both.lists, both.next_update) == ("good", ("list 1", "list 2"), NOW + DAY)
    assert PKI.ask(PKI.crl(more=[some]), PKI.crl(entry(SERIAL), more=[rest])).status == "revoked"


def test_reasons_of_a_certificate() -> None:
    """What its distribution point does not cover, the issuer's plain list may."""
    flags = frozenset({x509.ReasonFlags.key_compromise})
    path = PKI.path(point(x509.UniformResourceIdentifier(URL), some=flags))
    partial = PKI.crl(more=[scope(name=full_name(uri(URL)))])
    assert told(PKI.ask(partial, path=path)) == "crl.reasons"
    assert told(PKI.ask(partial, PKI.crl(), path=path)) == "good"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (relative_name("list"), "good"),
        (relative_name("LIST"), "good"),
        (relative_name("other"), "crl.scope"),
    ],
)
def test_relative_names(place: bytes, expected: str) -> None:
    """They continue the issuer's name, and compare as names."""
    level = x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, "list")])
    path = PKI.path(x509.DistributionPoint(None, level, None, None))
    assert told(PKI.ask(PKI.crl(more=[scope(name=place)]), path=path)) == expected


def test_certificate_without_distribution_point_has_its_issuers_name() -> None:
    ours = full_name(directory_name(PKI.intermediate.certificate.subject))
    assert told(PKI.ask(PKI.crl(more=[scope(name=ours)]))) == "good"
    assert told(PKI.ask(PKI.crl(more=[scope(name=full_name(uri(URL)))]))) == "crl.scope"


def delta(*entries: bytes, **how: object) -> Crl:
    return PKI.crl(*entries, **{"base": 5, "number": 6, **how})


@pytest.mark.parametrize(
    ("complete", "newer", "expected"),
    [
        (PKI.crl(), delta(entry(SERIAL)), "revoked"),
        (PKI.crl(entry(SERIAL, 6)), delta(entry(SERIAL, 8)), "good"),
        (PKI.crl(entry(SERIAL, 1)), delta(entry(SERIAL, 8)), "revoked"),
        (PKI.crl(entry(SERIAL, 6)), delta(entry(SERIAL, 1)), "revoked"),
        (PKI.crl(entry(SERIAL, 6)), delta(), "revoked"),
        # deltas that belong to another list are not looked at
        (PKI.crl(), delta(entry(SERIAL), base=6, number=7), "good"),
        (PKI.crl(), delta(entry(SERIAL), number=5), "good"),
        (PKI.crl(number=None), delta(entry(SERIAL)), "good"),
        (PKI.crl(), delta(entry(SERIAL), more=[extension("authority_key", b"\x30\x00")]), "good"),
        (PKI.crl(), delta(entry(SERIAL), more=[scope(only=1)]), "good"),
        (PKI.crl(entry(SERIAL, 6)), crl_of(PKI.root, entry(SERIAL, 8), base=5, number=6), "revoked"),
    ],
)
def test_deltas(complete: Crl, newer: Crl, expected: str) -> None:
    """RFC 5280 §5.2.4; a delta can lift a hold, and nothing else."""
    assert told(PKI.ask(complete, newer)) == expected


def test_delta_that_ran_out() -> None:
    """The complete list counts without it, for as long as that is current."""
    crls = PKI.crl(), delta(entry(SERIAL), next_update=NOW + DAY)
    assert told(PKI.ask(*crls, now=NOW + DAY)) == "revoked"
    assert told(PKI.ask(*crls, now=NOW + 2 * DAY)) == "good"


def test_delta_of_another_key() -> None:
    renewed = PKI.ca("Intermediate", PKI.root, role="renewed")
    newer = crl_of(renewed, entry(SERIAL), base=5, number=6)
    table = PKI.table(PKI.crl(), newer, signers=(path_of(renewed.der, PKI.root.der),))
    assert told(check_crls(PKI.leaf_path, 0, table, NOW)) == "good"


def test_answer_rests_on_list_and_delta() -> None:
    found = PKI.ask(PKI.crl(), delta(next_update=NOW + DAY))
    assert (found.lists, found.next_update) == (("list 1", "list 2"), NOW + DAY)


def indirect_ca() -> tuple[Authority, Path]:
    other = PKI.ca("List Issuer", PKI.root)
    return other, path_of(other.der, PKI.root.der)


@pytest.mark.parametrize(
    ("indirect", "named", "whose", "expected"),
    [
        (True, True, "Intermediate", "revoked"),
        (True, True, "Other", "good"),
        (False, True, None, "crl.scope"),
        (True, False, "Intermediate", "crl.none"),
    ],
)
def test_indirect_lists(indirect: bool, named: bool, whose: str | None, expected: str) -> None:
    """Another CA's list counts where the certificate names it, by the entries of the certificate's issuer."""
    other, signer = indirect_ca()
    issuer = None if whose is None else directory_name(dn(O="Test PKI", CN=whose))
    crl = crl_of(other, entry(1), entry(SERIAL, issuer=issuer), more=[scope(indirect=indirect)])
    path = PKI.path(point(issuer=other.certificate.subject)) if named else PKI.leaf_path
    table = PKI.table(crl, crl_of(PKI.root), signers=(signer,))
    assert told(check_crls(path, 0, table, NOW)) == expected


def test_what_a_list_is_about_does_not_depend_on_the_table() -> None:
    certificate = PKI.path(AT_URL).certificates[0]
    (ours,) = certificate.crl_distribution_points
    here, there = (scope(name=full_name(uri(place))) for place in (URL, "http://crl.example/b"))
    assert covered_reasons(PKI.read(PKI.crl(more=[here])).described, certificate, ours) == ALL_REASONS
    assert covered_reasons(PKI.read(PKI.crl(more=[there])).described, certificate, ours) == frozenset()
    assert covered_reasons(PKI.read(crl_of(PKI.root)).described, certificate, ours) == frozenset()


def test_whom_the_leafs_own_path_vouches_for() -> None:
    """One key under its own name, where the certificate of the path does not forbid it to sign lists."""
    issuer = Path(PKI.leaf_path.certificates[1:])
    assert is_vouched(issuer.certificates[0], issuer)
    renamed = PKI.ca("Another name", PKI.root, role="Intermediate")
    assert not is_vouched(Certificate.from_der(renamed.der), issuer)
    assert not is_vouched(Certificate.from_der(PKI.ca("Intermediate", PKI.root, role="x").der), issuer)
    assert not is_vouched(issuer.certificates[0], signer_with(usage=key_usage("key_cert_sign")))


def test_relative_name_below_several_issuers_is_none() -> None:
    """RFC 5280 §4.2.1.13."""
    (name,) = PKI.path(AT_URL).certificates[0].crl_distribution_points
    level = DistinguishedName.from_string("CN=list").rdns[0]
    certificate = PKI.leaf_path.certificates[0]
    for issuers, count in (
        ((), 1),
        ((certificate.issuer,), 1),
        ((certificate.issuer, certificate.subject), 0),
    ):
        own = attrs.evolve(name, name=PointName(relative=level), crl_issuer=issuers)
        assert len(point_keys(certificate, own)) == count


def test_signer_of_an_indirect_list_is_checked_too() -> None:
    other, signer = indirect_ca()
    path = PKI.path(point(issuer=other.certificate.subject))
    crl = crl_of(other, more=[scope(indirect=True)])
    for lists, expected in (
        ([crl], "crl.signer_unknown"),
        ([crl, crl_of(PKI.root, entry(other.certificate.serial_number))], "crl.signer_revoked"),
        ([crl, crl_of(PKI.root)], "good"),
    ):
        table = PKI.table(*lists, signers=(signer,))
        assert told(check_crls(path, 0, table, NOW)) == expected


def test_signer_does_not_vouch_for_itself() -> None:
    """A self-issued key for lists that only its own list covers."""
    key = ec_key("list key")
    own = issue(
        PKI.intermediate.certificate.subject,
        key,
        PKI.intermediate,
        valid=PKI.valid(),
        extensions=[(key_usage("crl_sign"), True)],
    )
    signer = path_of(own.public_bytes(Encoding.DER), *PKI.intermediate.chain, PKI.root.der)
    crl = attrs.evolve(PKI.crl(), key=key)
    table = PKI.table(crl, signers=(signer,))
    assert told(check_crls(PKI.leaf_path, 0, table, NOW)) == "crl.signer_unknown"
    # The key of the CA itself may say that the other key is good.
    both = CrlTable.build([*table.lists, PKI.read(PKI.crl())])
    assert told(check_crls(PKI.leaf_path, 0, both, NOW)) == "good"


def test_another_authority_of_the_same_name() -> None:
    """It has the issuer's name and hangs below the same anchor, but nobody above the leaf made it."""
    evil = PKI.ca("Evil", PKI.root)
    twin = PKI.ca("Intermediate", evil, role="twin")
    signer = path_of(twin.der, evil.der, PKI.root.der)
    table = PKI.table(
        crl_of(twin), crl_of(PKI.root), crl_of(evil), signers=(signer, path_of(evil.der, PKI.root.der))
    )
    assert told(check_crls(PKI.leaf_path, 0, table, NOW)) == "crl.issuer"


def test_sibling_of_a_ca_further_up_is_not_the_issuer() -> None:
    """The root issued a CA of the issuer's name, but the issuer is another CA's."""
    lower = PKI.ca("Lower", PKI.intermediate)
    twin = PKI.ca("Lower", PKI.root, role="twin")
    path = path_of(PKI.leaf(lower, serial=SERIAL).leaf, lower.der, PKI.intermediate.der, PKI.root.der)
    table = PKI.table(crl_of(twin), crl_of(PKI.root), signers=(path_of(twin.der, PKI.root.der),))
    assert told(check_crls(path, 0, table, NOW)) == "crl.issuer"


def test_another_anchor() -> None:
    """The same name does not help, the same key does: the leaf's own path vouches for it."""
    root = PKI.ca("Root", None, role="other root")
    for role, expected in (("other", "crl.anchor"), ("Intermediate", "good")):
        twin = PKI.ca("Intermediate", root, role=role)
        signer = path_of(twin.der, root.der)
        table = CrlTable.build([read_list(crl_of(twin).der(), [signer], NOW, name="list")])
        assert told(check_crls(PKI.leaf_path, 0, table, NOW)) == expected


def refused(crl: Crl, *signers: Path) -> str:
    try:
        read_list(crl.der(), signers or PKI.signers, NOW, name="list")
    except CrlRefused as refusal:
        return refusal.why
    return "read"


def signer_with(**how: object) -> Path:
    """Another certificate of the intermediate's name and key."""
    made = PKI.ca("Intermediate", PKI.root, role="Intermediate", **how)
    return path_of(made.der, PKI.root.der)


def test_signatures() -> None:
    """R46 too."""
    assert refused(PKI.crl(), PKI.signers[1]) == "read"
    assert refused(attrs.evolve(PKI.crl(), key=ec_key("somebody"))) == "crl.signature"
    assert refused(PKI.crl(), path_of(PKI.root.der)) == "crl.issuer"
    assert refused(PKI.crl(algorithm=bytes.fromhex("300506032a0304"))) == "crl.algorithm"
    rsa = PKI.ca("RSA", PKI.root, key=rsa_key("list"))
    path = path_of(rsa.der, PKI.root.der)
    assert refused(crl_of(rsa), path) == "read"
    assert refused(crl_of(rsa, algorithm=SHA1_WITH_RSA), path) == "crl.algorithm"
    edwards = PKI.ca("Edwards", PKI.root, key=ed25519_key("list"))
    assert refused(crl_of(edwards), path_of(edwards.der, PKI.root.der)) == "read"
    assert refused(attrs.evolve(crl_of(edwards), key=ec_key("x"))) == "crl.issuer"


@pytest.mark.parametrize(
    ("signer", "expected"),
    [
        (signer_with(), "read"),
        (signer_with(usage=key_usage("key_cert_sign")), "crl.issuer"),
        (signer_with(usage=key_usage("crl_sign"), ca=False), "read"),
        (signer_with(valid=PKI.valid(-30, -1)), "crl.issuer"),
        (signer_with(valid=PKI.valid(1, 30)), "crl.issuer"),
    ],
    ids=["CA", "no cRLSign", "cRLSign alone", "expired", "not yet valid"],
)
def test_who_may_sign(signer: Path, expected: str) -> None:
    assert refused(PKI.crl(), signer) == expected


def test_signature_with_pss() -> None:
    """As cryptography's own builder makes it."""
    own = PKI.ca("RSA", PKI.root, key=rsa_key("list"))
    builder = x509.CertificateRevocationListBuilder(own.certificate.subject, NOW - DAY, NOW + DAY)
    for length in (32, 20):
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), length)
        crl = builder.sign(rsa_key("list"), hashes.SHA256(), rsa_padding=pss)
        data = crl.public_bytes(Encoding.DER)
        found = read_list(data, [path_of(own.der, PKI.root.der)], NOW, name="list")
        assert found.index.count == 0
        forged = data[:-1] + bytes((data[-1] ^ 1,))
        with pytest.raises(CrlRefused, match="signature"):
            read_list(forged, [path_of(own.der, PKI.root.der)], NOW, name="list")


def test_leaf_of_the_cas_name_without_key_usage() -> None:
    """What any CA below the anchor can issue must not be able to sign lists."""
    key = ec_key("twin leaf")
    made = issue(PKI.intermediate.certificate.subject, key, PKI.root, valid=PKI.valid())
    signer = path_of(made.public_bytes(Encoding.DER), PKI.root.der)
    assert refused(attrs.evolve(PKI.crl(), key=key), signer) == "crl.issuer"


def test_anchor_without_extensions_may_sign() -> None:
    """The roots of old, with neither key usage nor basic constraints."""
    key = ec_key("old root")
    made = issue(dn(CN="Old Root"), key, None, valid=PKI.valid())
    crl = Crl(issuer=made.subject, key=key)
    assert refused(crl, path_of(made.public_bytes(Encoding.DER))) == "read"


def test_everybody_that_may_sign() -> None:
    anchor, intermediate = (Certificate.from_der(own.der) for own in (PKI.root, PKI.intermediate))
    stranger = Certificate.from_der(PKI.ca("Intermediate", None, role="stranger").der)
    group = AnchorGroup("group", (anchor,), (intermediate, stranger))
    validator = PathValidator.from_groups([group], strict=True)
    assert signer_paths(validator, NOW) == (Path((anchor,)), Path((intermediate, anchor)))
    alone = PathValidator.from_groups([AnchorGroup("group", (anchor,))], strict=True)
    assert signer_paths(alone, NOW) == (Path((anchor,)),)
    assert signer_paths(alone, NOW, [PKI.leaf_path]) == (Path((anchor,)), Path((intermediate, anchor)))


def test_authority_key_identifier() -> None:
    own = x509.SubjectKeyIdentifier.from_public_key(ec_key("Intermediate").public_key())
    ours = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)
    issuer = [x509.DirectoryName(PKI.root.certificate.subject)]
    serial = PKI.intermediate.certificate.serial_number
    for identifier, expected in (
        (ours, "read"),
        (x509.AuthorityKeyIdentifier(b"other", None, None), "crl.issuer"),
        (x509.AuthorityKeyIdentifier(None, issuer, serial), "read"),
        (x509.AuthorityKeyIdentifier(None, issuer, serial + 1), "crl.issuer"),
        (x509.AuthorityKeyIdentifier(None, [x509.DirectoryName(dn(CN="x"))], serial), "crl.issuer"),
    ):
        crl = PKI.crl(more=[extension("authority_key", identifier.public_bytes())])
        assert refused(crl) == expected


def test_signer_that_expires_takes_its_list_along() -> None:
    """The path held when the list was read, and no longer holds when it is asked."""
    other = PKI.ca("Intermediate", PKI.root, role="key for lists", valid=PKI.valid(-30, 2))
    table = PKI.table(crl_of(other), crl_of(PKI.root), signers=(path_of(other.der, PKI.root.der),))
    assert told(check_crls(PKI.leaf_path, 0, table, NOW + DAY)) == "good"
    assert told(check_crls(PKI.leaf_path, 0, table, NOW + 3 * DAY)) == "crl.issuer"


def test_table_keeps_the_newest() -> None:
    """Whatever the order, and a list of another scope beside it."""
    old, new = PKI.crl(number=5), PKI.crl(entry(SERIAL), number=6)
    other = PKI.crl(more=[scope(only=1)])
    for crls in ((old, new, other), (new, old, other), (other, new, old)):
        table = PKI.table(*crls)
        assert len(table.lists) == 2
        assert check_crls(PKI.leaf_path, 0, table, NOW).status == "revoked"


def test_other_key_does_not_stand_in_for_a_list_that_ran_out() -> None:
    """A CA that gives each of its keys a list of its own, as Active Directory's do after a renewal."""
    renewed = PKI.ca("Intermediate", PKI.root, role="renewed")
    signer = path_of(renewed.der, PKI.root.der)
    new, old = crl_of(renewed), PKI.crl(entry(SERIAL), next_update=NOW + DAY)
    alone = PKI.table(new, crl_of(PKI.root), signers=(signer,))
    assert told(check_crls(PKI.leaf_path, 0, alone, NOW)) == "good"
    table = PKI.table(new, old, crl_of(PKI.root), signers=(signer,))
    assert told(check_crls(PKI.leaf_path, 0, table, NOW)) == "revoked"
    assert told(check_crls(PKI.leaf_path, 0, table, NOW + 2 * DAY)) == "crl.expired"


def test_piece_of_many() -> None:
    """Only the piece that the certificate names is about it, however many there are."""
    pieces = [PKI.crl(more=[scope(name=full_name(uri(f"http://crl.example/{n}")))]) for n in range(30)]
    table = PKI.table(*pieces, PKI.crl(entry(SERIAL), more=[scope(name=full_name(uri(URL)))]))
    path = PKI.path(AT_URL)
    certificate = path.certificates[0]
    assert len(table.lists_for(certificate, certificate.crl_distribution_points[0])) == 1
    assert check_crls(path, 0, table, NOW).lists == ("list 31",)
    assert told(check_crls(PKI.leaf_path, 0, table, NOW)) == "crl.scope"


def test_any_of_several_lists_may_revoke() -> None:
    table = PKI.table(PKI.crl(), PKI.crl(entry(SERIAL), more=[scope(only=1)]))
    assert check_crls(PKI.leaf_path, 0, table, NOW).lists == ("list 2",)


def test_another_certificate_of_the_same_authority() -> None:
    found = PKI.ask(PKI.crl(entry(SERIAL)), path=PKI.path(serial=SERIAL + 1))
    assert found.status == "good"

"""Certificates that must be accepted: each kind of key, each kind of name, and what is odd but right."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.der import BMP_STRING, PRINTABLE_STRING, T61_STRING, UTF8_STRING, integer, name
from tests.pki.bad_encodings import changed
from tests.pki.bad_names import raw_sans, with_subject
from tests.pki.kinds import Kinds
from tests.pki.maker import DNS, EMAIL, Pki, Presented, all_names, dn, ed25519_key, rsa_key

GOOD = Kinds()
_C, _O, _CN = "2.5.4.6", "2.5.4.10", "2.5.4.3"


# -- keys ----------------------------------------------------------------------------------------------


@GOOD.add()
def ec_p256(pki: Pki) -> Presented:
    """The ordinary one."""
    return pki.leaf()


@GOOD.add()
def ec_p384(pki: Pki) -> Presented:
    """A key on P-384."""
    return pki.leaf(key=ec.generate_private_key(ec.SECP384R1()))


@GOOD.add()
def rsa_2048(pki: Pki) -> Presented:
    """RSA of 2048 bits."""
    return pki.leaf(key=rsa_key("leaf"))


@GOOD.add()
def ed25519(pki: Pki) -> Presented:
    """Ed25519."""
    return pki.leaf(key=ed25519_key("leaf"))


@GOOD.add()
def straight_from_the_anchor(pki: Pki) -> Presented:
    """Issued by the anchor itself."""
    return pki.leaf(pki.root)


@GOOD.add()
def two_intermediates(pki: Pki) -> Presented:
    """Two CAs below the anchor, sent in the wrong order."""
    good = pki.leaf(pki.ca("Second Intermediate", pki.intermediate))
    return attrs.evolve(good, chain=good.chain[::-1])


@GOOD.add()
def root_sent_along(pki: Pki) -> Presented:
    """The chain with the anchor at its end."""
    good = pki.leaf()
    return attrs.evolve(good, chain=(*good.chain, pki.root.der))


@GOOD.add()
def no_extended_key_usage(pki: Pki) -> Presented:
    """No extended key usage: for every purpose."""
    return pki.leaf(purposes=None)


# -- one kind of name each -----------------------------------------------------------------------------


@GOOD.add()
def subject_dn(pki: Pki) -> Presented:
    """The registered subject, and no other name."""
    return pki.leaf(names=None)


def _one_name(index: int) -> None:
    kind = ("dns", "uri", "ip", "email")[index]

    def make(pki: Pki) -> Presented:
        return pki.leaf(subject=dn(CN=f"by {kind}"), names=[all_names()[index]])

    make.__name__, make.__doc__ = f"san_{kind}", f"The registered {kind} name, and no other one."
    GOOD.add()(make)


for _index in range(4):
    _one_name(_index)


# -- odd but right -------------------------------------------------------------------------------------


def _subject(
    pki: Pki, country: bytes, organisation: tuple[int, bytes], common: tuple[int, bytes]
) -> Presented:
    levels = ((_C, PRINTABLE_STRING, country),), ((_O, *organisation),), ((_CN, *common),)
    return with_subject(pki, name(*levels))


@GOOD.add()
def subject_in_bmp_string(pki: Pki) -> Presented:
    """The registered subject as BMPStrings."""
    partner, billing = "Partner".encode("utf-16-be"), "billing".encode("utf-16-be")
    return _subject(pki, b"DE", (BMP_STRING, partner), (BMP_STRING, billing))


@GOOD.add()
def subject_in_printable_string(pki: Pki) -> Presented:
    """The registered subject as PrintableStrings."""
    return _subject(pki, b"DE", (PRINTABLE_STRING, b"Partner"), (PRINTABLE_STRING, b"billing"))


@GOOD.add()
def subject_in_t61_string(pki: Pki) -> Presented:
    """The registered subject as TeletexStrings of ASCII."""
    return _subject(pki, b"DE", (T61_STRING, b"Partner"), (T61_STRING, b"billing"))


@GOOD.add()
def subject_in_other_case_and_spacing(pki: Pki) -> Presented:
    """The registered subject, equal by RFC 4518."""
    return _subject(pki, b"de", (UTF8_STRING, b"  PARTNER "), (UTF8_STRING, b"Billing"))


@GOOD.add()
def dns_san_in_upper_case(pki: Pki) -> Presented:
    """A host's case does not matter."""
    return pki.leaf(subject=dn(CN="loud"), names=raw_sans((0x82, DNS.upper().encode())))


@GOOD.add()
def email_domain_in_upper_case(pki: Pki) -> Presented:
    """Nor does it behind the @."""
    local, _, domain = EMAIL.partition("@")
    return pki.leaf(subject=dn(CN="loud"), names=raw_sans((0x81, f"{local}@{domain.upper()}".encode())))


@GOOD.add()
def uri_host_in_upper_case(pki: Pki) -> Presented:
    """Nor in a URI's scheme and host."""
    uri = b"SPIFFE://PARTNER.example/billing"
    return pki.leaf(subject=dn(CN="loud"), names=raw_sans((0x86, uri)))


@GOOD.add()
def empty_subject_with_san(pki: Pki) -> Presented:
    """No subject, and the registered host in a critical subjectAltName."""
    return pki.leaf(subject=x509.Name([]), names=[x509.DNSName(DNS)], san_critical=True)


@GOOD.add()
def registered_among_others(pki: Pki) -> Presented:
    """The registered host in the middle of other names."""
    hosts = ("a.example", DNS, "b.example", DNS)
    return pki.leaf(subject=dn(CN="many"), names=[x509.DNSName(host) for host in hosts])


@GOOD.add()
def without_end(pki: Pki) -> Presented:
    """notAfter 99991231235959Z: no well-defined end (RFC 5280 section 4.1.2.5)."""
    end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    return pki.leaf(valid=(pki.valid()[0], end))


@GOOD.add()
def version_1(pki: Pki) -> Presented:
    """X.509 v1, which has no extensions: good enough for a leaf that is registered by its subject."""
    return changed(pki, lambda tbs: attrs.evolve(tbs, version=b"", extensions=()))


@GOOD.add()
def empty_subject_san_not_critical(pki: Pki) -> Presented:
    """Without a subject the subjectAltName should be critical."""
    return pki.leaf(subject=x509.Name([]))


@GOOD.add()
def zero_serial(pki: Pki) -> Presented:
    """A serial number of zero: against RFC 5280, and widespread."""
    return changed(pki, lambda tbs: attrs.evolve(tbs, serial=integer(0)))


@GOOD.add()
def serial_of_40_octets(pki: Pki) -> Presented:
    """Twice as long as RFC 5280 allows, which harms nobody."""
    return changed(pki, lambda tbs: attrs.evolve(tbs, serial=integer(2**318 + 1)))


@GOOD.add()
def within_name_constraints(pki: Pki) -> Presented:
    """Its CA's name constraints permit all of its names."""
    permitted: list[x509.GeneralName] = [
        x509.DNSName("partner.example"),
        x509.DirectoryName(dn(C="DE", O="Partner")),
    ]
    more = [(x509.NameConstraints(permitted, None), True)]
    return pki.leaf(pki.ca("Constrained CA", pki.root, more=more), names=[x509.DNSName(DNS)])


@GOOD.add()
def within_path_length(pki: Pki) -> Presented:
    """As many CAs as a CA above them allows."""
    return pki.leaf(pki.ca("Last", pki.ca("pathLen 1", pki.root, path_length=1), path_length=0))


@GOOD.add()
def unknown_extension(pki: Pki) -> Presented:
    """An unknown extension that is not critical."""
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")
    return pki.leaf(more=[(unknown, False)])


@GOOD.add()
def pinned(pki: Pki) -> Presented:
    """Self-signed, and registered itself."""
    return pki.pinned

"""Certificates with a good path and names that look like the honest client's, but are not."""

from __future__ import annotations

from ipaddress import ip_address

import attrs
from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from tests.der import BMP_STRING, IA5_STRING, PRINTABLE_STRING, UTF8_STRING, Tbs, name, sequence, tlv
from tests.pki.kinds import Kinds
from tests.pki.maker import DNS, EMAIL, IP, URI, Pki, Presented, dn, ec_key, victim

NAMES = Kinds()
_C, _O, _CN = "2.5.4.6", "2.5.4.10", "2.5.4.3"
_EMAIL, _DNS, _URI, _IP = 0x81, 0x82, 0x86, 0x87


def raw_sans(*names: tuple[int, bytes]) -> x509.UnrecognizedExtension:
    """A subjectAltName of these tags and contents, as they are."""
    value = sequence(*(tlv(tag, content) for tag, content in names))
    return x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, value)


def with_san(pki: Pki, tag: int, content: bytes) -> Presented:
    return pki.leaf(subject=dn(CN="odd"), names=raw_sans((tag, content)))


def with_subject(pki: Pki, subject: bytes) -> Presented:
    """The honest client's certificate, but for that subject (DER) and without other names."""
    good = pki.leaf(names=None)
    changed = attrs.evolve(Tbs.of(good.leaf), subject=subject)
    return Presented(changed.signed(pki.intermediate.key), good.key, good.chain)


def _victim(common_name: bytes, tag: int = UTF8_STRING) -> bytes:
    return name(
        ((_C, PRINTABLE_STRING, b"DE"),), ((_O, UTF8_STRING, b"Partner"),), ((_CN, tag, common_name),)
    )


# -- subjects ------------------------------------------------------------------------------------------


@NAMES.add("subject.unknown")
def nul_in_cn(pki: Pki) -> Presented:
    """What a C program would read as the honest name."""
    return with_subject(pki, _victim(b"billing\0.evil"))


@NAMES.add("subject.unknown")
def cn_is_a_registered_host(pki: Pki) -> Presented:
    """The registered DNS name, in the common name alone."""
    return pki.leaf(subject=dn(CN=DNS), names=None)


@NAMES.add("subject.unknown")
def several_cns(pki: Pki) -> Presented:
    """The honest name and another one."""
    return pki.leaf(subject=x509.Name([*victim(), *dn(CN="mallory")]), names=None)


@NAMES.add("subject.unknown")
def other_cn_first(pki: Pki) -> Presented:
    """Another name and then the honest one."""
    attributes = [*dn(C="DE", O="Partner", CN="mallory"), *dn(CN="billing")]
    return pki.leaf(subject=x509.Name(attributes), names=None)


@NAMES.add("subject.unknown")
def multi_valued_rdn(pki: Pki) -> Presented:
    """The honest name's attributes, two of them on one level."""
    levels = ((_C, PRINTABLE_STRING, b"DE"),), ((_O, UTF8_STRING, b"Partner"), (_CN, UTF8_STRING, b"billing"))
    return with_subject(pki, name(*levels))


@NAMES.add("subject.unknown")
def reordered_rdns(pki: Pki) -> Presented:
    """The honest name from back to front."""
    return pki.leaf(subject=dn(CN="billing", O="Partner", C="DE"), names=None)


@NAMES.add("subject.unknown")
def empty_subject(pki: Pki) -> Presented:
    """No subject at all, and a name of nobody."""
    return pki.leaf(subject=x509.Name([]), names=[x509.DNSName("nobody.example")], san_critical=True)


@NAMES.add("subject.unknown")
def whole_name_in_one_value(pki: Pki) -> Presented:
    """The honest name as text, in a single common name."""
    return pki.leaf(subject=dn(CN="billing,O=Partner,C=DE"), names=None)


@NAMES.add("subject.unknown")
def separators_in_one_value(pki: Pki) -> Presented:
    """The honest name as openssl would print it, in a single organisation."""
    return pki.leaf(subject=dn(C="DE", O="Partner/CN=billing"), names=None)


@NAMES.add("subject.unknown")
def one_level_missing(pki: Pki) -> Presented:
    """The honest name without its country."""
    return pki.leaf(subject=dn(O="Partner", CN="billing"), names=None)


@NAMES.add("subject.unknown")
def one_level_more(pki: Pki) -> Presented:
    """The honest name below another organisation."""
    return pki.leaf(
        subject=x509.Name([*dn(C="DE", O="Evil", OU="x"), *dn(O="Partner", CN="billing")]), names=None
    )


@NAMES.add("subject.unknown")
def other_attribute_type(pki: Pki) -> Presented:
    """The honest values, with an organisational unit instead of an organisation."""
    return pki.leaf(subject=dn(C="DE", OU="Partner", CN="billing"), names=None)


@NAMES.add("subject.unknown")
def look_alike_letter(pki: Pki) -> Presented:
    """A Cyrillic i in the honest name."""
    return pki.leaf(
        subject=dn(C="DE", O="Partner", CN="b\N{CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I}lling"),
        names=None,
    )


@NAMES.add("subject.unknown")
def line_break_in_subject(pki: Pki) -> Presented:
    """Would forge a line of a log that prints it as it is."""
    forged = '\r\n{"event":"token.issued","client_id":"billing"}\r\n'
    return pki.leaf(subject=dn(CN=forged), names=None)


@NAMES.add("subject.unknown")
def escapes_in_subject(pki: Pki) -> Presented:
    """Would paint an operator's terminal."""
    return pki.leaf(subject=dn(CN="\x1b[2J\x1b[31mbilling\x1b[0m\x07"), names=None)


@NAMES.add("subject.unknown")
def bidi_in_subject(pki: Pki) -> Presented:
    """Right-to-left override: shows as something else than it is."""
    return pki.leaf(subject=dn(C="DE", O="Partner", CN="\N{RIGHT-TO-LEFT OVERRIDE}gnillib"), names=None)


@NAMES.add("certificate.malformed", sendable=False)
def invalid_utf8_in_subject(pki: Pki) -> Presented:
    """A UTF8String that is not UTF-8."""
    return with_subject(pki, _victim(b"billing\xff\xfe"))


@NAMES.add("certificate.malformed", sendable=False)
def odd_bmp_string(pki: Pki) -> Presented:
    """A BMPString of an odd number of octets."""
    return with_subject(pki, _victim(b"\0b\0i\0", BMP_STRING))


# -- subject alternative names -------------------------------------------------------------------------


@NAMES.add("subject.unknown", "certificate.malformed")
def nul_in_dns_san(pki: Pki) -> Presented:
    """What a C program would read as the honest host."""
    return with_san(pki, _DNS, DNS.encode() + b"\0.evil.example")


@NAMES.add("subject.unknown", "certificate.malformed")
def nul_in_uri_san(pki: Pki) -> Presented:
    """What a C program would read as the honest URI."""
    return with_san(pki, _URI, URI.encode() + b"\0evil")


@NAMES.add("subject.unknown", "certificate.malformed")
def nul_in_email_san(pki: Pki) -> Presented:
    """What a C program would read as the honest address."""
    return with_san(pki, _EMAIL, EMAIL.encode() + b"\0.evil.example")


@NAMES.add("subject.unknown")
def wildcard_san(pki: Pki) -> Presented:
    """A server's wildcard that covers the honest host."""
    return with_san(pki, _DNS, b"*.partner.example")


@NAMES.add("subject.unknown")
def bare_wildcard_san(pki: Pki) -> Presented:
    """A star and nothing else."""
    return with_san(pki, _DNS, b"*")


@NAMES.add("subject.unknown")
def parent_domain_san(pki: Pki) -> Presented:
    """The domain that the honest host is in, with the dot that name constraints use."""
    return with_san(pki, _DNS, b".partner.example")


@NAMES.add("subject.unknown")
def white_space_san(pki: Pki) -> Presented:
    """The honest host and a blank."""
    return with_san(pki, _DNS, DNS.encode() + b" ")


@NAMES.add("subject.unknown")
def joined_sans(pki: Pki) -> Presented:
    """The honest host behind a comma, as some programs print several names."""
    return with_san(pki, _DNS, b"evil.example, DNS:" + DNS.encode())


@NAMES.add("subject.unknown")
def dns_as_uri_san(pki: Pki) -> Presented:
    """The registered host, as a URI."""
    return with_san(pki, _URI, DNS.encode())


@NAMES.add("subject.unknown")
def uri_as_dns_san(pki: Pki) -> Presented:
    """The registered URI, as a host."""
    return with_san(pki, _DNS, URI.encode())


@NAMES.add("subject.unknown")
def ip_as_dns_san(pki: Pki) -> Presented:
    """The registered address, as a host."""
    return with_san(pki, _DNS, IP.encode())


@NAMES.add("subject.unknown")
def email_as_dns_san(pki: Pki) -> Presented:
    """The registered e-mail address, as a host."""
    return with_san(pki, _DNS, EMAIL.encode())


@NAMES.add("subject.unknown")
def email_local_part_in_upper_case(pki: Pki) -> Presented:
    """Before the @, case matters."""
    return with_san(pki, _EMAIL, b"BILLING@partner.example")


@NAMES.add("subject.unknown")
def uri_path_in_upper_case(pki: Pki) -> Presented:
    """Behind the host, case matters."""
    return with_san(pki, _URI, b"spiffe://partner.example/Billing")


@NAMES.add("subject.unknown")
def ip_mapped_to_ipv6(pki: Pki) -> Presented:
    """The registered IPv4 address as an IPv6 address is another value."""
    return with_san(pki, _IP, ip_address(f"::ffff:{IP}").packed)


@NAMES.add("certificate.malformed")
def ip_of_five_octets(pki: Pki) -> Presented:
    """The registered address and one octet more."""
    return with_san(pki, _IP, ip_address(IP).packed + b"\0")


@NAMES.add("subject.unknown", "certificate.malformed")
def ip_with_netmask(pki: Pki) -> Presented:
    """The registered address with a mask, as in name constraints."""
    return with_san(pki, _IP, ip_address(IP).packed + b"\0\0\0\0")


@NAMES.add("subject.unknown", "certificate.malformed")
def host_in_utf8_san(pki: Pki) -> Presented:
    """A host that is not in ASCII."""
    return with_san(pki, _DNS, "bıllıng.partner.example".encode())


@NAMES.add("subject.unknown")
def host_as_other_name(pki: Pki) -> Presented:
    """The registered host as an otherName."""
    other = x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.55555.2"), tlv(IA5_STRING, DNS.encode()))
    return pki.leaf(subject=dn(CN="odd"), names=[other])


@NAMES.add("subject.unknown")
def subject_as_directory_name(pki: Pki) -> Presented:
    """The registered subject as a directoryName in the subjectAltName."""
    return pki.leaf(subject=dn(CN="odd"), names=[x509.DirectoryName(victim())])


@NAMES.add("subject.unknown")
def host_in_issuer_alt_name(pki: Pki) -> Presented:
    """The registered host as an issuerAltName."""
    more = [(x509.IssuerAlternativeName([x509.DNSName(DNS)]), False)]
    return pki.leaf(subject=dn(CN="odd"), names=None, more=more, key=ec_key("leaf"))

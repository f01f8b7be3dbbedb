"""Certificates whose path, times or usage are wrong. Nearly all of them claim the honest client's names."""

from __future__ import annotations

from ipaddress import ip_network

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku

from tests.pki.kinds import Kinds
from tests.pki.maker import DNS, Authority, Pki, Presented, all_names, dn, ec_key, key_usage, victim

PATHS = Kinds()
_UNKNOWN_EXTENSION = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.55555.1"), b"\x05\x00")

# -- time ----------------------------------------------------------------------------------------------


@PATHS.add("certificate.expired", alert="certificate_expired")
def expired(pki: Pki) -> Presented:
    """Its notAfter was yesterday."""
    return pki.leaf(valid=pki.valid(-30, -1))


@PATHS.add("certificate.not_yet_valid", alert="bad_certificate")
def not_yet_valid(pki: Pki) -> Presented:
    """Its notBefore is tomorrow."""
    return pki.leaf(valid=pki.valid(1, 30))


@PATHS.add("chain.expired", alert="certificate_expired")
def expired_intermediate(pki: Pki) -> Presented:
    """The CA that issued it expired yesterday."""
    return pki.leaf(pki.ca("Expired Intermediate", pki.root, valid=pki.valid(-30, -1)))


@PATHS.add("chain.not_yet_valid", alert="bad_certificate")
def intermediate_not_yet_valid(pki: Pki) -> Presented:
    """The CA that issued it becomes valid tomorrow."""
    return pki.leaf(pki.ca("Early Intermediate", pki.root, valid=pki.valid(1, 30)))


@PATHS.add("chain.expired", alert="certificate_expired")
def expired_anchor(pki: Pki) -> Presented:
    """Its trust anchor expired yesterday."""
    return pki.leaf(pki.expired_root)


# -- who issued it -------------------------------------------------------------------------------------


@PATHS.add("chain.untrusted", alert="unknown_ca")
def stranger_ca(pki: Pki) -> Presented:
    """A CA that nobody configured, which sends its root along."""
    root = pki.ca("Stranger", None)
    return pki.leaf(root, chain=(root.der,))


@PATHS.add("chain.untrusted", alert="unknown_ca")
def missing_intermediate(pki: Pki) -> Presented:
    """A good certificate sent without its intermediate."""
    return pki.leaf(chain=())


@PATHS.add("chain.strict", "chain.signature", alert="certificate_unknown")
def same_name_without_key_ids(pki: Pki) -> Presented:
    """Another CA with the anchor's name; nothing but the signature tells them apart."""
    return pki.leaf(pki.ca("Root", None, "impostor"), authority_key_identifier=False, chain=())


@PATHS.add("chain.untrusted", alert="unknown_ca")
def same_name_with_key_ids(pki: Pki) -> Presented:
    """Another CA with the anchor's name, and honest about its key."""
    root = pki.ca("Root", None, "impostor")
    return pki.leaf(root, chain=(root.der,))


@PATHS.add("chain.signature", alert="decrypt_error")
def same_name_and_key_id(pki: Pki) -> Presented:
    """Another CA with the anchor's name that claims its key identifier, too."""
    identifier = pki.root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    impostor = pki.ca("Root", None, "impostor", subject_key_identifier=identifier.value.digest)
    return pki.leaf(impostor, chain=())


@PATHS.add("chain.signature", alert="decrypt_error")
def same_intermediate_name_and_key_id(pki: Pki) -> Presented:
    """Issued by a stranger in the intermediate's name, and sent with the true intermediate."""
    return pki.leaf(signer=ec_key("impostor"))


@PATHS.add("chain.signature", alert="decrypt_error")
def broken_signature(pki: Pki) -> Presented:
    """One bit of the honest certificate's name is changed."""
    good = pki.leaf(subject=dn(C="DE", O="Partner", CN="billinf"))
    return Presented(good.leaf.replace(b"billinf", b"billing"), good.key, good.chain)


@PATHS.add("pin.unknown", "chain.untrusted", alert="unknown_ca")
def self_signed_stranger(pki: Pki) -> Presented:
    """Self-signed, in the honest client's name."""
    return pki.self_signed("stranger", victim())


@PATHS.add("pin.unknown", "chain.untrusted", alert="unknown_ca")
def self_signed_with_pinned_key(pki: Pki) -> Presented:
    """Self-signed with the key of a pinned certificate, but another certificate."""
    return pki.self_signed("pinned", dn(CN="pinned, renewed"))


@PATHS.add("pin.unknown", "chain.untrusted", alert="unknown_ca")
def self_signed_with_pinned_subject(pki: Pki) -> Presented:
    """Self-signed with the subject of a pinned certificate, but another key."""
    return pki.self_signed("stranger", dn(CN="pinned"))


@PATHS.add("certificate.expired", "chain.untrusted", "pin.unknown", alert="unknown_ca")
def pinned_but_expired(pki: Pki) -> Presented:
    """Registered itself, but expired."""
    return pki.pinned_expired


@PATHS.add("chain.untrusted", alert="unknown_ca")
def stranger_with_the_victims_certificate(pki: Pki) -> Presented:
    """A stranger's certificate, with the honest client's true one and its chain behind it."""
    honest = pki.leaf(key=ec_key("victim"))
    stranger = pki.leaf(pki.ca("Stranger", None), dn(CN="stranger"), names=None)
    return Presented(stranger.leaf, stranger.key, (honest.leaf, *honest.chain))


@PATHS.add("subject.unknown")
def neighbour_with_the_victims_certificate(pki: Pki) -> Presented:
    """A good certificate of nobody registered, with the honest client's true one behind it."""
    honest = pki.leaf(key=ec_key("victim"))
    neighbour = pki.leaf(subject=dn(CN="neighbour"), names=None)
    return Presented(neighbour.leaf, neighbour.key, (honest.leaf, *neighbour.chain))


# -- what it may be used for ---------------------------------------------------------------------------


@PATHS.add("certificate.eku", alert="unsupported_certificate")
def eku_server_auth(pki: Pki) -> Presented:
    """A server's certificate."""
    return pki.leaf(purposes=[Eku.SERVER_AUTH])


@PATHS.add("certificate.eku", alert="unsupported_certificate")
def eku_any(pki: Pki) -> Presented:
    """anyExtendedKeyUsage alone."""
    return pki.leaf(purposes=[Eku.ANY_EXTENDED_KEY_USAGE])


@PATHS.add("certificate.eku", alert="unsupported_certificate")
def eku_ocsp_signing(pki: Pki) -> Presented:
    """An OCSP responder's certificate."""
    return pki.leaf(purposes=[Eku.OCSP_SIGNING])


@PATHS.add("certificate.eku", alert="unsupported_certificate")
def eku_code_and_email(pki: Pki) -> Presented:
    """Two purposes, neither of them ours."""
    return pki.leaf(purposes=[Eku.CODE_SIGNING, Eku.EMAIL_PROTECTION])


@PATHS.add("certificate.ku", alert="unsupported_certificate")
def ku_key_encipherment(pki: Pki) -> Presented:
    """Key usage without digitalSignature."""
    return pki.leaf(usage=key_usage("key_encipherment"))


@PATHS.add("certificate.ku")
def ku_key_agreement(pki: Pki) -> Presented:
    """Key usage keyAgreement alone, which OpenSSL lets pass for clients."""
    return pki.leaf(usage=key_usage("key_agreement"))


@PATHS.add("certificate.is_ca")
def ca_as_client(pki: Pki) -> Presented:
    """A true intermediate CA of the anchor, with the honest client's names."""
    more = [(x509.SubjectAlternativeName(all_names()), False)]
    usage = key_usage("key_cert_sign", "digital_signature")
    authority = pki.ca("Client CA", pki.root, more=more, usage=usage)
    return Presented(authority.der, authority.key)


@PATHS.add("chain.not_ca", alert="unknown_ca")
def leaf_as_ca(pki: Pki) -> Presented:
    """Issued by the owner of a good client certificate."""
    return _issued_by(pki, pki.leaf(subject=dn(CN="mallory"), names=None, usage=key_usage("key_cert_sign")))


@PATHS.add("chain.not_ca", "chain.untrusted", "chain.purpose", alert="unknown_ca")
def ordinary_leaf_as_ca(pki: Pki) -> Presented:
    """Issued by the owner of a good client certificate, whose key usage does not even try."""
    return _issued_by(pki, pki.leaf(subject=dn(CN="mallory"), names=None))


def _issued_by(pki: Pki, issuer: Presented) -> Presented:
    certificate = x509.load_der_x509_certificate(issuer.leaf)
    return pki.leaf(Authority(certificate, ec_key("leaf"), issuer.chain))


@PATHS.add("chain.not_ca", alert="unknown_ca")
def intermediate_ca_false(pki: Pki) -> Presented:
    """Its issuer says CA:FALSE but has keyCertSign."""
    return pki.leaf(pki.ca("CA:FALSE", pki.root, ca=False))


@PATHS.add("chain.not_ca", alert="unknown_ca")
def intermediate_without_basic_constraints(pki: Pki) -> Presented:
    """Its issuer has no basic constraints."""
    return pki.leaf(pki.ca("No basic constraints", pki.root, ca=None))


@PATHS.add("chain.purpose", "chain.untrusted", alert="unknown_ca")
def intermediate_without_cert_sign(pki: Pki) -> Presented:
    """Its issuer is a CA that may sign CRLs only."""
    return pki.leaf(pki.ca("CRL signer", pki.root, usage=key_usage("crl_sign")))


@PATHS.add("chain.purpose", alert="unsupported_certificate")
def intermediate_eku_server_auth(pki: Pki) -> Presented:
    """Its issuer may issue for servers only."""
    more = [(x509.ExtendedKeyUsage([Eku.SERVER_AUTH]), False)]
    return pki.leaf(pki.ca("Server CA", pki.root, more=more))


@PATHS.add("chain.too_long", alert="unknown_ca")
def path_length_zero(pki: Pki) -> Presented:
    """A CA that may issue leaves only has issued a CA."""
    return pki.leaf(pki.ca("Below", pki.ca("pathLen 0", pki.root, path_length=0)))


@PATHS.add("chain.too_long", alert="unknown_ca")
def path_length_one(pki: Pki) -> Presented:
    """One CA more than a CA two levels up allows."""
    above = pki.ca("pathLen 1", pki.root, path_length=1)
    return pki.leaf(pki.ca("Third", pki.ca("Second", above)))


@PATHS.add("chain.critical_extension", alert="certificate_unknown")
def unknown_critical_extension(pki: Pki) -> Presented:
    """A critical extension that nobody knows."""
    return pki.leaf(more=[(_UNKNOWN_EXTENSION, True)])


@PATHS.add("chain.critical_extension", alert="certificate_unknown")
def intermediate_unknown_critical_extension(pki: Pki) -> Presented:
    """Its issuer has a critical extension that nobody knows."""
    return pki.leaf(pki.ca("Odd CA", pki.root, more=[(_UNKNOWN_EXTENSION, True)]))


# -- name constraints ----------------------------------------------------------------------------------


def _constrained(
    pki: Pki,
    permitted: list[x509.GeneralName] | None = None,
    excluded: list[x509.GeneralName] | None = None,
    names: list[x509.GeneralName] | None = None,
) -> Presented:
    more = [(x509.NameConstraints(permitted, excluded), True)]
    return pki.leaf(pki.ca("Constrained CA", pki.root, more=more), names=names or all_names())


def _name_constraints() -> None:
    """Each kind of name, once outside what is permitted and once inside what is excluded."""
    others: dict[str, x509.GeneralName] = {
        "dns": x509.DNSName("other.example"),
        "uri": x509.UniformResourceIdentifier("other.example"),
        "ip": x509.IPAddress(ip_network("198.51.100.0/24")),
        "email": x509.RFC822Name("other.example"),
        "dn": x509.DirectoryName(dn(C="DE", O="Other")),
    }
    own: dict[str, x509.GeneralName] = {
        "dns": x509.DNSName("partner.example"),
        "uri": x509.UniformResourceIdentifier("partner.example"),
        "ip": x509.IPAddress(ip_network("192.0.2.0/24")),
        "email": x509.RFC822Name("partner.example"),
        "dn": x509.DirectoryName(dn(C="DE", O="Partner")),
    }
    for kind in own:

        def permitted(pki: Pki, kind: str = kind) -> Presented:
            return _constrained(pki, permitted=[others[kind]])

        def excluded(pki: Pki, kind: str = kind) -> Presented:
            return _constrained(pki, excluded=[own[kind]])

        for make, which in ((permitted, "not_permitted"), (excluded, "excluded")):
            make.__name__ = f"name_constraints_{kind}_{which}"
            make.__doc__ = f"Its CA's name constraints forbid its {kind} name: {which.replace('_', ' ')}."
            PATHS.add("chain.name_constraints", alert="certificate_unknown")(make)


_name_constraints()


@PATHS.add("certificate.malformed", "chain.name_constraints", "chain.invalid", alert="internal_error")
def name_constraints_bomb(pki: Pki) -> Presented:
    """A thousand constraints against a thousand names: a million comparisons for who does not count."""
    constraints: list[x509.GeneralName] = [x509.DNSName(f"n{number}.example") for number in range(1500)]
    names: list[x509.GeneralName] = [x509.DNSName(f"m{number}.example") for number in range(1500)]
    return _constrained(pki, excluded=constraints, names=names)


# -- size ----------------------------------------------------------------------------------------------


def _chain(pki: Pki, length: int) -> Presented:
    authority = pki.root
    for number in range(length):
        authority = pki.ca(f"Level {number}", authority, "level")
    return pki.leaf(authority)


@PATHS.add("chain.too_long", alert="unknown_ca")
def chain_of_150(pki: Pki) -> Presented:
    """A true chain of 150 intermediates."""
    return _chain(pki, 150)


@PATHS.add("chain.too_long", alert="illegal_parameter")
def chain_of_1000(pki: Pki) -> Presented:
    """A true chain of a thousand intermediates."""
    return _chain(pki, 1000)


@PATHS.add("chain.untrusted", alert="unknown_ca")
def issuers_in_a_circle(pki: Pki) -> Presented:
    """Two CAs that have issued each other."""
    first = pki.ca("Circle A", pki.ca("Circle B", None))
    second = pki.ca("Circle B", first)
    again = pki.ca("Circle A", second)
    return pki.leaf(again, chain=(again.der, second.der))


@PATHS.add("certificate.malformed", alert="illegal_parameter")
def sans_20000(pki: Pki) -> Presented:
    """Twenty thousand names, the honest client's among them."""
    return pki.leaf(names=[*all_names(), *(x509.DNSName(f"n{number}.example") for number in range(20_000))])


@PATHS.add("certificate.malformed")
def sans_2000(pki: Pki) -> Presented:
    """Two thousand names, none of them registered."""
    names = [x509.DNSName(f"{number}.{DNS}") for number in range(2000)]
    return pki.leaf(subject=dn(CN="many"), names=names)

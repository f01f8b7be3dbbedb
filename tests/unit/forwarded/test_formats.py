"""What all formats have in common: one spelling for one certificate, and a refusal for everything else
(R23, R70 to R72, P26)."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd.errors import Refusal
from mtlsd.forwarded.formats import FORMATS, KNOWN_FIELDS
from mtlsd.forwarded.forwarded import MAX_FIELD_BYTES, ForwardedCertificate
from tests.der import sequence
from tests.pki import GOOD, Pki, Presented
from tests.unit.forwarded.spelling import SETTINGS, Fields, Setting, base64_of, pem_of

PKI = Pki()
KINDS = ("ec_p256", "rsa_2048", "ed25519", "two_intermediates")
PRESENTED = [GOOD[kind].make(PKI) for kind in KINDS]
LEAF, CHAIN = PRESENTED[0].leaf, PRESENTED[0].chain
OTHER = PRESENTED[1].leaf

IN_ONE_FIELD = ("traefik", "aws-alb")
"""The chain stands behind the leaf, and has to be its own."""

every_setting = pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS.keys())
settings = st.sampled_from(list(SETTINGS.values()))
# What is a SEQUENCE and no more: the parsers do not look inside.
ders = st.binary(max_size=600).map(sequence)
chains = st.lists(ders, max_size=10)
# Octets that are likely to matter somewhere, more often than chance has it.
octets = st.one_of(
    st.binary(max_size=4), st.sampled_from([b"%", b"%0a", b"%2B", b"+", b"=", b":", b",", b" "])
)


def refused(setting: Setting, fields: Fields) -> Refusal:
    with pytest.raises(Refusal) as caught:
        setting.reader.parse(fields)
    return caught.value


def main_field(setting: Setting) -> bytes:
    return setting.reader.fields[0]


# -- good ones ------------------------------------------------------------------------------------------


@every_setting
@pytest.mark.parametrize("presented", PRESENTED, ids=KINDS)
def test_real_certificates(setting: Setting, presented: Presented) -> None:
    expected = ForwardedCertificate(presented.leaf, presented.chain if setting.chain else ())
    assert setting.reader.parse(setting.spell(presented.leaf, presented.chain)) == expected


@given(settings, ders, chains)
def test_round_trips(setting: Setting, leaf: bytes, chain: list[bytes]) -> None:
    others = [] if setting.reader.format in IN_ONE_FIELD else [each for each in chain if each != leaf]
    expected = ForwardedCertificate(leaf, tuple(others) if setting.chain else ())
    assert setting.reader.parse(setting.spell(leaf, others)) == expected


@every_setting
def test_either_case_of_hex(setting: Setting) -> None:
    fields = setting.spell(LEAF, CHAIN)
    lower = {name: re.sub(rb"%..", lambda code: code[0].lower(), value) for name, value in fields.items()}
    assert setting.reader.parse(lower) == setting.reader.parse(fields)


@every_setting
def test_nothing_there(setting: Setting) -> None:
    """The client came without a certificate (R71)."""
    assert setting.reader.parse({}) is None
    assert setting.reader.parse(dict.fromkeys(setting.reader.fields, b"")) is None
    assert setting.reader.parse({b"host": b"as.example"}) is None


# -- spellings that nobody writes -----------------------------------------------------------------------

MUTATIONS: dict[str, Callable[[bytes], bytes]] = {
    "trailing space": lambda value: value + b" ",
    "leading space": lambda value: b" " + value,
    "trailing tab": lambda value: value + b"\t",
    "leading tab": lambda value: b"\t" + value,
    "trailing garbage": lambda value: value + b"A",
    "trailing line feed": lambda value: value + b"\n",
    "trailing %0A": lambda value: value + b"%0A%0A",
    "trailing nul": lambda value: value + b"\0",
    "trailing comma": lambda value: value + b",",
    "trailing semicolon": lambda value: value + b";",
    "trailing comment": lambda value: value + b";a=1",
    "twice": lambda value: value + value,
    "twice, joined by a comma": lambda value: value + b", " + value,
    "twice, joined by a bare comma and more": lambda value: value + b",x," + value,
    "cut by one": lambda value: value[:-1],
    "cut by two": lambda value: value[:-2],
    "cut in half": lambda value: value[: len(value) // 2],
    "without its first octet": lambda value: value[1:],
    "in quotes": lambda value: b'"' + value + b'"',
    "percent-encoded once more": lambda value: (
        value.replace(b"%", b"%25") if b"%" in value else b"%4D" + value
    ),
    "tab inside": lambda value: value[:60] + b"\t" + value[60:],
    "space inside": lambda value: value[:60] + b" " + value[60:],
    "fold inside": lambda value: value[:60] + b"\r\n " + value[60:],
    "nul inside": lambda value: value[:60] + b"\0" + value[60:],
    "high octet inside": lambda value: value[:60] + b"\xff" + value[60:],
    "dash inside": lambda value: value[:60] + b"-" + value[60:],
    "oversized": lambda value: value + b"A" * MAX_FIELD_BYTES,
    "only white space": lambda value: b" ",
    "only a word": lambda value: b"null",
    "other armour": lambda value: value.replace(b"CERTIFICATE", b"X509 CRL") + b"X",
}


@every_setting
@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_mutations(setting: Setting, mutation: Callable[[bytes], bytes]) -> None:
    fields = setting.spell(LEAF, CHAIN)
    name = main_field(setting)
    if mutation is MUTATIONS["twice"] and name == b"x-amzn-mtls-clientcert":
        return  # certificates in PEM, one after the other, are what that field has
    refusal = refused(setting, {**fields, name: mutation(fields[name])})
    assert refusal.reason.code == "forwarded.malformed"
    assert refusal.facts["field"] == name.decode("ascii")
    assert fields[name].decode("latin-1")[:40] not in str(refusal)
    assert refusal.facts["detail"]


@every_setting
def test_plus_for_space(setting: Setting) -> None:
    """%20 and + are one to some decoders (P26)."""
    fields = setting.spell(LEAF, CHAIN)
    name = main_field(setting)
    for code, character in (
        (b"%20", b"+"),
        (b"%20", b" "),
        (b"%0A", b"\n"),
        (b"%0A", b"%0D%0A"),
        (b" ", b"+"),
    ):
        if code in fields[name]:
            refused(setting, {**fields, name: fields[name].replace(code, character)})


@every_setting
def test_what_is_in_it_is_no_certificate(setting: Setting) -> None:
    """One SEQUENCE of exactly its length, in DER."""
    short, empty = b"\x30\x82\x01\x00" + bytes(100), b""
    for octets_inside in (short, empty, LEAF + b"\0", LEAF[:-1], b"\x31" + LEAF[1:], b"\x30\x80" + LEAF[4:]):
        fields = setting.spell(octets_inside, ())
        refused(setting, {main_field(setting): fields[main_field(setting)] or b"x"})


@every_setting
def test_two_where_one_is_expected(setting: Setting) -> None:
    if not setting.chain:
        one, two = (setting.spell(each, ())[main_field(setting)] for each in (LEAF, OTHER))
        for joined in (one + two, one + b" " + two, one + b"," + two, one + b"%0A" + two):
            refused(setting, {main_field(setting): joined})


@every_setting
def test_too_long_a_chain(setting: Setting) -> None:
    if setting.chain:
        fields = setting.spell(LEAF, [sequence(bytes([number])) for number in range(11)])
        assert "more than 10" in str(refused(setting, fields).facts["detail"])


@pytest.mark.parametrize("name", ["rfc9440", "haproxy"])
def test_a_chain_without_its_certificate(name: str) -> None:
    """R71"""
    setting = SETTINGS[name]
    fields = setting.spell(LEAF, CHAIN)
    leaf, chain = setting.reader.fields
    for without in ({chain: fields[chain]}, {leaf: b"", chain: fields[chain]}):
        assert refused(setting, without).facts["field"] == chain.decode("ascii")


@pytest.mark.parametrize("name", ["rfc9440", "haproxy"])
@pytest.mark.parametrize("mutation", MUTATIONS.values(), ids=MUTATIONS.keys())
def test_mutations_of_the_chain(name: str, mutation: Callable[[bytes], bytes]) -> None:
    setting = SETTINGS[name]
    fields = setting.spell(LEAF, CHAIN)
    chain = setting.reader.fields[1]
    # A row of certificates that is one longer is one too; base64 may end without padding.
    if mutation is not MUTATIONS[{"rfc9440": "twice, joined by a comma", "haproxy": "twice"}[name]]:
        assert refused(setting, {**fields, chain: mutation(fields[chain])}).facts["field"] == chain.decode()


@given(settings, st.binary(max_size=200), st.binary(max_size=200))
def test_arbitrary_octets(setting: Setting, one: bytes, other: bytes) -> None:
    """Nothing is raised but refusals."""
    with suppress(Refusal):
        setting.reader.parse(dict(zip(setting.reader.fields, (one, other), strict=False)))


def normal(fields: Fields) -> Fields:
    """The fields with what may be spelt in two ways spelt in one: the case of hex digits, and white space
    between the members of a list."""
    return {
        name: re.sub(rb"%..", lambda code: code[0].upper(), value).replace(b":, :", b":,:")
        for name, value in fields.items()
        if value
    }


@given(settings, st.data())
def test_what_is_accepted_is_what_the_program_would_have_written(
    setting: Setting, data: st.DataObject
) -> None:
    """However a good value is changed: it is refused, or it is the one spelling of what was read."""
    fields = setting.spell(LEAF, CHAIN)
    name = data.draw(st.sampled_from(sorted(fields)))
    start = data.draw(st.integers(0, len(fields[name])))
    end = min(len(fields[name]), start + data.draw(st.integers(0, 4)))
    changed = {**fields, name: fields[name][:start] + data.draw(octets) + fields[name][end:]}
    try:
        found = setting.reader.parse(changed)
    except Refusal:
        return
    if found is None or setting is SETTINGS["envoy"]:
        assert found is None or found == setting.reader.parse(fields)
        return
    spelt = [
        each.spell(found.leaf, found.chain) for each in SETTINGS.values() if each.reader == setting.reader
    ]
    assert normal(changed) in [
        normal(each)
        for each in (*spelt, *({key: value + b"%0A"} for row in spelt for key, value in row.items()))
    ]


# -- configuration --------------------------------------------------------------------------------------


def test_names_of_the_fields() -> None:
    assert FORMATS["rfc9440"].fields() == (b"client-cert", b"client-cert-chain")
    assert FORMATS["nginx"].fields() == (b"x-ssl-client-cert",)
    assert FORMATS["haproxy"].fields("X-Cert") == (b"x-cert", b"x-cert-chain")
    assert FORMATS["aws-alb"].reader().beside == ()
    verifying = FORMATS["aws-alb"].reader("x-amzn-mtls-clientcert-leaf")
    assert b"x-amzn-mtls-clientcert-serial-number" in verifying.beside
    assert FORMATS["traefik"].reader().beside == (b"x-forwarded-tls-client-cert-info",)


@pytest.mark.parametrize(
    ("name", "header", "encoding", "words"),
    [
        ("rfc9440", "X-Client-Cert", None, "no other field than Client-Cert"),
        ("aws-alb", "X-Cert", None, "X-Amzn-Mtls-Clientcert or X-Amzn-Mtls-Clientcert-Leaf"),
        ("header", None, "pem", "one must be named"),
        ("header", "X-Cert", None, "pem | urlencoded-pem | base64-der"),
        ("header", "X-Cert", "der", "pem | urlencoded-pem | base64-der"),
        ("nginx", None, "pem", "no choice of encodings"),
        ("nginx", "X_Cert", None, "single hyphens"),
        ("nginx", "", None, "single hyphens"),
        ("nginx", "X--Cert", None, "single hyphens"),
        ("nginx", "X-Cert\n", None, "single hyphens"),
        ("nginx", "Authorization", None, "another meaning"),
        ("nginx", "Host", None, "another meaning"),
        ("nginx", "Content-Length", None, "another meaning"),
        ("nginx", "X-Forwarded-For", None, "another meaning"),
        ("nginx", "X-Proxy-Authorization", None, "another meaning"),
    ],
)
def test_configurations_that_cannot_be(
    name: str, header: str | None, encoding: str | None, words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        FORMATS[name].reader(header, encoding)


def test_known_fields() -> None:
    assert all(name == name.lower() and b"_" not in name for name in KNOWN_FIELDS)
    for setting in SETTINGS.values():
        fields = {*setting.reader.fields, *setting.reader.beside} - {b"x-peer"}
        assert fields <= KNOWN_FIELDS
    assert b"x-forwarded-for" not in KNOWN_FIELDS


# -- single formats -------------------------------------------------------------------------------------


def test_what_programs_write_for_no_certificate() -> None:
    assert SETTINGS["apache"].reader.parse({b"x-ssl-client-cert": b"(null)"}) is None
    caddys = b"{http.request.tls.client.certificate_der_base64}"
    assert SETTINGS["header base64-der"].reader.parse({b"x-peer": caddys}) is None
    refused(SETTINGS["nginx"], {b"x-ssl-client-cert": b"(null)"})
    refused(SETTINGS["header pem"], {b"x-peer": caddys})


def test_lines_of_76_characters() -> None:
    text = base64_of(LEAF)
    lines = b"\n".join(text[start : start + 76] for start in range(0, len(text), 76))
    body = pem_of(LEAF).split(b"\n")
    value = b" ".join([body[0], *lines.split(b"\n"), body[-2]])
    assert "64 characters" in str(refused(SETTINGS["apache"], {b"x-ssl-client-cert": value}).facts["detail"])


def test_base64_that_others_would_read_as_well() -> None:
    """Stray bits, missing padding, the URL's alphabet: each is a second spelling (RFC 4648 section 3.5)."""
    leaf = sequence(b"12")  # 4 octets: two characters of padding
    good = base64_of(leaf)
    setting = SETTINGS["header base64-der"]
    assert setting.reader.parse({b"x-peer": good}) == ForwardedCertificate(leaf)
    assert good.endswith(b"g==")
    for bad in (
        good[:-3] + b"h==",
        good[:-1],
        good[:-2],
        good + b"=",
        good + b"A",
        b"=" + good,
        good[:-2] + b"A=",
    ):
        refused(setting, {b"x-peer": bad})
    with_slash = sequence(b"\xff\xff\xff")
    refused(setting, {b"x-peer": base64_of(with_slash).replace(b"/", b"_")})


def test_rfc_9440_spellings() -> None:
    """R70: one byte sequence; a list of them."""
    setting, (name, chain) = SETTINGS["rfc9440"], SETTINGS["rfc9440"].reader.fields
    good = b":%b:" % base64_of(LEAF)
    other = b":%b:" % base64_of(OTHER)
    for separator in (b",", b", "):
        found = setting.reader.parse(
            {name: good, chain: separator.join([other, b":%b:" % base64_of(CHAIN[0])])}
        )
        assert found == ForwardedCertificate(LEAF, (OTHER, CHAIN[0]))
    for bad in (
        b"::",
        b":",
        good[1:-1],
        good + b";q=1",
        good + b", " + other,
        b'"' + good + b'"',
        b"?1",
        b"()",
    ):
        refused(setting, {name: bad})
    for bad in (
        other + b",",
        b"," + other,
        other + b",  " + other,
        other + b" , " + other,
        other + b";a",
        b"(%b)" % other,
    ):
        refused(setting, {name: good, chain: bad})
    for bad in (other + b",\t" + other, other + b",," + other, good, other + b", " + good):
        refused(setting, {name: good, chain: bad})


def test_traefik_before_2_9_4() -> None:
    value = base64_of(LEAF).replace(b"+", b"%2B").replace(b"/", b"%2F").replace(b"=", b"%3D") + b"%3D"
    refusal = refused(SETTINGS["traefik"], {b"x-forwarded-tls-client-cert": value})
    assert "2.9.4" in str(refusal.facts["detail"])


def test_aws_alb_either_way_but_wholly() -> None:
    value = SETTINGS["aws-alb"].spell(LEAF, ())[b"x-amzn-mtls-clientcert"]
    assert value.count(b"+") + value.count(b"/") > 1
    for code, character in ((b"%2B", b"+"), (b"%2F", b"/")):
        if character in value:
            refused(SETTINGS["aws-alb"], {b"x-amzn-mtls-clientcert": value.replace(character, code, 1)})

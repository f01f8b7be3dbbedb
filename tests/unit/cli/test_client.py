"""`mtlsd client`"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509

from mtlsd.cache.files import CacheDirectory
from mtlsd.cli.common import opened_store, result_of
from mtlsd.cli.exits import CONFIGURATION, OK, USAGE
from mtlsd.clients.secret import SecretHash
from mtlsd.clients.sightings import Sighting
from mtlsd.config.load import load
from mtlsd.fetch.freshness import Validators
from mtlsd.jose.jwk import jwk_of_certificate
from mtlsd.jwks_uri.disk import DIRECTORY
from mtlsd.jwks_uri.kept import Kept, name_of
from mtlsd.ops.audit import utc_now
from mtlsd.pki.certificate import Certificate
from tests.pki import Pki, Presented, dn
from tests.unit.cli.conftest import Ran
from tests.unit.config.example import crl_pem

Mtlsd = Callable[..., Ran]
REAL = Pki(utc_now())


@pytest.fixture
def trusting(directory: Path) -> Path:
    """The development directory, trusting the tests' own CA."""
    (directory / "ca.pem").write_bytes(Presented(REAL.root.der, REAL.pinned.key).chain_pem)
    since, until = REAL.valid(-1, 1)
    lists = (crl_pem(own, this_update=since, next_update=until) for own in (REAL.root, REAL.intermediate))
    (directory / "ca.crl").write_text("".join(lists))
    return directory


def write(directory: Path, name: str, presented: Presented) -> Path:
    path = directory / f"{name}.pem"
    path.write_bytes(presented.chain_pem)
    return path


def test_add_reads_the_subject_and_finds_the_group(trusting: Path, mtlsd: Mtlsd) -> None:
    certificate = write(trusting, "new", REAL.leaf(subject=dn(C="DE", O="New, Inc.", CN="new"), names=None))
    ran = mtlsd(
        "client", "add", "--client-id", "new", "--certificate", certificate, "--scope", "read", "--json"
    )
    assert ran.code == OK
    assert ran.json["tls_client_auth_subject_dn"] == "CN=new,O=New\\, Inc.,C=DE"
    assert ran.json["trust_anchors"] == ["dev"]
    assert mtlsd("explain", "--certificate", certificate, "--client-id", "new").code == OK


@pytest.mark.parametrize(
    ("by", "member"), [("dns", "san_dns"), ("uri", "san_uri"), ("ip", "san_ip"), ("email", "san_email")]
)
def test_add_by_another_name(trusting: Path, mtlsd: Mtlsd, by: str, member: str) -> None:
    certificate = write(trusting, "new", REAL.leaf(names=_others()))
    ran = mtlsd("client", "add", "--client-id", "new", "--certificate", certificate, "--by", by, "--json")
    assert ran.code == OK
    assert f"tls_client_auth_{member}" in ran.json
    assert mtlsd("explain", "--certificate", certificate, "--client-id", "new").code == OK


def _others() -> list[x509.GeneralName]:
    from ipaddress import ip_address

    return [
        x509.DNSName("new.example"),
        x509.UniformResourceIdentifier("spiffe://new/x"),
        x509.IPAddress(ip_address("2001:db8::7")),
        x509.RFC822Name("new@partner.example"),
    ]


def test_add_pins_what_is_self_signed(directory: Path, mtlsd: Mtlsd) -> None:
    """R12: several at once, for rotation"""
    old, new = (write(directory, name, REAL.self_signed(name)) for name in ("old", "new"))
    assert mtlsd("client", "add", "--client-id", "a", "--certificate", old).code == OK
    assert mtlsd("explain", "--certificate", new, "--client-id", "a").code != OK
    replaced = mtlsd(
        "client", "add", "--client-id", "a", "--certificate", old, "--certificate", new, "--replace"
    )
    assert replaced.code == OK
    for certificate in (old, new):
        assert mtlsd("explain", "--certificate", certificate, "--client-id", "a").code == OK


def test_add_pins_what_a_ca_issued_when_asked(trusting: Path, mtlsd: Mtlsd) -> None:
    certificate = write(trusting, "new", REAL.leaf())
    ran = mtlsd("client", "add", "--client-id", "a", "--certificate", certificate, "--pin", "--json")
    assert ran.json["token_endpoint_auth_method"] == "self_signed_tls_client_auth"


def test_add_by_name_alone(mtlsd: Mtlsd) -> None:
    ran = mtlsd("client", "add", "--client-id", "a", "--san-dns", "a.example", "--trust-anchors", "dev")
    assert ran.code == OK
    assert mtlsd("client", "show", "a", "--json").json["tls_client_auth_san_dns"] == "a.example"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--client-id", "a"], USAGE, "--certificate"),
        (["--client-id", "a", "--new-secret"], USAGE, "--metadata with a token_endpoint_auth_method"),
        (["--client-id=a", "--san-dns=a.example"], CONFIGURATION, "trust_anchors"),
        (["--client-id=a", "--jwks-uri=http://a.example/"], CONFIGURATION, "https"),
        (["--client-id=a", "--jwks-uri=https://a.example/", "--san-dns=a.example"], USAGE, "not several"),
        (["--client-id=a", "--jwks-uri=https://a.example/", "--trust-anchors=dev"], CONFIGURATION, "anchors"),
        (["--client-id=a", "--san-dns=*.example", "--trust-anchors=dev"], CONFIGURATION, "san_dns"),
        (["--client-id=a", "--san-dns=a.example", "--trust-anchors=nobody"], CONFIGURATION, "nobody"),
        (["--client-id=billing", "--san-dns=a.example", "--trust-anchors=dev"], CONFIGURATION, "mtlsd.toml"),
        (["--client-id=a", "--certificate=/does/not/exist"], CONFIGURATION, "exist"),
        (["--client-id=a\x1b[31m", "--san-dns=a.example", "--trust-anchors=dev"], CONFIGURATION, "client_id"),
    ],
)
def test_what_cannot_be_added(mtlsd: Mtlsd, arguments: list[str], code: int, said: str) -> None:
    ran = mtlsd("client", "add", *arguments)
    assert ran.code == code
    assert said in ran.err
    assert "\x1b" not in ran.err


@pytest.mark.parametrize(
    ("method", "options", "code"),
    [
        ("private_key_jwt", ["--jwks-uri=https://a.example/"], OK),
        ("self_signed_tls_client_auth", ["--jwks-uri=https://a.example/"], OK),
        ("tls_client_auth", ["--jwks-uri=https://a.example/"], USAGE),
        ("tls_client_auth", ["--san-dns=a.example", "--trust-anchors=dev"], OK),
        ("private_key_jwt", ["--san-dns=a.example", "--trust-anchors=dev"], USAGE),
    ],
)
def test_the_method_of_the_metadata_is_kept_or_refused(
    directory: Path, mtlsd: Mtlsd, method: str, options: list[str], code: int
) -> None:
    """It was replaced without a word: so a client that signs became one that publishes certificates."""
    metadata = directory / "metadata.json"
    metadata.write_text(json.dumps({"token_endpoint_auth_method": method}))
    ran = mtlsd("client", "add", "--client-id", "a", "--metadata", metadata, *options)
    assert ran.code == code, ran.err
    if code == OK:
        assert mtlsd("client", "show", "a", "--json").json["token_endpoint_auth_method"] == method
    else:
        assert method in ran.err


def test_a_client_that_no_listener_takes(directory: Path, mtlsd: Mtlsd) -> None:
    """A mistake in a file, of which the store says it, too; but the listener may come later."""
    metadata = directory / "metadata.json"
    metadata.write_text('{"token_endpoint_auth_method": "private_key_jwt"}')
    options = ["--metadata", metadata, "--jwks-uri=https://a.example/"]
    ran = mtlsd("client", "add", "--client-id", "a", *options)
    assert ran.code == OK
    assert "warning: store: client.a." in ran.err
    checked = mtlsd("check")
    assert checked.code == OK
    assert "warning: store: client.a." in checked.out


def test_one_name_belongs_to_one_client(directory: Path, mtlsd: Mtlsd) -> None:
    """In every way clients come in: file against store, store against store, pins alike."""
    billing, pinned = directory / "billing.pem", directory / "pinned.pem"
    assert (
        mtlsd("client", "add", "--client-id", "a", "--certificate", billing, "--by", "dns").code
        == CONFIGURATION
    )
    ran = mtlsd("client", "add", "--client-id", "a", "--certificate", pinned)
    assert ran.code == CONFIGURATION
    assert "'pinned'" in ran.err
    assert (
        mtlsd("client", "add", "--client-id", "a", "--san-dns", "a.example", "--trust-anchors", "dev").code
        == OK
    )
    ran = mtlsd("client", "add", "--client-id", "b", "--san-dns", "A.EXAMPLE", "--trust-anchors", "dev")
    assert ran.code == CONFIGURATION
    assert "'a'" in ran.err


def test_no_group_vouches(directory: Path, mtlsd: Mtlsd) -> None:
    """The refusal of each group says why."""
    stranger = write(directory, "stranger", REAL.leaf())
    ran = mtlsd("client", "add", "--client-id", "a", "--certificate", stranger)
    assert ran.code == USAGE
    assert "chain.untrusted" in ran.err


def test_list_show_disable_enable_remove(directory: Path, mtlsd: Mtlsd) -> None:
    pin = write(directory, "new", REAL.self_signed("new"))
    mtlsd("client", "add", "--client-id", "new", "--certificate", pin, "--name", "New one")
    listed = {own["client_id"]: own["registered_in"] for own in mtlsd("client", "list", "--json").json}
    listed_in_file = dict.fromkeys(("billing", "invoices", "pinned", "web"), "mtlsd.toml")
    assert listed == {**listed_in_file, "new": "store"}
    assert "New one" in mtlsd("client", "show", "new").out
    assert mtlsd("client", "disable", "new").code == OK
    assert "client.disabled" in mtlsd("explain", "--certificate", pin).out
    assert "disabled" in mtlsd("client", "list").out
    assert mtlsd("client", "enable", "new").code == OK
    assert mtlsd("explain", "--certificate", pin).code == OK
    assert mtlsd("client", "remove", "new").code == OK
    assert mtlsd("client", "show", "new").code == USAGE
    again = mtlsd("client", "add", "--client-id", "new", "--certificate", pin)
    assert again.code == CONFIGURATION, "a client_id is never given twice (R59)"


def test_a_client_that_publishes_its_certificates(mtlsd: Mtlsd) -> None:
    """R14"""
    uri = "https://client.example/jwks.json"
    added = mtlsd("client", "add", "--client-id", "rotating", "--jwks-uri", uri, "--json").json
    assert added["jwks_uri"] == uri
    assert added["token_endpoint_auth_method"] == "self_signed_tls_client_auth"
    assert "jwks" not in added
    assert f"jwks_uri {uri}" in mtlsd("client", "list").out
    assert f"jwks_uri: {uri}" in mtlsd("client", "show", "rotating").out
    assert "bound_access_tokens: true\n" in mtlsd("client", "show", "rotating").out


def test_where_a_client_stands_in_its_rotation(directory: Path, mtlsd: Mtlsd) -> None:
    """What is registered, what the daemon saw, and what it has fetched last."""
    old, new = REAL.self_signed("old"), REAL.self_signed("new", valid=REAL.valid(-1, 900))
    files = write(directory, "old", old), write(directory, "new", new)
    both = [argument for path in files for argument in ("--certificate", path)]
    assert mtlsd("client", "add", "--client-id", "a", *both).code == OK
    certificate = Certificate.from_der(old.leaf)
    times = certificate.not_before, certificate.not_after
    seen = Sighting("a", certificate.x5t_s256, certificate.subject.to_string(), *times, REAL.now, REAL.now)
    with opened_store(load(directory / "mtlsd.toml", REAL.now).config) as store:
        result_of(store.record_sightings([seen]))
    current, next_ = mtlsd("client", "show", "a", "--json").json["certificates"]
    assert (current["x5t#S256"], current["standing"]) == (certificate.x5t_s256, "current")
    assert current["last_seen_at"] == REAL.now.isoformat()
    assert (next_["standing"], next_["origin"], next_["last_seen_at"]) == ("next", "registered", None)
    shown = mtlsd("client", "show", "a").out
    assert f"{REAL.now:%Y-%m-%d %H:%M}" in shown
    assert "never" in shown


def test_what_a_daemon_has_fetched_is_shown(directory: Path, mtlsd: Mtlsd) -> None:
    uri = "https://client.example/jwks.json"
    mtlsd("client", "add", "--client-id", "a", "--jwks-uri", uri)
    assert mtlsd("client", "show", "a", "--json").json["certificates"] == []
    published = REAL.self_signed("published")
    leaf = published.leaf
    body = json.dumps({"keys": [jwk_of_certificate(leaf)]}).encode("ascii")
    now = utc_now()
    kept = Kept(uri, body, Validators(), now, now, {})
    cache = load(directory / "mtlsd.toml", REAL.now).config.fetch.cache
    CacheDirectory(cache).below(DIRECTORY).write(name_of(uri), kept.to_bytes())
    [shown] = mtlsd("client", "show", "a", "--json").json["certificates"]
    assert (shown["origin"], shown["standing"]) == ("published", "current")
    assert shown["x5t#S256"] in mtlsd("client", "show", "a").out
    certificate = write(directory, "published", published)
    assert mtlsd("explain", "--certificate", certificate, "--client-id", "a").code == OK


@pytest.mark.parametrize("action", ["disable", "enable", "remove"])
def test_clients_of_files_are_changed_in_their_file(mtlsd: Mtlsd, action: str) -> None:
    ran = mtlsd("client", action, "billing")
    assert ran.code == USAGE
    assert "mtlsd.toml" in ran.err


@pytest.mark.parametrize("action", ["show", "disable", "enable", "remove"])
def test_nobody(mtlsd: Mtlsd, action: str) -> None:
    ran = mtlsd("client", action, "nobody")
    assert ran.code in (USAGE, CONFIGURATION)
    assert "nobody" in ran.err


def test_add_with_metadata_of_a_file(directory: Path, mtlsd: Mtlsd) -> None:
    """What no option says is read from a file; options go first."""
    certificate = write(directory, "own", REAL.self_signed("own"))
    file = directory / "client.json"
    file.write_text(json.dumps({"client_id": "own", "client_name": "From the file", "scope": "read"}))
    add = ("client", "add", "--client-id", "own", "--certificate", certificate, "--metadata", file)
    ran = mtlsd(*add, "--scope", "write", "--json")
    assert (ran.code, ran.json["client_name"], ran.json["scope"]) == (OK, "From the file", "write")
    file.write_text('{"client_id": "another"}')
    assert mtlsd(*add).code == USAGE
    file.write_text("[]")
    assert mtlsd(*add).code == USAGE
    file.write_text('{"colour": "blue"}')
    assert mtlsd(*add).code == CONFIGURATION


def test_a_new_secret_is_shown_once(directory: Path, mtlsd: Mtlsd) -> None:
    """What is kept is its hash alone."""
    file = directory / "client.json"
    method = {"token_endpoint_auth_method": "client_secret_basic", "allow_client_secret": True}
    file.write_text(json.dumps(method))
    add = ("client", "add", "--client-id", "old", "--metadata", file)
    ran = mtlsd(*add, "--new-secret", "--json")
    assert ran.code == OK
    secret = ran.json["client_secret"]
    shown = mtlsd("client", "show", "old", "--json").json
    assert "client_secret" not in shown
    assert SecretHash.from_string(shown["client_secret_hash"]).matches(secret)
    assert "a secret" in mtlsd("client", "list").out
    again = mtlsd(*add, "--new-secret", "--replace")
    assert "client_secret: " in again.out
    assert secret not in again.out

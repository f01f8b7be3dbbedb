"""A configuration as a whole: what is right is taken, and all that is wrong is told at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mtlsd.config.load import load
from mtlsd.errors import ConfigError
from tests.pki.maker import NOW
from tests.unit.config.example import HOST, Example, pem, pki


@pytest.fixture
def example(tmp_path: Path) -> Example:
    return Example.make(tmp_path)


def test_right_configuration(example: Example) -> None:
    loaded = example.load()
    config = loaded.config
    assert loaded.warnings == ()
    assert config.issuer == f"https://{HOST}:8444"
    mtls, public = config.listeners
    assert mtls.requires_certificate
    assert not public.asks_for_certificate
    assert (mtls.refuse_in, public.refuse_in) == ("handshake", "response")
    assert [group.name for group in mtls.groups] == ["partners"]
    assert public.groups == ()
    assert (mtls.public_url, public.public_url) == (f"https://{HOST}:8443", f"https://{HOST}:8444")
    assert (mtls.limits.connections, mtls.limits.body_bytes) == (100, 65_536)
    assert config.tokens.audience == config.issuer
    assert config.tokens.signing_keys == example.directory / "keys"
    assert config.store == example.directory / "mtlsd.db"
    assert config.audit is None
    assert [own.client.client_id for own in config.registrations] == ["billing", "pinned"]


def test_relative_path_of_the_file(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names in it start at the file's directory, also after the daemon has changed its own."""
    example.load()
    monkeypatch.chdir(example.directory)
    assert load(Path("mtlsd.toml"), NOW).config.store == example.directory / "mtlsd.db"


def test_keys_are_not_printed(example: Example) -> None:
    config = example.load().config
    assert "PrivateKey" not in repr(config)


def test_defaults(example: Example) -> None:
    for table in ("tokens", "store", "audit"):
        del example.document[table]
    for key in ("refuse_in", "trust_anchors", "limits"):
        del example.mtls[key]
    config = example.load().config
    assert config.tokens.access_token_seconds == 300
    assert config.tokens.signing_algorithm == "ES256"
    assert config.drain_seconds == 10
    assert config.listeners[0].refuse_in == "handshake"
    assert config.listeners[0].x509_strict
    assert [group.name for group in config.listeners[0].groups] == ["partners"]


def test_optional_listener_refuses_in_the_response(example: Example) -> None:
    del example.mtls["refuse_in"]
    example.mtls["client_certificate"] = "optional"
    assert example.load().config.listeners[0].refuse_in == "response"


def test_single_listener_is_at_the_issuer(example: Example) -> None:
    """Where there is one listener, the issuer says how clients reach it, whatever its own port is."""
    del example.document["listener"][1]
    example.mtls["serves"] = ["token", "metadata", "jwks"]
    example.document["issuer"] = f"https://{HOST}/tenant"
    loaded = example.load()
    assert loaded.config.listeners[0].public_url == f"https://{HOST}"
    assert loaded.warnings == ()


def test_audit_file(example: Example) -> None:
    example.document["audit"]["file"] = "audit.jsonl"
    assert example.load().config.audit == example.directory / "audit.jsonl"


def test_all_mistakes_at_once(example: Example) -> None:
    """A typo in one key hides nothing that is wrong elsewhere."""
    example.document["isuer"] = "https://as.example.com"
    example.mtls["certficate"] = "server.pem"
    example.public["key"] = "missing.key"
    example.document["tokens"]["access_token_seconds"] = "300"
    example.group["certificates"].append("missing.pem")
    example.client(0)["trust_anchors"] = ["partner"]
    example.client(1)["certificate"] = "missing.pem"
    assert example.told() == [
        "mtlsd.toml: isuer: is an unknown key",
        'mtlsd.toml: tokens.access_token_seconds: is "300"',
        "mtlsd.toml: listener.mtls.certficate: is an unknown key",
        'mtlsd.toml: trust_anchors.partners.certificates: "missing.pem" does not exist',
        'mtlsd.toml: listener.public.key: "missing.key" does not exist',
        'mtlsd.toml: client.billing.trust_anchors[0]: "partner" is no trust anchor group',
        'mtlsd.toml: client.pinned.certificate: "missing.pem" does not exist',
    ]
    assert [note.remedy for note in example.notes()][2] == "Did you mean certificate?"


def test_everything_has_a_remedy(example: Example) -> None:
    example.document["listener"] = []
    example.document["issuer"] = "http://as.example.com/"
    for note in example.notes():
        assert note.remedy.endswith((".", "?")), note


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "mtlsd.toml", NOW)
    assert [str(note).splitlines()[0] for note in caught.value.mistakes] == ["mtlsd.toml: does not exist"]
    assert str(tmp_path / "mtlsd.toml") in caught.value.mistakes[0].remedy


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"issuer = https", "is not TOML at line 1, column 10: Invalid value"),
        (b"a = 1\na = 2\n", "is not TOML at line 2, column 6: Cannot overwrite a value"),
        (b"issuer = '\xff'", "is not UTF-8 in line 1"),
        (b"a = " + b"9" * 5000, 'is not TOML: "Exceeds the limit'),
        (b"a = 0x" + b"f" * 5000, 'is not TOML: "an integer has more than 64 bits"'),
        (b"a = " + b"[" * 5000, "is nested too deeply"),
        (b"a = " + b"[" * 20 + b"]" * 20, "is nested too deeply"),
        (b".".join([b"a"] * 5000) + b" = 1", "is nested too deeply"),
    ],
)
def test_no_toml(example: Example, content: bytes, message: str) -> None:
    example.put("mtlsd.toml", content)
    with pytest.raises(ConfigError) as caught:
        load(example.path, NOW)
    (note,) = caught.value.mistakes
    assert note.message.startswith(message)


def test_clients_beside(example: Example) -> None:
    """Names of certificates start at the directory of the file that has them."""
    del example.document["client"][1]
    example.put("clients.d/b.toml", _PINNED)
    example.put("clients.d/pinned.pem", (example.directory / "pinned.pem").read_bytes())
    example.put("clients.d/a.toml", _BILLING.replace("billing", "other"))
    for name in ("c.txt", ".hidden.toml", "d.toml~"):
        example.put(f"clients.d/{name}", "no toml")
    registrations = example.load().config.registrations
    assert [(own.client.client_id, own.origin) for own in registrations] == [
        ("billing", "mtlsd.toml"),
        ("other", "clients.d/a.toml"),
        ("pinned", "clients.d/b.toml"),
    ]


_PINNED = """
[[client]]
client_id = "pinned"
token_endpoint_auth_method = "self_signed_tls_client_auth"
certificate = "pinned.pem"
"""
_BILLING = """
[[client]]
client_id = "billing"
token_endpoint_auth_method = "tls_client_auth"
tls_client_auth_san_dns = "billing.partner.example"
trust_anchors = ["partners"]
"""


def test_conflicts_among_files(example: Example) -> None:
    """One subject under one anchor group belongs to one client, wherever it is registered."""
    example.put("clients.d/a.toml", _BILLING.replace('"billing"', '"thief"'))
    example.put("clients.d/b.toml", _BILLING)
    places = [note.place for note in example.notes()]
    assert places == [
        "clients.d/a.toml: client.thief.tls_client_auth_san_dns",
        "clients.d/b.toml: client.billing.client_id",
    ]


def test_mistakes_beside(example: Example) -> None:
    example.put("clients.d/a.toml", 'client_id = "a"\nlistener = []\n')
    example.put("clients.d/b.toml", "[[client]]\nclient_id = 3\n")
    example.put("clients.d/c.toml", "oops\n")
    notes = {note.place: note for note in example.notes()}
    assert notes["clients.d/a.toml: client_id"].remedy == "Put [[client]] above it."
    assert notes["clients.d/a.toml: listener"].remedy == "Only [[client]] may stand here."
    assert "clients.d/b.toml: client[0].client_id" in notes
    assert notes["clients.d/c.toml"].message.startswith("is not TOML at line 1")


def test_clients_beside_is_a_file(example: Example) -> None:
    example.put("clients.d", "")
    assert example.told() == ["clients.d: cannot be read: Not a directory"]


def test_warnings_come_with_the_mistakes(example: Example) -> None:
    example.document["issuer"] = f"https://{HOST}:9999"
    example.mtls["x509_strict"] = False
    example.mtls["key"] = "missing.key"
    fatal = [note.fatal for note in example.notes()]
    assert sorted(fatal) == [False, True]


def test_time_is_an_argument(example: Example) -> None:
    """The same files are good today, and not in a year."""
    example.load(NOW)
    late = example.notes(NOW + timedelta(days=366))
    assert [note.fatal for note in late if "server certificate expired" in note.message] == [True, True]
    assert any(
        "expired" in note.message and note.place.startswith("mtlsd.toml: trust_anchors") for note in late
    )
    assert any("expired" in note.message and note.place == "mtlsd.toml: client.pinned.jwks" for note in late)


def test_name_in_a_message_cannot_forge_a_line(example: Example) -> None:
    example.document["x\nmtlsd.toml: all is well"] = 1
    example.mtls["certificate"] = "a\nb\x1b[2J"
    for note in example.notes():
        assert note.place.isprintable()
        assert note.message.isprintable()


def test_pin_of_a_chain_is_refused(example: Example) -> None:
    """A chain would register the CA's certificate as if it were a client's."""
    example.put("pinned.pem", pem(pki().pinned.leaf) + pem(pki().root.der))
    assert example.told() == ['mtlsd.toml: client.pinned.certificate: "pinned.pem" has 2 certificates']


def test_certificate_of_a_client_with_a_name(example: Example) -> None:
    example.client(0)["certificate"] = "pinned.pem"
    (note,) = example.notes()
    assert note.place == "mtlsd.toml: client.billing.certificate"


def test_unknown_key_of_a_client(example: Example) -> None:
    example.client(1)["certificat"] = example.client(1).pop("certificate")
    notes = {note.place: note for note in example.notes()}
    assert notes["mtlsd.toml: client.pinned.certificat"].remedy == "Did you mean certificate?"

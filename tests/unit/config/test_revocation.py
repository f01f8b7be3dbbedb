"""`revocation` of trust anchors, and `[fetch]`: what is read, and every mistake in them."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mtlsd.config.lists import READ_AT_ONCE
from mtlsd.config.load import load
from mtlsd.pki.revocation import RevocationPolicy
from tests.pki.crls import SHA1_WITH_RSA, crl_of, entry, extension
from tests.pki.maker import NOW
from tests.unit.config.example import Example, crl_pem, pem, pki, server

GROUP = "mtlsd.toml: trust_anchors.partners"
PLACE = f"{GROUP}.revocation"
URL = "https://pki.example/ca.crl"
RESPONDER = "http://ocsp.example/"


@pytest.fixture
def example(tmp_path: Path) -> Example:
    return Example.make(tmp_path)


def policy(example: Example, **revocation: Any) -> RevocationPolicy:
    example.group["revocation"] = revocation
    loaded = example.load()
    assert loaded.warnings == ()
    made = loaded.config.groups[0].revocation
    assert made is not None
    return made


def told(example: Example, **revocation: Any) -> list[str]:
    example.group["revocation"] = revocation
    return example.told()


def remedy(example: Example) -> str:
    (note,) = example.notes()
    return note.remedy


# -- what is read ---------------------------------------------------------------------------------------


def test_defaults(example: Example) -> None:
    made = policy(example, crl=["partners.crl"])
    assert made == RevocationPolicy(("crl",), crl_files=(str(example.directory / "partners.crl"),))
    assert (made.on_unknown, made.max_age, made.grace) == ("refuse", timedelta(days=7), timedelta())


def test_everything(example: Example) -> None:
    responder = server().leaf
    example.put("ocsp.pem", pem(responder))
    made = policy(
        example,
        crl=["partners.crl", "HTTPS://PKI.example:443/ca.crl", URL, "from-certificate"],
        ocsp=RESPONDER,
        ocsp_responders=["ocsp.pem"],
        order=["crl", "ocsp"],
        require_nonce=True,
        max_age_hours=24,
        grace_minutes=30,
    )
    assert made.order == ("crl", "ocsp")
    assert (made.crl_urls, made.crl_from_certificate, made.ocsp_url) == ((URL,), True, RESPONDER)
    assert [own.der for own in made.ocsp_responders] == [responder]
    assert (made.require_nonce, made.max_age, made.grace) == (True, timedelta(days=1), timedelta(minutes=30))


def test_ocsp_comes_first(example: Example) -> None:
    """One small answer about one certificate is newer than a list, as a rule."""
    made = policy(example, crl=["from-certificate"], ocsp="from-certificate")
    assert (made.order, made.ocsp_url) == (("ocsp", "crl"), None)


def test_group_without_revocation_is_warned_of(example: Example) -> None:
    del example.group["revocation"]
    assert example.told() == [f"?{PLACE}: is missing: a revoked certificate is good until it expires"]
    assert 'revocation = { crl = ["FILE or URL"]' in remedy(example)


def test_allow_is_warned_of(example: Example) -> None:
    assert told(example, crl=["partners.crl"], on_unknown="allow") == [
        f'?{PLACE}.on_unknown: is "allow": where no source can tell, a revoked certificate is good'
    ]


# -- words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("revocation", "message"),
    [
        ({}, ": has neither crl nor ocsp"),
        ({"crl": [], "on_unknown": "refuse"}, ": has neither crl nor ocsp"),
        ({"crl": "partners.crl"}, '.crl: is "partners.crl"'),
        ({"crls": [URL], "ocsp": RESPONDER}, ".crls: is an unknown key"),
        ({"ocsp": RESPONDER, "on_unknown": "refused"}, '.on_unknown: "refused" is unknown here'),
        ({"ocsp": RESPONDER, "order": ["ocps"]}, '.order[0]: "ocps" is unknown here'),
        ({"ocsp": RESPONDER, "order": ["ocsp", "crl"]}, '.order: has "crl", which is not configured'),
        ({"ocsp": RESPONDER, "crl": [URL], "order": ["ocsp"]}, '.order: lacks "crl", which is configured'),
        ({"ocsp": RESPONDER, "order": ["ocsp", "ocsp"]}, ".order: has a source twice"),
        ({"ocsp": RESPONDER, "max_age_hours": 0}, ".max_age_hours: 0 is out of bounds"),
        ({"ocsp": RESPONDER, "grace_minutes": "5"}, '.grace_minutes: is "5"'),
        ({"ocsp": "from-certificates"}, '.ocsp: "from-certificates" is no URL'),
        ({"ocsp": "ocsp.example"}, '.ocsp: "ocsp.example" is no URL'),
        (
            {"ocsp": "ldap://ocsp.example/"},
            '.ocsp: "ldap://ocsp.example/" cannot be fetched from: neither http nor https: ldap',
        ),
        (
            {"crl": ["file:///etc/ca.crl"]},
            '.crl[0]: "file:///etc/ca.crl" cannot be fetched from: not a URL to fetch from: file:///etc/ca.crl',
        ),
        (
            {"crl": ["http://pki.example:25/"]},
            '.crl[0]: "http://pki.example:25/" cannot be fetched from: '
            "port 25 is neither 80, 443 nor one above 1023",
        ),
        ({"crl": [URL], "ocsp_responders": ["root.pem"]}, ".ocsp_responders: means nothing without ocsp"),
        ({"ocsp": RESPONDER, "ocsp_responders": ["a.pem"]}, '.ocsp_responders: "a.pem" does not exist'),
    ],
)
def test_mistakes(example: Example, revocation: dict[str, Any], message: str) -> None:
    assert told(example, **revocation) == [PLACE + message]
    assert remedy(example)


def test_close_word_is_suggested(example: Example) -> None:
    example.group["revocation"] = {"ocsp": "from-certificates"}
    assert remedy(example).startswith("Did you mean from-certificate? ")
    example.group["revocation"] = {"crl": ["from-certificates"]}
    assert remedy(example) == "Did you mean from-certificate?"


def test_expired_responder(example: Example) -> None:
    example.put("ocsp.pem", pem(server(valid=pki().valid(-9, -1)).leaf))
    assert told(example, ocsp=RESPONDER, ocsp_responders=["ocsp.pem"]) == [
        f"?{PLACE}.ocsp_responders: CN=as.example.com expired on 2026-11-20"
    ]


# -- files of lists ---------------------------------------------------------------------------------------


def test_files_that_are_no_lists(example: Example) -> None:
    """Everything that is wrong is told at once."""
    example.put("empty.crl", b"")
    example.put("torn.crl", crl_of(pki().root).der()[:-1])
    unknown = extension("unknown", b"\x05\x00", critical=True)
    example.put("critical.crl", crl_of(pki().root, more=[unknown]).der())
    names = ["gone.crl", ".", "empty.crl", "root.pem", "torn.crl", "critical.crl"]
    notes = told(example, crl=["partners.crl", *names])
    assert [note.partition(" is ")[0] for note in notes[2:5]] == [
        f'{PLACE}.crl[{index}]: "{names[index - 1]}"' for index in (3, 4, 5)
    ]
    assert notes[0] == f'{PLACE}.crl[1]: "gone.crl" does not exist'
    assert notes[1] == f'{PLACE}.crl[2]: "." is not a regular file'
    assert notes[2].endswith("is no revocation list: neither DER nor PEM of a revocation list")
    assert notes[5].startswith(f'{PLACE}.crl[6]: "critical.crl" cannot be used: The list has a critical')


def test_weak_signature(example: Example) -> None:
    example.put("partners.crl", crl_of(pki().root, algorithm=SHA1_WITH_RSA).der())
    (note,) = told(example, crl=["partners.crl"])
    assert "signed with MD5, SHA-1 or an algorithm that is not known here" in note


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"next_update": NOW - timedelta(hours=1)}, "is out of date: nextUpdate 2026-11-21T11:00:00+00:00"),
        ({"this_update": NOW + timedelta(hours=1)}, "is not valid yet: thisUpdate 2026-11-21T13:00:00+00:00"),
        ({"key": pki().intermediate.key}, "was signed by another key than that of the group's CA: CN=Root"),
    ],
)
def test_lists_that_say_nothing(example: Example, how: dict[str, Any], message: str) -> None:
    """They are warned of: they may have been good, or be good some day."""
    example.put("partners.crl", crl_pem(pki().root, **how))
    (note,) = told(example, crl=["partners.crl"])
    assert note.startswith(f'?{PLACE}.crl[0]: "partners.crl" {message}')


def test_grace(example: Example) -> None:
    past = NOW - timedelta(minutes=10)
    lists = (crl_pem(own, next_update=past) for own in (pki().root, pki().intermediate))
    example.put("partners.crl", "".join(lists))
    assert len(told(example, crl=["partners.crl"])) == 2
    assert told(example, crl=["partners.crl"], grace_minutes=15) == []


def test_list_of_another_ca(example: Example) -> None:
    example.put("partners.crl", crl_pem(pki().ca("Stranger", None, role="stranger")))
    (note,) = told(example, crl=["partners.crl"])
    assert note.startswith(f'?{PLACE}.crl[0]: "partners.crl" is by none of the group\'s CAs: CN=Stranger')


def test_ca_without_list(example: Example) -> None:
    """Every certificate of the path is checked (R40): a CA without a list makes all it issued unknown."""
    example.put("partners.crl", crl_pem(pki().root, entry(7)))
    assert told(example, crl=["partners.crl"]) == [
        f"?{PLACE}.crl: has no list of CN=Intermediate,O=Test PKI: nobody can tell what it revoked"
    ]
    assert told(example, crl=["partners.crl", URL]) == []
    assert told(example, crl=["partners.crl"], ocsp="from-certificate") == []


def test_broken_group_does_not_blame_its_lists(example: Example) -> None:
    example.put("root.pem", "")
    example.put("torn.crl", b"\x30")
    example.group["revocation"] = {"crl": ["partners.crl", "torn.crl"]}
    assert [note.place for note in example.notes()] == [f"{GROUP}.certificates", f"{PLACE}.crl[1]"]


def test_large_list_is_left_to_those_who_may_wait(example: Example) -> None:
    """A reload reads nothing for so long that requests would notice."""
    example.put("partners.crl", b"\n" * (READ_AT_ONCE + 1))
    assert told(example, crl=["partners.crl"]) == []
    with pytest.raises(Exception, match="is no revocation list"):
        load(example.path, NOW, largest_list=READ_AT_ONCE + 1)


# -- [fetch] ------------------------------------------------------------------------------------------------


def test_fetch(example: Example) -> None:
    example.document["fetch"] = {
        "allow": ["10.1.0.0/16", "ocsp.internal.example"],
        "trusted_certificates": ["root.pem"],
        "cache": "fetched",
        "wait_seconds": 3,
    }
    fetch = example.load().config.fetch
    assert fetch.allow == ("10.1.0.0/16", "ocsp.internal.example")
    assert [own.der for own in fetch.trusted_certificates] == [pki().root.der]
    assert (fetch.cache, fetch.wait_seconds) == (example.directory / "fetched", 3)


def test_fetch_defaults(example: Example) -> None:
    fetch = example.load().config.fetch
    assert (fetch.allow, fetch.trusted_certificates) == ((), ())
    assert (fetch.cache, fetch.wait_seconds) == (example.directory / "cache", 5)
    assert not fetch.cache.exists()


def test_fetch_mistakes(example: Example) -> None:
    example.document["fetch"] = {
        "allow": ["10.1.0.1/16", "http://ocsp.example/", "ok.example", "127.1"],
        "trusted_certificates": ["gone.pem"],
        "cache": "root.pem",
        "wait_seconds": 0,
        "proxy": "",
    }
    assert sorted(note.partition(": ")[2] for note in example.told()) == [
        'fetch.allow[0]: "10.1.0.1/16" is neither network, address nor host',
        'fetch.allow[1]: "http://ocsp.example/" is neither network, address nor host',
        'fetch.allow[3]: "127.1" is neither network, address nor host',
        'fetch.cache: "root.pem" is no directory',
        "fetch.proxy: is an unknown key",
        'fetch.trusted_certificates: "gone.pem" does not exist',
        "fetch.wait_seconds: 0 is out of bounds",
    ]


def test_cache_that_others_can_write(example: Example) -> None:
    (example.directory / "cache").mkdir(mode=0o777)
    (example.directory / "cache").chmod(0o777)
    assert example.told() == ["?mtlsd.toml: fetch.cache: is open to other users: nothing is kept there"]


def test_cache_that_cannot_be_made(example: Example, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default, beside a configuration in /etc: the daemon would run, and ask everybody at each start."""
    monkeypatch.setattr("mtlsd.config.fetching.os.access", lambda path, mode: path != example.directory)
    cache = example.directory / "cache"
    assert example.told() == [
        f'?mtlsd.toml: fetch.cache: "{cache}" cannot be written: nothing outlives a restart'
    ]
    cache.mkdir(mode=0o700)
    assert example.told() == []


def test_a_private_place_may_be_written_down(example: Example) -> None:
    """Who writes the configuration decides; a URL in a certificate goes by [fetch] allow alone."""
    assert told(example, crl=["http://127.0.0.1:8080/ca.crl"], ocsp="http://[fd00::7]/") == []

"""Revocation as operators have it: lists and responders of openssl, cfssl and nginx, and clients of others.

Each test has a CA of its own where it matters what mtlsd knows already.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator

import pytest

from tests.end_to_end import clients
from tests.end_to_end.cfssl import Cfssl
from tests.end_to_end.clients import VERSIONS, NoAnswer, Session
from tests.end_to_end.clients import request_token as form
from tests.end_to_end.daemon import Daemon, eventually, mtlsd, running
from tests.end_to_end.openssl_ca import responder_port
from tests.end_to_end.real_pki import (
    CLIENT,
    REVOKED,
    UNKNOWN,
    RealPki,
    check_alert,
    check_issued,
    check_refused,
    restarted,
)
from tests.end_to_end.setup import HOST, Setup, free_port
from tests.end_to_end.tools import needs
from tests.ocsp_responses import Responder
from tests.pki import DNS

pytestmark = needs("openssl", "nginx", "curl")

HASTY = (sys.executable, str(clients.PROGRAMS / "hasty_mtlsd.py"), "run", "-c")
LISTED = ("crl-file", "crl-url")
"""The groups whose lists are known before the first client comes."""
ASKED = ("ocsp", "allow", "ocsp-crl", "crl-ocsp", "crl-certificate")


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealPki]:
    with RealPki(tmp_path_factory.mktemp("revocation")) as pki:
        yield pki


@pytest.fixture(scope="module")
def daemon(pki: RealPki) -> Iterator[Daemon]:
    """One with a group for each policy; the lists of two groups are about the CA `listed` alone."""
    responder = "from-certificate"
    own = ["from-certificate"]
    pki.group("ocsp", ocsp=responder)
    pki.group("allow", ocsp=responder, on_unknown="allow")
    pki.group("ocsp-crl", ocsp=responder, crl=own, order=["ocsp", "crl"])
    pki.group("crl-ocsp", ocsp=responder, crl=own, order=["crl", "ocsp"])
    pki.group("crl-certificate", crl=own)
    listed = pki.ca("listed")
    pki.leaf(listed, "good")
    pki.revoked(listed, "bad")
    listed.publish(pki.setup.directory / "listed.pem", form="PEM")
    pki.root.publish(pki.setup.directory / "root.crl")
    pki.group("crl-file", listed, crl=["listed.pem", "root.crl"])
    pki.group("crl-url", listed, crl=[pki.url("listed.crl"), pki.url("root.crl")])
    with running(pki.setup) as daemon:
        for name in ("listed.crl", "root.crl"):
            daemon.event("crl.updated", source=pki.url(name))
        yield daemon


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("group", ASKED)
def test_at_first_contact(pki: RealPki, daemon: Daemon, group: str, version: str) -> None:
    """R38, R41: a certificate and its CA, good and revoked, and the alert once that is known."""
    ca, port = pki.ca(f"{group}-{version}"), responder_port()
    sources = (pki.ocsp(port), pki.crl(ca))
    good, bad = pki.leaf(ca, "good", *sources), pki.revoked(ca, "bad", *sources)
    with ca.responder(port):
        mark = daemon.mark()
        refused = pki.ask(group, bad, version)
        event = check_refused(daemon, mark, refused, REVOKED, bad.certificate)
        assert event["revocation_reason"] == "keyCompromise"
        assert event["source"].startswith("ocsp" if group in ("ocsp", "allow", "ocsp-crl") else "crl")
        for program in (clients.curl, clients.openssl):
            mark = daemon.mark()
            with pytest.raises(NoAnswer) as caught:
                pki.ask(group, bad, version, program)
            check_alert(daemon, mark, caught.value)
        mark = daemon.mark()
        assert pki.ask(group, good, version).token
        check_issued(daemon, mark)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("group", LISTED)
def test_known_beforehand(pki: RealPki, daemon: Daemon, group: str, version: str) -> None:
    """Nobody is asked: the first handshake ends already."""
    mark = daemon.mark()
    with pytest.raises(NoAnswer) as caught:
        pki.ask(group, pki.written("listed", "bad"), version)
    check_alert(daemon, mark, caught.value)
    assert pki.ask(group, pki.written("listed", "good"), version).token
    check_issued(daemon, mark)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("group", ["ocsp", "allow", "ocsp-crl"])
def test_revoked_intermediate(pki: RealPki, daemon: Daemon, group: str, version: str) -> None:
    """R38: whatever its own CA says of the leaf."""
    ca, port = pki.ca(f"fallen-{group}-{version}"), responder_port()
    leaf = pki.leaf(ca, "good", pki.ocsp(port), pki.crl(ca))
    pki.root.revoke(ca.certificate, "CACompromise")
    pki.root.nudge(pki.root_ocsp)
    with ca.responder(port):
        mark = daemon.mark()
        answer = pki.ask(group, leaf, version)
        event = check_refused(daemon, mark, answer, REVOKED, leaf.certificate)
        assert (event["ca_subject"], event["revocation_reason"]) == (
            f"CN={ca.name},O=Real CA",
            "cACompromise",
        )
        mark = daemon.mark()
        with pytest.raises(NoAnswer) as caught:
            pki.ask(group, leaf, version)
        check_alert(daemon, mark, caught.value)


def test_revoked_intermediate_by_list(tmp_path_factory: pytest.TempPathFactory) -> None:
    with RealPki(tmp_path_factory.mktemp("fallen")) as pki:
        pki.group("crl", crl=["from-certificate"])
        ca, other = pki.ca("Fallen"), pki.ca("Standing")
        leaf, good = pki.leaf(ca, "leaf", pki.crl(ca)), pki.leaf(other, "good", pki.crl(other))
        pki.root.revoke(ca.certificate)
        pki.publish(pki.root)
        with running(pki.setup) as daemon:
            answer = pki.ask("crl", leaf, clients.TLS_1_3)
            event = check_refused(daemon, 0, answer, REVOKED, leaf.certificate)
            assert event["ca_subject"] == "CN=Fallen,O=Real CA"
            assert pki.ask("crl", good, clients.TLS_1_3).token


@pytest.mark.parametrize("version", VERSIONS)
def test_unknown_to_its_responder(pki: RealPki, daemon: Daemon, version: str) -> None:
    """R41: `unknown` is not good."""
    ca, port = pki.ca(f"forgetful-{version}"), responder_port()
    leaf = pki.leaf(ca, "leaf", pki.ocsp(port))
    ca.forget(leaf.certificate)
    with ca.responder(port):
        mark = daemon.mark()
        answer = pki.ask("ocsp", leaf, version)
        event = check_refused(daemon, mark, answer, UNKNOWN, leaf.certificate, trust_anchors=["ocsp"])
        assert "ocsp.unknown" in str(event["seen"])
        with pytest.raises(NoAnswer) as caught:  # that is known now
            pki.ask("ocsp", leaf, version)
        check_alert(daemon, mark, caught.value, UNKNOWN)
        mark = daemon.mark()
        assert pki.ask("allow", leaf, version).token
        check_issued(daemon, mark, ["allow"])


@pytest.mark.parametrize("version", VERSIONS)
def test_nobody_answers(pki: RealPki, daemon: Daemon, version: str) -> None:
    """What happens then is what `on_unknown` says, and the audit log has it."""
    ca, dead = pki.ca(f"mute-{version}"), free_port()
    leaf = pki.leaf(ca, "leaf", pki.ocsp(dead))
    mark = daemon.mark()
    answer = pki.ask("ocsp", leaf, version)
    event = check_refused(daemon, mark, answer, UNKNOWN, leaf.certificate, trust_anchors=["ocsp"])
    assert "fetch.connection" in str(event["seen"])
    daemon.event("source.failed", mark, source=f"http://{HOST}:{dead}")
    assert pki.ask("allow", leaf, version).token
    check_issued(daemon, mark, ["allow"])


def test_responder_that_goes_down(pki: RealPki, daemon: Daemon) -> None:
    """What it has said counts on, and it is asked again when it is back."""
    ca, port = pki.ca("unsteady"), responder_port()
    known, late = pki.leaf(ca, "known", pki.ocsp(port)), pki.leaf(ca, "late", pki.ocsp(port))
    with ca.responder(port):
        assert pki.ask("ocsp", known, clients.TLS_1_3).token
    mark = daemon.mark()
    assert pki.ask("ocsp", known, clients.TLS_1_3).token
    check_issued(daemon, mark)
    check_refused(daemon, mark, pki.ask("ocsp", late, clients.TLS_1_3), UNKNOWN, late.certificate)
    source = f"http://{HOST}:{port}"
    daemon.event("source.failed", mark, source=source)
    with ca.responder(port):
        eventually(lambda: pki.ask("ocsp", late, clients.TLS_1_3).status == 200)
        daemon.event("source.recovered", mark, source=source)


@pytest.mark.parametrize("group", ["ocsp-crl", "crl-ocsp"])
def test_the_other_source(pki: RealPki, daemon: Daemon, group: str) -> None:
    """Where the first source of the policy cannot tell, the second one does."""
    first, second = group.split("-")
    ca, port = pki.ca(f"half-{group}"), responder_port()
    if first == "ocsp":
        sources = (pki.ocsp(free_port()), pki.crl(ca))
    else:
        sources = (pki.ocsp(port), {"crlDistributionPoints": f"URI:{pki.url('nothing.crl')}"})
    good, bad = pki.leaf(ca, "good", *sources), pki.revoked(ca, "bad", *sources)
    with ca.responder(port):
        mark = daemon.mark()
        event = check_refused(daemon, mark, pki.ask(group, bad, clients.TLS_1_3), REVOKED, bad.certificate)
        assert event["source"].startswith(second)
        assert pki.ask(group, good, clients.TLS_1_3).token
        check_issued(daemon, mark)


def test_delta(pki: RealPki, daemon: Daemon) -> None:
    """R44: what a list does not have yet, the delta does that it names."""
    ca = pki.ca("Delta")
    good, bad = pki.leaf(ca, "good", pki.crl(ca)), pki.leaf(ca, "bad", pki.crl(ca))
    base = pki.publish(ca, freshestCRL=f"URI:{pki.url('delta.crl')}")
    ca.revoke(bad.certificate)
    pki.publish(ca, "delta.crl", delta_to=base)
    mark = daemon.mark()
    answer = pki.ask("crl-certificate", bad, clients.TLS_1_3)
    event = check_refused(daemon, mark, answer, REVOKED, bad.certificate)
    assert event["revocation_reason"] == "keyCompromise"
    assert pki.ask("crl-certificate", good, clients.TLS_1_3).token


@needs("cfssl", "curl")
@pytest.mark.parametrize("version", VERSIONS)
def test_cfssl(tmp_path_factory: pytest.TempPathFactory, version: str) -> None:
    """It answers by a delegate, from what was signed beforehand, and knows no nonce."""
    setup = Setup(tmp_path_factory.mktemp("cfssl"))
    setup.add_client("billing", tls_client_auth_san_dns=DNS)
    made = {name: setup.pki.leaf(setup.pki.root) for name in ("good", "revoked", "nobody's")}
    files = {name: setup.present(name, own) for name, own in made.items()}
    (setup.directory / "cfssl").mkdir()
    cfssl = Cfssl(setup.directory / "cfssl", Responder(setup.pki, setup.pki.root))
    for name in ("good", "revoked"):
        cfssl.sign(made[name].leaf, name)
    with cfssl.serving() as port:
        setup.document["trust_anchors"][0]["revocation"] = {"ocsp": f"http://{HOST}:{port}/"}

        def ask(name: str) -> clients.Answer:
            return clients.curl(setup.url(), setup.ca_file, files[name], form("billing"), version)

        with running(setup) as daemon:
            assert ask("good").token
            check_refused(daemon, 0, ask("revoked"), REVOKED, files["revoked"].certificate)
            with pytest.raises(NoAnswer) as caught:
                ask("revoked")
            check_alert(daemon, 0, caught.value)
            answer = ask("nobody's")
            event = check_refused(daemon, 0, answer, UNKNOWN, files["nobody's"].certificate)
            assert "ocsp." in str(event["seen"])


@pytest.mark.parametrize("where", ["url", "file"])
def test_a_list_that_is_replaced(tmp_path_factory: pytest.TempPathFactory, where: str) -> None:
    """It reaches a connection that is open before its next request, and outlives a restart without nginx."""
    with RealPki(tmp_path_factory.mktemp("replaced")) as pki:
        ca = pki.ca("own")
        good, late = pki.leaf(ca, "good"), pki.leaf(ca, "late")
        files = {"url": pki.url("own.crl"), "file": "own.crl"}
        place = pki.nginx.www / "own.crl"
        if where == "file":
            place = pki.setup.directory / "own.crl"
            os.link(pki.nginx.www / "own.crl", place)
        pki.group("crl", ca, crl=[files[where], pki.url("root.crl")])
        url, trusted = pki.setup.url("crl"), pki.setup.ca_file
        with running(pki.setup, HASTY) as daemon:
            daemon.event("crl.updated", source=pki.url("root.crl"))
            with Session(url, trusted, late) as session, Session(url, trusted, good) as other:
                kept = session.socket
                assert session.post(form(CLIENT)).token
                assert other.post(form(CLIENT)).token
                if where == "url":
                    eventually(lambda: "304" in pki.nginx.answers(), "it does not ask by ETag")
                ca.revoke(late.certificate)
                mark = daemon.mark()
                number = ca.publish(place)
                daemon.event("crl.updated", mark, number=number)
                answer = session.post(form(CLIENT))
                check_refused(daemon, mark, answer, REVOKED, late.certificate)
                assert session.socket is kept
                assert session.post(form(CLIENT)).status == 401
                assert other.post(form(CLIENT)).token
        pki.nginx.stop()
        with running(restarted(pki.setup), HASTY) as daemon:
            with pytest.raises(NoAnswer) as caught:
                pki.ask("crl", late, clients.TLS_1_2)
            check_alert(daemon, 0, caught.value)
            assert pki.ask("crl", good, clients.TLS_1_2).token
            daemon.event("source.failed", source=pki.url("root.crl"))
            assert pki.ask("crl", good, clients.TLS_1_3).token
            told = json.loads(mtlsd("revocation", "status", "-c", pki.setup.config, "--json"))
            assert number in [source.get("number") for source in told["sources"]], told

"""A daemon before an OCSP responder that does to it whatever a responder can do.

Each behaviour ends as the policy of the group says, whatever it is, and meanwhile a client whose verdict is
known gets its token. How long that takes is not measured: nobody waits for more than `wait_seconds`, and the
clients here wait for much longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import attrs
import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.end_to_end.clients import Answer, Session, python
from tests.end_to_end.clients import request_token as form
from tests.end_to_end.daemon import Daemon, Event, eventually, running
from tests.end_to_end.hostile_responder import BEHAVIOURS, HostileResponder
from tests.end_to_end.setup import Setup
from tests.ocsp_responses import Responder
from tests.pki import DNS, Written

CLIENT = "billing"
POLICIES = {"strict": "refuse", "lenient": "allow"}
"""Each is the name of a group and of its listener."""
MANY = 20

assert sum(1 for behaviour in BEHAVIOURS.values() if behaviour.why) >= 30


@attrs.define(eq=False)
class Case:
    """A daemon with a group for each policy.

    :ivar known: a certificate whose verdict both groups know.
    """

    setup: Setup
    daemon: Daemon
    responder: Responder
    known: Written

    def ask(self, group: str, presented: Written) -> Answer:
        return python(self.setup.url(group), self.setup.ca_file, presented, form(CLIENT))

    def session(self, group: str) -> Session:
        return Session(self.setup.url(group), self.setup.ca_file, self.known)

    def leaf(self, name: str, url: str) -> Written:
        return leaf(self.setup, name, url)

    def event(self, group: str, presented: Written, since: int) -> Event:
        """What the audit log has about the token request of that certificate."""
        subject = f"CN={presented.certificate.parent.name}"

        def found() -> Event | None:
            wanted = ("token.issued", "token.refused")
            own = (event for event in self.daemon.events(since=since) if event["event"] in wanted)
            return next((e for e in own if (e["listener"], e["subject"]) == (group, subject)), None)

        return eventually(found)


def leaf(setup: Setup, name: str, url: str) -> Written:
    """The client's certificate with that URL of a responder."""
    method = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url))
    more = [(x509.AuthorityInformationAccess([method]), False)]
    return setup.leaf(name, x509.DNSName(DNS), more=more)


def case(directory: Path, wait_seconds: int) -> Iterator[Case]:
    setup = Setup(directory)
    setup.document["fetch"] = {"allow": ["127.0.0.0/8"], "wait_seconds": wait_seconds}
    setup.listener("mtls")["trust_anchors"] = ["partners"]
    for name, on_unknown in POLICIES.items():
        setup.add_anchors(name, setup.pki.intermediate.der)  # of the CA itself nobody is asked
        setup.document["trust_anchors"][-1]["revocation"] = {
            "ocsp": "from-certificate",
            "on_unknown": on_unknown,
        }
        setup.add_listener(name, "required", trust_anchors=[name])
    setup.add_client(CLIENT, tls_client_auth_san_dns=DNS, trust_anchors=list(POLICIES))
    responder = Responder(setup.pki)
    with HostileResponder(responder) as honest, running(setup) as daemon:
        made = Case(setup, daemon, responder, leaf(setup, "known", honest.url))
        for name in POLICIES:
            assert made.ask(name, made.known).token
        yield made


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """Waits for a second for a responder."""
    yield from case(tmp_path_factory.mktemp("hostile"), 1)


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    yield from case(tmp_path_factory.mktemp("patient"), 60)


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_ends_as_the_policy_says(impatient: Case, name: str) -> None:
    behaviour = BEHAVIOURS[name]
    mark = impatient.daemon.mark()
    with HostileResponder(impatient.responder) as hostile, ThreadPoolExecutor() as pool:
        hostile.behave(name)
        presented = impatient.leaf(name, hostile.url)
        asked = {group: pool.submit(impatient.ask, group, presented) for group in POLICIES}
        eventually(lambda: hostile.requests)
        for group in POLICIES:
            assert impatient.ask(group, impatient.known).token
        answers = {group: own.result() for group, own in asked.items()}
    for group, answer in answers.items():
        event = impatient.event(group, presented, mark)
        if not behaviour.why:
            expected = {"good": 200, "revoked": 401, "unknown": 401 if group == "strict" else 200}
            assert answer.status == expected[behaviour.status], event
            if behaviour.status != "unknown":
                assert "revocation_unchecked" not in event
        elif group == "strict":
            assert (answer.status, answer.json["error"]) == (401, "invalid_client"), event
            assert event["reason"] == "revocation.unknown"
            assert any(why in str(event["seen"]) for why in (*behaviour.why, "revocation.deadline")), event
        else:
            assert answer.token
            assert event["revocation_unchecked"] == ["lenient"]


@pytest.mark.parametrize("group", POLICIES)
def test_many_wait(patient: Case, group: str) -> None:
    """While they do, whoever is known gets its tokens; then they end as the policy says."""
    with (
        HostileResponder(patient.responder) as hostile,
        ThreadPoolExecutor(MANY) as pool,
        patient.session(group) as session,
    ):
        hostile.behave("hang")
        leaves = [patient.leaf(f"{group}-{number}", hostile.url) for number in range(MANY)]
        waiting: list[Future[Answer]] = [pool.submit(patient.ask, group, own) for own in leaves]
        eventually(lambda: hostile.requests)
        assert session.post(form(CLIENT)).token
        assert patient.ask(group, patient.known).token
        assert session.post(form(CLIENT)).token
        assert not any(own.done() for own in waiting)
        hostile.close()
        statuses = {own.result().status for own in waiting}
    assert statuses == {401 if group == "strict" else 200}


def give_up(case: Case, hostile: HostileResponder, name: str) -> None:
    """Ask for a token, and leave when the responder has been asked."""
    before = len(hostile.requests)
    with Session(case.setup.url("strict"), case.setup.ca_file, case.leaf(name, hostile.url)) as session:
        session.connection.request("POST", session.path, "grant_type=client_credentials")
        eventually(lambda: len(hostile.requests) > before)


def test_who_gives_up_leaves_nothing(patient: Case) -> None:
    """A client that does not wait for its answer is forgotten, and the daemon goes on."""
    with HostileResponder(patient.responder) as hostile:
        hostile.behave("hang")
        for number in range(3):
            give_up(patient, hostile, f"gone-{number}")
        assert patient.ask("strict", patient.known).token

"""OCSP: requests, and responses of every honest and hostile kind."""

from __future__ import annotations

import base64
import hashlib
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import attrs
import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from hypothesis import given, settings
from hypothesis import strategies as st

from mtlsd.pki.certificate import Certificate
from mtlsd.pki.ocsp import OcspPolicy, verify_response
from mtlsd.pki.ocsp_message import BasicResponse, read_response
from mtlsd.pki.ocsp_refused import OcspRefused
from mtlsd.pki.ocsp_request import CertId, OcspRequest
from mtlsd.pki.ocsp_signer import SigningRules
from mtlsd.pki.revocation import Answer
from tests.ocsp_responses import HONEST, HOSTILE, Asked, Kind, Responder, by_key, revoked
from tests.pki import Pki

PKI = Pki()
NOW = PKI.now
RESPONDER = Responder(PKI)
CLIENT = Certificate.from_der(RESPONDER.certificate)
ISSUER = Certificate.from_der(RESPONDER.issuer.der)
NONCE = bytes(range(32))
RULES = SigningRules(ISSUER)
URL = "http://ocsp.example/"


def ask(hash_name: Any = "sha1", nonce: bytes | None = NONCE) -> OcspRequest:
    return OcspRequest.make(CertId.of(CLIENT, ISSUER, hash_name), nonce)


def verify(
    data: bytes, request: OcspRequest | None = None, rules: SigningRules = RULES, **how: Any
) -> Answer:
    how.setdefault("now", NOW)
    return verify_response(data, request or ask(), rules, source=URL, **how)


def why(data: bytes, request: OcspRequest | None = None, rules: SigningRules = RULES, **how: Any) -> str:
    with pytest.raises(OcspRefused) as caught:
        verify(data, request, rules, **how)
    assert caught.value.detail.isprintable()
    return caught.value.why


# -- requests ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hash_name", ["sha1", "sha256"])
def test_cert_id_against_the_library(hash_name: Any) -> None:
    """R41: what is asked is what anybody else would ask."""
    found = ocsp.load_der_ocsp_request(ask(hash_name).der)
    library = ocsp.OCSPRequestBuilder().add_certificate(
        x509.load_der_x509_certificate(CLIENT.der), RESPONDER.issuer.certificate, found.hash_algorithm
    )
    expected = library.build()
    assert found.hash_algorithm.name == hash_name
    assert found.issuer_name_hash == expected.issuer_name_hash
    assert found.issuer_key_hash == expected.issuer_key_hash
    assert found.serial_number == CLIENT.serial_number
    assert found.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == NONCE


@pytest.mark.parametrize("octets", [0, 33])
def test_nonces_of_other_lengths_are_not_sent(octets: int) -> None:
    """R43."""
    with pytest.raises(ValueError, match="nonce"):
        ask(nonce=bytes(octets))


@pytest.mark.parametrize("url", [URL, URL[:-1], "http://ocsp.example/a/b"])
def test_small_requests_are_got(url: str) -> None:
    """R43: caches can answer these."""
    request = OcspRequest.make(CertId("sha1", bytes(range(20)), bytes(range(20, 40)), 12345))
    http = request.to_http(url)
    assert (http.method, http.body) == ("GET", b"")
    assert len(http.url) <= 255
    head, _, tail = http.url.rpartition("/")
    assert head == url.removesuffix("/")
    assert base64.b64decode(unquote(tail), validate=True) == request.der
    assert "+" not in tail
    assert "=" not in tail


@pytest.mark.parametrize(
    ("url", "nonce"), [(URL, NONCE), ("http://ocsp.example/?ca=1", None), (URL + "a" * 200, None)]
)
def test_others_are_posted(url: str, nonce: bytes | None) -> None:
    """A nonce asks for a fresh answer; a query has no room; a long URL is cut off somewhere."""
    request = ask(nonce=nonce)
    http = request.to_http(url)
    assert (http.method, http.url, http.body) == ("POST", url, request.der)
    assert http.headers["Content-Type"] == "application/ocsp-request"


def test_two_slashes_in_a_row_are_posted() -> None:
    """Go's servers redirect to a single one, and nginx makes it one, even where they are %2F%2F."""
    request = OcspRequest.make(CertId("sha1", bytes(20), b"\xff" * 20, 5))
    assert b"//" in base64.b64encode(request.der)
    assert request.to_http(URL).method == "POST"


# -- honest responses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("nonce", [NONCE, None], ids=["nonce", "no nonce"])
@pytest.mark.parametrize("kind", HONEST.values(), ids=lambda kind: kind.name)
def test_honest_responses_are_taken(kind: Kind, nonce: bytes | None) -> None:
    request = ask(nonce=nonce)
    answer = verify(kind.make(RESPONDER, request.der), request)
    assert answer.status == kind.status
    assert answer.source == f"ocsp {URL}"
    assert answer.fetched_at == NOW
    assert answer.fresh_until is not None
    assert answer.fresh_until > NOW


def test_sha256_is_asked_and_answered() -> None:
    request = ask("sha256")
    assert verify(HONEST["issuer_by_name"].make(RESPONDER, request.der), request).status == "good"


def test_what_an_answer_says() -> None:
    answer = verify(HONEST["revoked"].make(RESPONDER, ask().der))
    assert (answer.revoked_at, answer.reason) == (NOW - timedelta(days=1), "keyCompromise")
    assert (answer.this_update, answer.next_update) == (NOW - timedelta(hours=1), NOW + timedelta(days=1))
    assert answer.facts["signer"] == "issuer"
    assert answer.facts["nonce"] == "matches"
    assert answer.fresh_until == answer.next_update


def test_on_hold_is_revoked() -> None:
    answer = verify(HONEST["on_hold"].make(RESPONDER, ask().der))
    assert (answer.status, answer.reason) == ("revoked", "certificateHold")


def test_max_age_cuts_what_next_update_promises() -> None:
    """A responder cannot make its answers last longer than the policy wants."""
    policy = OcspPolicy(max_age=timedelta(hours=2))
    answer = verify(HONEST["issuer_by_name"].make(RESPONDER, ask().der), policy=policy)
    assert answer.fresh_until == NOW + timedelta(hours=1)


# -- hostile responses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", HOSTILE.values(), ids=lambda kind: kind.name)
def test_hostile_responses_are_refused(kind: Kind) -> None:
    """R41 and R42, attack 5: each for its own reason."""
    assert why(kind.make(RESPONDER, ask().der)) in kind.why


@pytest.mark.parametrize("kind", HOSTILE.values(), ids=lambda kind: kind.name)
def test_hostile_responses_are_refused_without_nonce(kind: Kind) -> None:
    """They are no better where nobody sent a nonce; only what is wrong with the nonce no longer counts."""
    if kind.with_nonce:
        return
    request = ask("sha256", nonce=None)
    assert why(kind.make(RESPONDER, request.der), request) in kind.why


def test_nonce_can_be_demanded() -> None:
    data = HONEST["without_nonce"].make(RESPONDER, ask().der)
    assert why(data, policy=OcspPolicy(require_nonce=True)) == "ocsp.nonce"


def test_an_answer_is_not_replayed_within_its_life() -> None:
    """Attack 5: the answer to an earlier request, still fresh."""
    earlier = HONEST["issuer_by_name"].make(RESPONDER, ask(nonce=bytes(32)).der)
    assert why(earlier) == "ocsp.nonce"


def test_same_names_other_key_has_other_cert_ids() -> None:
    impostor = Certificate.from_der(RESPONDER.impostor.der)
    assert impostor.subject.matches(ISSUER.subject)
    other = CertId.of(CLIENT, impostor)
    assert other.issuer_name_hash == ask().cert_id.issuer_name_hash
    assert other != ask().cert_id


# -- who may sign --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("revoked_", "expected"), [(False, "good"), (True, "ocsp.signer.revoked")])
def test_delegates_that_another_source_knows(revoked_: bool, expected: str) -> None:
    """RFC 6960 section 4.2.2.2.1: without nocheck, a CRL may tell."""
    data = HOSTILE["delegate_without_nocheck"].make(RESPONDER, ask().der)
    rules = attrs.evolve(RULES, is_revoked=lambda _: revoked_)
    found = why(data, rules=rules) if revoked_ else verify(data, rules=rules).status
    assert found == expected


def test_a_revoked_delegate_is_refused_in_spite_of_nocheck() -> None:
    data = HONEST["delegate_by_key"].make(RESPONDER, ask().der)
    assert why(data, rules=attrs.evolve(RULES, is_revoked=lambda _: True)) == "ocsp.signer.revoked"


def test_unchecked_delegates_can_be_allowed() -> None:
    data = HOSTILE["delegate_without_nocheck"].make(RESPONDER, ask().der)
    assert verify(data, rules=attrs.evolve(RULES, allow_unchecked=True)).status == "good"


def test_configured_responder() -> None:
    """R42: it needs neither the purpose nor the issuer, nor to send its certificate."""
    own = RESPONDER.delegate(PKI.root, purposes=(), nocheck=False)
    asked = Asked.of(ask().der)
    reply = attrs.evolve(RESPONDER.by_delegate(asked, own), certificates=())
    rules = attrs.evolve(RULES, configured=(Certificate.from_der(own.der),))
    assert why(reply.to_der()) == "ocsp.responder"
    answer = verify(reply.to_der(), rules=rules)
    assert (answer.status, answer.facts["signer"]) == ("good", "configured")
    late = NOW + timedelta(days=31)
    assert why(reply.to_der(), rules=rules, now=late) == "ocsp.signer.expired"


def test_the_right_one_among_namesakes() -> None:
    """A delegate that has the same key as an expired one: the response sends both."""
    old = RESPONDER.delegate(valid=PKI.valid(-30, -1))
    new = RESPONDER.delegate()
    reply = attrs.evolve(RESPONDER.by_delegate(Asked.of(ask().der), new), certificates=(old.der, new.der))
    assert by_key(old.der) == by_key(new.der)
    assert verify(reply.to_der()).facts["signer"] == "delegate"


def test_certificates_that_nobody_can_read_are_passed_over() -> None:
    own = RESPONDER.delegate()
    reply = RESPONDER.by_delegate(Asked.of(ask().der), own)
    assert verify(attrs.evolve(reply, certificates=(b"\x30\x00", own.der)).to_der()).status == "good"


def test_a_configured_namesake_of_the_issuer_does_not_hide_it() -> None:
    impostor = Certificate.from_der(RESPONDER.impostor.der)
    data = HONEST["issuer_by_name"].make(RESPONDER, ask().der)
    assert verify(data, rules=attrs.evolve(RULES, configured=(impostor,))).facts["signer"] == "issuer"


# -- every octet ---------------------------------------------------------------------------------------------

HONEST_DER = {
    name: HONEST[name].make(RESPONDER, ask().der) for name in ("delegate_by_name", "revoked", "several")
}


@settings(max_examples=300)
@given(st.sampled_from(sorted(HONEST_DER)), st.data(), st.binary(max_size=4))
def test_a_changed_response_means_the_same_or_is_refused(
    name: str, data: st.DataObject, octets: bytes
) -> None:
    """Whatever is changed, cut out or put in: refused, or what the signed octets say and nothing else."""
    honest = HONEST_DER[name]
    at = data.draw(st.integers(0, len(honest)))
    end = data.draw(st.integers(at, min(at + 4, len(honest))))
    try:
        answer = verify(honest[:at] + octets + honest[end:])
    except OcspRefused:
        return
    assert answer == verify(honest)


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_octets_are_refused(octets: bytes) -> None:
    with pytest.raises(OcspRefused):
        verify(octets)


@settings(max_examples=60)
@given(st.binary(max_size=120))
def test_any_status_under_a_good_signature(octets: bytes) -> None:
    """What stands where the status should be: only an empty [0] is good."""
    reply = RESPONDER.reply(Asked.of(ask().der))
    single = attrs.evolve(reply.singles[0], status=octets)
    try:
        answer = verify(attrs.evolve(reply, singles=(single,)).to_der())
    except OcspRefused:
        return
    assert answer.status != "good" or octets == b"\x80\x00"


@pytest.mark.parametrize("kind", HONEST.values(), ids=lambda kind: kind.name)
def test_read_as_the_library_reads(kind: Kind) -> None:
    """Two readers, one meaning."""
    data = kind.make(RESPONDER, ask().der)
    library = ocsp.load_der_ocsp_response(data)
    own = BasicResponse.from_der(read_response(data)[2])
    assert own.signed == library.tbs_response_bytes
    assert own.signature == library.signature
    assert own.produced_at == library.produced_at_utc
    assert own.responder_key_hash == library.responder_key_hash
    for ours, theirs in zip(own.responses, library.responses, strict=True):
        assert ours.cert_id is not None
        assert ours.cert_id.serial_number == theirs.serial_number
        assert ours.cert_id.issuer_key_hash == theirs.issuer_key_hash
        assert ours.status == theirs.certificate_status.name.lower()
        assert ours.this_update == theirs.this_update_utc
        assert ours.next_update == theirs.next_update_utc


def test_revocation_reasons_have_the_names_of_the_library() -> None:
    for number in (0, 1, 2, 3, 4, 5, 6, 8, 9, 10):
        reply = RESPONDER.reply(Asked.of(ask().der))
        single = attrs.evolve(reply.singles[0], status=revoked(NOW, number))
        data = attrs.evolve(reply, singles=(single,)).to_der()
        named = ocsp.load_der_ocsp_response(data).revocation_reason
        assert named is not None
        assert verify(data).reason == named.value


def test_ids_are_small_keys() -> None:
    """They are what single-flight and caches go by."""
    cert_id = ask().cert_id
    assert hash(cert_id) == hash(ask().cert_id)
    assert len(cert_id.issuer_key_hash) == hashlib.sha1().digest_size

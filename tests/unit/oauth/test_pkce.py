"""Proof Key for Code Exchange (R65)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal
from mtlsd.oauth.forms import Form
from mtlsd.oauth.pkce import asked_challenge, challenge_of, check_verifier

# RFC 7636 appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def form(**parameters: str) -> Form:
    return Form({name: (value,) for name, value in parameters.items()})


def reason_of(verifier: str | None, challenge: str | None) -> Reason | None:
    try:
        check_verifier(verifier, challenge)
    except Refusal as refusal:
        return refusal.reason
    return None


def test_the_vector_of_the_rfc() -> None:
    assert challenge_of(VERIFIER) == CHALLENGE
    assert reason_of(VERIFIER, CHALLENGE) is None


@pytest.mark.parametrize(
    ("verifier", "challenge", "reason"),
    [
        (None, None, None),
        (None, CHALLENGE, reasons.PKCE_MISMATCH),
        (VERIFIER, None, reasons.PKCE_DOWNGRADE),
        (VERIFIER[:-1] + "l", CHALLENGE, reasons.PKCE_MISMATCH),
        (CHALLENGE, CHALLENGE, reasons.PKCE_MISMATCH),  # which "plain" would take
        (VERIFIER[:42], challenge_of(VERIFIER[:42]), reasons.PKCE_MALFORMED),
        ("a" * 43, challenge_of("a" * 43), None),
        ("a" * 128, challenge_of("a" * 128), None),
        ("a" * 129, challenge_of("a" * 129), reasons.PKCE_MALFORMED),
        ("a" * 43 + "\n", challenge_of("a" * 43 + "\n"), reasons.PKCE_MALFORMED),
        ("a" * 42 + "é", CHALLENGE, reasons.PKCE_MALFORMED),
        ("a" * 42 + "=", challenge_of("a" * 42 + "="), reasons.PKCE_MALFORMED),
    ],
)
def test_verifier(verifier: str | None, challenge: str | None, reason: Reason | None) -> None:
    assert reason_of(verifier, challenge) is reason


@given(st.from_regex(r"[A-Za-z0-9._~-]{43,128}", fullmatch=True), st.text())
def test_only_its_own_verifier(verifier: str, other: str) -> None:
    assert reason_of(verifier, challenge_of(verifier)) is None
    if other != verifier:
        assert reason_of(other, challenge_of(verifier)) is not None


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({}, reasons.PKCE_ABSENT),
        ({"code_challenge_method": "S256"}, reasons.PKCE_ABSENT),
        ({"code_challenge": CHALLENGE}, reasons.PKCE_METHOD),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, reasons.PKCE_METHOD),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "s256"}, reasons.PKCE_METHOD),
        ({"code_challenge": CHALLENGE + "A", "code_challenge_method": "S256"}, reasons.PKCE_MALFORMED),
        ({"code_challenge": CHALLENGE[:-1] + "=", "code_challenge_method": "S256"}, reasons.PKCE_MALFORMED),
    ],
)
def test_no_challenge(parameters: dict[str, str], reason: Reason) -> None:
    with pytest.raises(Refusal) as refused:
        asked_challenge(form(**parameters), required=True)
    assert refused.value.reason is reason


def test_a_challenge_may_be_optional_but_never_half() -> None:
    assert asked_challenge(form(), required=False) is None
    with pytest.raises(Refusal):
        asked_challenge(form(code_challenge_method="S256"), required=False)
    good = form(code_challenge=CHALLENGE, code_challenge_method="S256")
    assert asked_challenge(good, required=False) == CHALLENGE

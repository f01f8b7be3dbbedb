"""Reading forms: R50 to R53."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtlsd import reasons
from mtlsd.errors import Refusal
from mtlsd.oauth.forms import MAX_PARAMETERS, Form

FORM = "application/x-www-form-urlencoded"


def refusal(body: bytes, content_type: str | None = FORM) -> Refusal:
    with pytest.raises(Refusal) as raised:
        Form.from_body(body, content_type)
    return raised.value


def test_reads_what_clients_send() -> None:
    form = Form.from_body(b"grant_type=client_credentials&client_id=a%20b&scope=read+write", FORM)
    assert form.get("grant_type") == "client_credentials"
    assert form.get("client_id") == "a b"
    assert form.get("scope") == "read write"


def test_empty_counts_as_absent() -> None:
    """R51"""
    form = Form.from_body(b"client_id=&scope", FORM)
    assert form.get("client_id") is None
    assert not form.has("scope")


@pytest.mark.parametrize(
    "body", [b"client_id=a&client_id=b", b"a=1&a=1", b"a=&a=1", b"cl%69ent_id=a&client_id=b"]
)
def test_repeated_is_refused(body: bytes) -> None:
    """R51, however it is spelled"""
    assert refusal(body).reason is reasons.REQUEST_REPEATED_PARAMETER


def test_resource_may_be_repeated() -> None:
    """R67"""
    form = Form.from_body(b"resource=urn:a&resource=urn:b", FORM)
    assert form.all("resource") == ("urn:a", "urn:b")


@pytest.mark.parametrize(
    "body",
    [
        b"a=%",
        b"a=%4",
        b"a=%zz",
        b"a=%ff",
        b"a=%00",
        b"a=b c",
        b"a=\xc3\xa9",
        b"a=b\nc",
        b"a=\x00",
        b"a=b#c\t",
    ],
)
def test_malformed_is_refused(body: bytes) -> None:
    assert refusal(body).reason is reasons.REQUEST_FORM


def test_parameters_are_bounded() -> None:
    body = b"&".join(b"a%d=1" % number for number in range(MAX_PARAMETERS + 1))
    assert refusal(body).reason is reasons.REQUEST_FORM


@pytest.mark.parametrize(
    "content_type", [FORM, FORM.upper(), f"{FORM}; charset=utf-8", f'{FORM};charset="UTF-8"']
)
def test_media_type(content_type: str) -> None:
    assert Form.from_body(b"a=b", content_type).get("a") == "b"


@pytest.mark.parametrize(
    "content_type",
    [None, "", "application/json", f"{FORM}; charset=utf-16", f"{FORM}; x", f"{FORM}, {FORM}", f"{FORM}x"],
)
def test_other_media_types_are_refused(content_type: str | None) -> None:
    assert refusal(b"a=b", content_type).reason is reasons.REQUEST_CONTENT_TYPE


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=8))
def test_reads_back_what_the_library_encodes(parameters: dict[str, str]) -> None:
    parameters = {k: v for k, v in parameters.items() if "\x00" not in k + v and _encodable(k + v)}
    form = Form.from_body(urlencode(parameters).encode(), FORM)
    assert {name: form.get(name) for name in parameters} == parameters


@given(st.binary(max_size=200))
def test_anything_is_read_or_refused(body: bytes) -> None:
    """And what is read is what the standard library reads."""
    try:
        form = Form.from_body(body, FORM)
    except Refusal:
        return
    expected = parse_qsl(body.decode("ascii"), strict_parsing=False)
    assert [(name, value) for name, values in form.parameters.items() for value in values] == [
        pair for pair in dict.fromkeys(expected)
    ] or any(name == "resource" for name, _ in expected)


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True

"""Certificates that a proxy forwards to an application: R23, R70, R71, P26, P28."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any
from urllib.parse import quote

import attrs
import pytest
from twisted.web.http_headers import Headers

from mtlsd import reasons
from mtlsd.errors import Reason, Refusal
from mtlsd.forwarded.formats import FORMATS
from mtlsd.resource_server.connection import certificate_of_environ
from mtlsd.resource_server.proxied import ForwardedCertificates, is_pinned
from tests.unit.jose.keys import certificate

LEAF = certificate("P-256")
PEM = ssl.DER_cert_to_PEM_cert(LEAF)
ESCAPED = quote(PEM, safe="")
NAME = "X-SSL-Client-Cert"
BEHIND = ForwardedCertificates(FORMATS["nginx"].reader(), lambda request: True)
PAST = attrs.evolve(BEHIND, is_proxy=lambda request: False)

Fields = list[tuple[str, str]]


@attrs.frozen
class Request:
    requestHeaders: Headers


def of_environ(behind: ForwardedCertificates, fields: Fields) -> bytes | None:
    """As gunicorn does it: joined by commas, and none with `_`."""
    environ: dict[str, Any] = {}
    for name, value in fields:
        if "_" not in name:
            key = f"HTTP_{name.upper().replace('-', '_')}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
    return behind.of_environ(environ)


def of_scope(behind: ForwardedCertificates, fields: Fields) -> bytes | None:
    return behind.of_scope({"headers": [(name.encode(), value.encode()) for name, value in fields]})


def of_request(behind: ForwardedCertificates, fields: Fields) -> bytes | None:
    headers = Headers()
    for name, value in fields:
        headers.addRawHeader(name.encode(), value.encode())
    return behind.of_request(Request(headers))


WAYS = pytest.mark.parametrize("way", [of_environ, of_scope, of_request])


@WAYS
def test_what_the_proxy_says(way: Any) -> None:
    assert way(BEHIND, [(NAME, ESCAPED)]) == LEAF
    assert way(BEHIND, [(NAME.lower(), f" {ESCAPED}\t")]) == LEAF
    assert way(BEHIND, [(NAME, "")]) is None
    assert way(BEHIND, []) is None


@WAYS
@pytest.mark.parametrize("fields", [[(NAME, ESCAPED)], [(NAME, "")], []])
def test_who_is_not_the_proxy(way: Any, fields: Fields) -> None:
    with pytest.raises(Refusal) as refused:
        way(PAST, fields)
    assert refused.value.reason is reasons.FORWARDED_PROXY


MALFORMED, REPEATED = reasons.FORWARDED_MALFORMED, reasons.FORWARDED_REPEATED
BAD: list[tuple[Fields, tuple[Reason, ...]]] = [
    ([(NAME, ESCAPED), (NAME, ESCAPED)], (REPEATED, MALFORMED)),
    ([(NAME, ESCAPED), (NAME.lower(), "")], (REPEATED, MALFORMED)),
    ([(NAME, f"{ESCAPED},{ESCAPED}")], (MALFORMED,)),
    ([(NAME, ESCAPED + ESCAPED)], (MALFORMED,)),
    ([(NAME, ESCAPED[:-30])], (MALFORMED,)),
    ([(NAME, PEM.replace("\n", " "))], (MALFORMED,)),
    ([(NAME, "(null)")], (MALFORMED,)),
]


@WAYS
@pytest.mark.parametrize(("fields", "reasons_for_it"), BAD)
def test_forgeries(way: Any, fields: Fields, reasons_for_it: tuple[Reason, ...]) -> None:
    with pytest.raises(Refusal) as refused:
        way(BEHIND, fields)
    assert refused.value.reason in reasons_for_it


@WAYS
@pytest.mark.parametrize("name", ["X_SSL_Client_Cert", "X-SSL_Client-Cert"])
def test_another_spelling(way: Any, name: str) -> None:
    """Refused where the application sees it; a WSGI server must not hand it over."""
    if way is of_environ:
        assert way(BEHIND, [(name, ESCAPED)]) is None
        return
    with pytest.raises(Refusal) as refused:
        way(BEHIND, [(NAME, ESCAPED), (name, ESCAPED)])
    assert refused.value.reason is reasons.FORWARDED_SPELLING


def test_a_proxy_that_is_known_by_its_certificate(tmp_path: Path) -> None:
    class Socket:
        def __init__(self, der: bytes | None) -> None:
            self.der = der

        def getpeercert(self, binary_form: bool) -> bytes | None:
            return self.der

    file = tmp_path / "proxy.pem"
    file.write_text(PEM)
    is_proxy = is_pinned(file, certificate_of=certificate_of_environ)
    assert is_proxy({"gunicorn.socket": Socket(LEAF)})
    assert not is_proxy({"gunicorn.socket": Socket(certificate("P-256", 1))})
    assert not is_proxy({"gunicorn.socket": Socket(None)})
    assert not is_proxy({})
    assert not is_pinned(certificate_of=certificate_of_environ)({"gunicorn.socket": Socket(LEAF)})

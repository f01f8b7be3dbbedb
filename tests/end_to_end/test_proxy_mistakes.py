"""`mtlsd proxy-test` finds what is wrong with proxies: what is printed for them, with lines taken out."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.end_to_end.daemon import Daemon
from tests.end_to_end.daemon import running as daemon_running
from tests.end_to_end.real_proxies import Fronted, running
from tests.end_to_end.setup import HOST
from tests.end_to_end.tools import needs

pytestmark = needs("nginx", "haproxy", "apache2", "caddy", "curl", "openssl")

PINNED: dict[str, Any] = {"proxy_certificates": ["presented/proxy/client.pem"]}


@attrs.frozen
class Mistake:
    """One wrong configuration.

    :ivar pattern: of the lines that are wrong.
    :ivar instead: what stands there; nothing takes them out.
    :ivar outcomes: all the bad ones that are found.
    :ivar fields: some of the fields with them.
    """

    program: str
    form: str
    pattern: str
    outcomes: set[str]
    fields: set[str]
    instead: str = ""

    def made(self, text: str) -> str:
        changed, count = re.subn(self.pattern, self.instead, text, flags=re.MULTILINE)
        assert count
        return changed


MISTAKES = {
    "nginx-strips-nothing": Mistake(
        "nginx", "nginx", r'^ *proxy_set_header [\w-]+-[\w-]+ "";\n', {"leaks"},
        {"Client-Cert", "X-WSO2-MTLS-Cert"},
    ),
    "nginx-lets-underscores-in": Mistake(
        "nginx", "nginx", "underscores_in_headers off", {"leaks"}, {"X-SSL-Client-Cert", "X-Client-Cert"},
        "underscores_in_headers on",
    ),
    "nginx-passes-the-field-on": Mistake(
        "nginx", "nginx", r"^.*ssl_client_escaped_cert;\n", {"leaks", "believed"}, {"X-SSL-Client-Cert"}
    ),
    "haproxy-strips-nothing": Mistake(
        "haproxy", "haproxy", r"^ *http-request del-header .*\n", {"leaks"},
        {"Client-Cert", "X-SSL-Client-Cert"},
    ),
    "haproxy-adds": Mistake(
        "haproxy", "haproxy", r"set-header X-SSL-Client-Cert ", {"leaks"}, {"X-SSL-Client-Cert"},
        "add-header X-SSL-Client-Cert ",
    ),
    "apache-strips-nothing": Mistake(
        "apache", "rfc9440", r"^ *(RequestHeader unset|Require not).*\n", {"leaks", "believed"},
        {"Client-Cert", "X-SSL-Client-Cert"},
    ),
    "apache-obeys-connection": Mistake(
        "apache", "apache", r"^ *RequestHeader unset Connection.*\n", {"leaks", "believed"},
        {"X-Forwarded-For", "X-SSL-Client-Cert"},
    ),
    "caddy-strips-nothing": Mistake(
        "caddy", "rfc9440", r"^\s*request_header -.*\n", {"leaks", "believed"},
        {"Client-Cert", "X-Client-Cert"},
    ),
}  # fmt: skip
"""By the names of their listeners."""


@pytest.fixture(scope="module")
def fronted(tmp_path_factory: pytest.TempPathFactory) -> Fronted:
    made = Fronted(tmp_path_factory.mktemp("mtlsd"))
    for name, mistake in MISTAKES.items():
        made.add(name, format=mistake.form, **PINNED)
    made.add("nobody", format="nginx", **PINNED)
    made.add("unknown", format="nginx", **PINNED)
    return made


@pytest.fixture(scope="module", autouse=True)
def daemon(fronted: Fronted) -> Iterator[Daemon]:
    with daemon_running(fronted.setup) as found:
        yield found


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found(fronted: Fronted, tmp_path: Path, name: str) -> None:
    mistake = MISTAKES[name]
    tmp_path.chmod(0o755)
    with running(fronted, mistake.program, name, tmp_path, mistake.made):
        report = fronted.tested(name, fronted.good, code=1)
    bad = [own for own in report["forgeries"] if own["outcome"] in ("leaks", "believed")]
    assert report["ok"] is False
    assert {own["outcome"] for own in bad} == mistake.outcomes
    assert mistake.fields <= {own["field"] for own in bad}
    assert all(own["remedy"] for own in bad)


def test_who_is_taken_for_a_client_is_told(fronted: Fronted, tmp_path: Path) -> None:
    """The certificate is forged, without its key, and there is a token."""
    mistake = MISTAKES["nginx-passes-the-field-on"]
    with running(fronted, "nginx", "nginx-passes-the-field-on", tmp_path, mistake.made):
        report = fronted.tested("nginx-passes-the-field-on", fronted.good, code=1)
    answers = {own["answer"] for own in report["forgeries"] if own["outcome"] == "believed"}
    assert "200" in answers


def test_no_proxy(fronted: Fronted) -> None:
    report = fronted.tested("nobody", code=69)
    assert (report["ok"], report["forgeries"]) == (False, [])
    assert "does not answer: Connection refused" in report["problem"]


def test_a_proxy_that_never_answers(fronted: Fronted) -> None:
    port = int(fronted.url("nobody").rpartition(":")[2])
    with socket.create_server((HOST, port)):
        assert "nothing in 10 seconds" in fronted.tested("nobody", code=69)["problem"]


def test_a_proxy_of_something_else(fronted: Fronted, tmp_path: Path) -> None:
    def elsewhere(text: str) -> str:
        return re.sub(r"^ *proxy_pass .*$", "return 401;", text, flags=re.MULTILINE)

    with running(fronted, "nginx", "unknown", tmp_path, elsewhere):
        assert "does not come through to mtlsd" in fronted.tested("unknown", code=69)["problem"]


def test_a_proxy_that_is_refused_itself(fronted: Fronted, tmp_path: Path) -> None:
    """It does not tell the client's address."""

    def silent(text: str) -> str:
        return re.sub(r"^.*remote_addr;\n", "", text, flags=re.MULTILINE)

    with running(fronted, "nginx", "unknown", tmp_path, silent):
        report = fronted.tested("unknown", code=78)
    assert "refuses what the proxy itself sends: forwarded.malformed" in report["problem"]


def test_a_proxy_that_mtlsd_does_not_know(fronted: Fronted, tmp_path: Path) -> None:
    """It has no certificate of its own."""

    def anonymous(text: str) -> str:
        return re.sub(r"^ *proxy_ssl_certificate.*\n", "", text, flags=re.MULTILINE)

    with running(fronted, "nginx", "unknown", tmp_path, anonymous):
        report = fronted.tested("unknown", code=69)
    assert "does not come through to mtlsd" in report["problem"]

"""URLs in certificates and registrations that lead where mtlsd can go and a stranger cannot: nobody goes.

A trap listens on every address of this machine. Where it has not got the address, such as a cloud's metadata
service, the audit log has to have said that the address is not allowed.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import attrs
import pytest
from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.end_to_end.clients import NoAnswer, python
from tests.end_to_end.clients import request_token as form
from tests.end_to_end.daemon import MTLSD, Daemon, Event, eventually, mtlsd, running
from tests.end_to_end.hostile_responder import HostileResponder
from tests.end_to_end.setup import HOST, Setup
from tests.end_to_end.tools import needs
from tests.end_to_end.trap import Trap, name_server, redirecting
from tests.ocsp_responses import Responder
from tests.pki import DNS, Written

CLIENT = "billing"
ADDRESS, UNREADABLE = "fetch.address", ("fetch.url", "fetch.scheme", "fetch.port", "no_url", "crl.none")

PLACES = {  # the host and what is before it, and how it is refused
    "loopback": ("http://127.0.0.1:{port}/", ADDRESS),
    "loopback-https": ("https://127.0.0.1:{port}/", ADDRESS),
    "loopback-other": ("http://127.8.8.8:{port}/", ADDRESS),
    "unspecified": ("http://0.0.0.0:{port}/", ADDRESS),
    "unspecified-6": ("http://[::]:{port}/", ADDRESS),
    "loopback-6": ("http://[::1]:{port}/", ADDRESS),
    "loopback-6-long": ("http://[0:0:0:0:0:0:0:1]:{port}/", ADDRESS),
    "mapped": ("http://[::ffff:127.0.0.1]:{port}/", ADDRESS),
    "mapped-hex": ("http://[::ffff:7f00:1]:{port}/", ADDRESS),
    "compatible": ("http://[::127.0.0.1]:{port}/", ADDRESS),
    "nat64": ("http://[64:ff9b::7f00:1]:{port}/", ADDRESS),
    "6to4": ("http://[2002:7f00:1::]:{port}/", ADDRESS),
    "metadata": ("http://169.254.169.254/latest/meta-data/", ADDRESS),
    "metadata-mapped": ("http://[::ffff:169.254.169.254]/", ADDRESS),
    "private-10": ("http://10.0.0.1:{port}/", ADDRESS),
    "private-172": ("http://172.16.0.1:{port}/", ADDRESS),
    "private-192": ("http://192.168.1.1:{port}/", ADDRESS),
    "private-6": ("http://[fd00::1]:{port}/", ADDRESS),
    "link-local-6": ("http://[fe80::1]:{port}/", ADDRESS),
    "multicast": ("http://224.0.0.1:{port}/", ADDRESS),
    "broadcast": ("http://255.255.255.255:{port}/", ADDRESS),
    "localhost": ("http://localhost:{port}/", ADDRESS),
    "localhost-loud": ("HTTP://LOCALHOST:{port}/", ADDRESS),
    "parts-left-out": ("http://127.1:{port}/", UNREADABLE),
    "zero": ("http://0:{port}/", UNREADABLE),
    "integer": ("http://2130706433:{port}/", UNREADABLE),
    "hexadecimal": ("http://0x7f000001:{port}/", UNREADABLE),
    "hexadecimal-parts": ("http://0x7f.0.0.1:{port}/", UNREADABLE),
    "octal": ("http://0177.0.0.1:{port}/", UNREADABLE),
    "padded": ("http://127.0.0.01:{port}/", UNREADABLE),
    "trailing-dot": ("http://127.0.0.1.:{port}/", UNREADABLE),
    "localhost-dot": ("http://localhost.:{port}/", UNREADABLE),
    "percent": ("http://%31%32%37.0.0.1:{port}/", UNREADABLE),
    "zone": ("http://[fe80::1%25lo]:{port}/", UNREADABLE),
    "user": ("http://pki.example@127.0.0.1:{port}/", UNREADABLE),
    "user-and-password": ("http://pki.example:80@127.0.0.1:{port}/", UNREADABLE),
    "fragment": ("http://127.0.0.1:{port}#@pki.example/", UNREADABLE),
    "backslash": ("http://127.0.0.1:{port}\\@pki.example/", UNREADABLE),
    "new-line": ("http://127.0.0.1:{port}/\r\nHost: pki.example", UNREADABLE),
    "blank": ("http://127.0.0.1:{port}/ HTTP/1.1", UNREADABLE),
    "no-host": ("http:///127.0.0.1:{port}/", UNREADABLE),
    "no-slashes": ("http:127.0.0.1:{port}/", UNREADABLE),
    "ssh": ("http://127.0.0.1:22/", UNREADABLE),
    "file": ("file:///etc/passwd", UNREADABLE),
    "file-host": ("file://127.0.0.1:{port}/etc/passwd", UNREADABLE),
    "ldap": ("ldap://127.0.0.1:{port}/cn=ca?certificateRevocationList", UNREADABLE),
    "ldaps": ("ldaps://127.0.0.1:{port}/", UNREADABLE),
    "gopher": ("gopher://127.0.0.1:{port}/_GET%20/", UNREADABLE),
    "ftp": ("ftp://127.0.0.1:{port}/ca.crl", UNREADABLE),
    "unix": ("http+unix://%2Frun%2Fdocker.sock/", UNREADABLE),
    "data": ("data:,x", UNREADABLE),
}
NAMES = {  # as /etc/hosts has them
    "loopback.ssrf.example": "127.0.0.1",
    "loopback6.ssrf.example": "::1",
    "mapped.ssrf.example": "::ffff:127.0.0.1",
    "unspecified.ssrf.example": "0.0.0.0",
    "metadata.ssrf.example": "169.254.169.254",
    "ten.ssrf.example": "10.0.0.1",
    "home.ssrf.example": "192.168.1.1",
    "local6.ssrf.example": "fe80::1",
}
REDIRECTS = (301, 302, 303, 307, 308)
NAME_SERVER = "127.77.53.1"
REBINDING = "rebinding.ssrf.example"
GROUPS = {
    "ocsp": {"ocsp": "from-certificate"},
    "crl": {"crl": ["from-certificate"]},
}


def setup_with(directory: Path, **fetch: Any) -> Setup:
    """A group that asks the certificate's responder, and one that fetches its lists."""
    setup = Setup(directory)
    setup.document["fetch"] = fetch
    setup.listener("mtls")["trust_anchors"] = ["partners"]
    for name, revocation in GROUPS.items():
        setup.add_anchors(name, setup.pki.intermediate.der)
        setup.document["trust_anchors"][-1]["revocation"] = revocation
        setup.add_listener(name, "required", trust_anchors=[name])
    setup.add_client(CLIENT, tls_client_auth_san_dns=DNS, trust_anchors=list(GROUPS))
    return setup


def leaf(setup: Setup, name: str, url: str) -> Written:
    """A certificate of the client's that has this URL wherever one can be."""
    place = x509.UniformResourceIdentifier._init_without_validation(url)
    points = [x509.DistributionPoint([place], None, None, None)]
    access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, place)
    issuers = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, place)
    more: list[tuple[x509.ExtensionType, bool]] = [
        (x509.AuthorityInformationAccess([access, issuers]), False),
        (x509.CRLDistributionPoints(points), False),
        (x509.FreshestCRL(points), False),
    ]
    return setup.leaf(name, x509.DNSName(DNS), more=more)


@attrs.frozen
class Case:
    setup: Setup
    daemon: Daemon
    trap: Trap

    def refused(self, group: str, name: str, url: str) -> Event:
        """Have a client come with that URL; what the audit log says of it."""
        mark, presented, refused = self.daemon.mark(), leaf(self.setup, name, url), "token.refused"
        try:
            answer = python(self.setup.url(group), self.setup.ca_file, presented, form(CLIENT))
            assert (answer.status, answer.json["error"]) == (401, "invalid_client")
        except NoAnswer:  # it is known already that there is nobody to ask
            refused = "handshake.refused"
        return self.daemon.event(refused, mark, reason="revocation.unknown", subject=f"CN={name}")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    setup = setup_with(tmp_path_factory.mktemp("ssrf"))
    with Trap() as trap, running(setup) as daemon:
        yield Case(setup, daemon, trap)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("group", GROUPS)
def test_certificate(case: Case, group: str, place: str) -> None:
    url, expected = PLACES[place]
    event = case.refused(group, place, url.format(port=case.trap.port))
    assert case.trap.addresses == []
    codes = (expected,) if isinstance(expected, str) else expected
    assert any(code in str(event["seen"]) for code in codes), event


def test_the_trap_is_one(tmp_path: Path) -> None:
    """Where the operator allows it, the same URLs lead there."""
    setup = setup_with(tmp_path / "open", allow=["127.0.0.0/8"])
    with Trap() as trap, running(setup) as daemon:
        case = Case(setup, daemon, trap)
        for group in GROUPS:
            before = len(trap.addresses)
            event = case.refused(group, group, f"http://127.0.0.1:{trap.port}/")
            assert "fetch.connection" in str(event["seen"]) or "fetch.http" in str(event["seen"])
            assert len(trap.addresses) > before


def published_at(setup: Setup, urls: Mapping[str, str]) -> None:
    """Register a client for each of these URLs."""
    for name, url in urls.items():
        setup.add_client(name, token_endpoint_auth_method="self_signed_tls_client_auth", jwks_uri=url)


def test_jwks_uri(tmp_path: Path) -> None:
    """A client's own URL is no more trusted than a certificate's, and no stranger has it fetched."""
    setup = setup_with(tmp_path / "jwks")
    stranger = setup.present("stranger", setup.pki.self_signed("stranger"))
    with Trap() as trap:
        urls = {
            name: url.format(port=trap.port).replace("http:", "https:")
            for name, (url, expected) in PLACES.items()
            if expected == ADDRESS and url.startswith("http:")
        }
        published_at(setup, urls)
        with running(setup) as daemon:
            for url in urls.values():
                failed = daemon.event("source.failed", kind="jwks_uri", source=url)
                assert failed["error"].startswith(ADDRESS)
            with pytest.raises(NoAnswer):
                python(setup.url(), setup.ca_file, stranger, form(CLIENT))
            daemon.event("handshake.refused")
        assert trap.addresses == []


def test_jwks_uri_that_cannot_be_registered(tmp_path: Path) -> None:
    setup = Setup(tmp_path / "jwks")
    names = ("user", "fragment", "backslash", "blank", "no-host", "file", "ldap", "gopher", "ftp", "data")
    urls = {name: PLACES[name][0].format(port=4433).replace("http:", "https:") for name in names}
    published_at(setup, {**urls, "plain": "http://client.example/jwks"})
    told = mtlsd("check", "-c", setup.write(), code=78)
    for name in (*urls, "plain"):
        assert f"client.{name}.jwks_uri: " in told


def test_redirect(tmp_path: Path) -> None:
    """Nobody is redirected, wherever to, even where both may be reached."""
    setup = setup_with(tmp_path / "redirect", allow=["127.0.0.0/8"], trusted_certificates=["ca.pem"])
    identity = (setup.directory / "server.pem", setup.directory / "server.key")
    with (
        Trap() as trap,
        redirecting(f"http://{HOST}:{trap.port}/") as plain,
        redirecting(f"https://{HOST}:{trap.port}/", identity) as tls,
    ):
        uris = {f"published-{status}": f"https://{HOST}:{tls}/{status}" for status in REDIRECTS}
        published_at(setup, uris)
        with running(setup) as daemon:
            case = Case(setup, daemon, trap)
            for status, group in product(REDIRECTS, GROUPS):
                for scheme, port in (("http", plain), ("https", tls)):
                    url = f"{scheme}://{HOST}:{port}/{status}"
                    event = case.refused(group, f"{group}-{scheme}-{status}", url)
                    assert "fetch.redirect" in str(event["seen"]) or "breaker" in str(event["seen"]), event
            for uri in uris.values():
                failed = daemon.event("source.failed", kind="jwks_uri", source=uri)
                assert failed["error"].startswith("fetch.redirect")
        assert trap.addresses == []


def with_files(setup: Setup, **files: str) -> list[str]:
    """The command of a daemon that sees other files in /etc, in a mount namespace of its own."""
    steps = []
    for name, content in files.items():
        own = setup.directory / name
        own.write_text(content)
        steps.append(f"mount --bind {own} /etc/{name.replace('_', '.')}")
    steps.append('exec "$@"')
    return ["unshare", "--mount", "sh", "-ec", "\n".join(steps), "-", MTLSD, "run", "-c"]


@needs("unshare", root=True)
def test_names(tmp_path: Path) -> None:
    """What counts is where a name leads."""
    setup = setup_with(tmp_path / "names")
    hosts = "".join(f"{address} {name}\n" for name, address in NAMES.items())
    command = with_files(setup, hosts=f"127.0.0.1 localhost\n{hosts}")
    with Trap() as trap, running(setup, command) as daemon:
        case = Case(setup, daemon, trap)
        for name in NAMES:
            for group in GROUPS:
                event = case.refused(group, name, f"http://{name}:{trap.port}/")
                assert ADDRESS in str(event["seen"]), event
        assert trap.addresses == []


@needs("unshare", root=True)
def test_a_name_that_changes(tmp_path: Path) -> None:
    """One look-up for each fetch: what was checked is what is connected to."""
    setup = setup_with(tmp_path / "rebinding", allow=[HOST])
    command = with_files(
        setup,
        resolv_conf=f"nameserver {NAME_SERVER}\noptions attempts:1 timeout:2\n",
        nsswitch_conf="hosts: files dns\n",
    )
    with (
        HostileResponder(Responder(setup.pki)) as honest,
        Trap("127.0.0.2", honest.port) as trap,
        name_server(NAME_SERVER, {REBINDING: [HOST, "127.0.0.2"]}) as asked,
        running(setup, command) as daemon,
    ):
        url = f"http://{REBINDING}:{honest.port}/"
        good = leaf(setup, "first", url)
        answer = python(setup.url("ocsp"), setup.ca_file, good, form(CLIENT))
        assert answer.token
        assert (asked, len(honest.requests)) == ({REBINDING: 1}, 1)
        case = Case(setup, daemon, trap)
        event = case.refused("ocsp", "second", url)
        assert f"{ADDRESS}: {REBINDING} is at 127.0.0.2" in str(event["seen"])
        event = case.refused("crl", "third", url)
        assert ADDRESS in str(event["seen"])
        assert eventually(lambda: asked[REBINDING] > 1)
        assert len(honest.requests) == 1
        assert trap.addresses == []


def test_own_addresses(case: Case) -> None:
    """By this machine's own name, and by the address that it has for others."""
    for name in {socket.gethostname().lower(), _own_address()}:
        for group in GROUPS:
            case.refused(group, name, f"http://{name}:{case.trap.port}/")
    assert case.trap.addresses == []


def _own_address() -> str:
    """The address that packets to elsewhere would come from; none is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return HOST
        address: str = probe.getsockname()[0]
        return address

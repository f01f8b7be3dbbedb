"""One daemon for all tests of a module that need nothing special."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from cryptography import x509

from mtlsd.jose.jwk import jwk_of_certificate
from tests.end_to_end.daemon import Daemon, running
from tests.end_to_end.setup import Setup
from tests.pki import DNS, EMAIL, IP, SUBJECT, URI

IP_V6 = "2001:db8::7"
RESOURCES = ["https://api.example.com/", "urn:example:ledger"]

BY_NAME: dict[str, dict[str, Any]] = {
    "by-dn": {"tls_client_auth_subject_dn": SUBJECT},
    "by-dns": {"tls_client_auth_san_dns": DNS, "resources": RESOURCES},
    "by-uri": {"tls_client_auth_san_uri": URI},
    "by-ip": {"tls_client_auth_san_ip": IP},
    "by-ip6": {"tls_client_auth_san_ip": IP_V6},
    "by-email": {"tls_client_auth_san_email": EMAIL},
}


def many_clients(setup: Setup) -> Setup:
    """A client of each kind, and a listener of each kind.

    Listeners: mtls (required, refuses in the handshake), answers (required, refuses in the response),
    optional, held (trusts only the group that holds the intermediates), public.
    """
    pki = setup.pki
    for client_id, metadata in BY_NAME.items():
        setup.add_client(client_id, **metadata)
    setup.add_client("disabled", tls_client_auth_san_dns="disabled.example", disabled=True)
    setup.add_client("unscoped", tls_client_auth_san_dns="unscoped.example", scope="")
    pins = [pki.self_signed(f"pin {number}") for number in range(4)]
    files = [setup.present(f"pin-{number}", pin).certificate for number, pin in enumerate(pins)]
    pinned = {"token_endpoint_auth_method": "self_signed_tls_client_auth"}
    setup.add_client("pinned-pem", **pinned, certificates=[str(file) for file in files[:2]])
    keys = [jwk_of_certificate(pin.leaf) for pin in pins[2:]]
    setup.add_client("pinned-jwks", **pinned, jwks={"keys": keys})
    other = pki.ca("Other Root", None)
    held = pki.ca("Held Intermediate", other)
    setup.add_anchors("held", other.der, intermediates=(held.der,))
    setup.add_client("held", tls_client_auth_san_dns="held.example", trust_anchors=["held"])
    setup.present("held", pki.leaf(held, names=[x509.DNSName("held.example")], chain=()))
    trusted = {"trust_anchors": ["partners"]}
    setup.listener("mtls").update(trusted)
    setup.add_listener("answers", "required", refuse_in="response", **trusted)
    setup.add_listener("optional", "optional", **trusted)
    setup.add_listener("held", "required", trust_anchors=["held"])
    setup.leaf("dns", x509.DNSName(DNS))
    setup.leaf("all", x509.DNSName(DNS), x509.IPAddress(ip_address(IP)))
    return setup


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Setup:
    return many_clients(Setup(tmp_path_factory.mktemp("daemon")))


@pytest.fixture(scope="module")
def daemon(setup: Setup) -> Iterator[Daemon]:
    """A running daemon with many clients."""
    with running(setup) as running_daemon:
        yield running_daemon

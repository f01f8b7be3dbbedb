"""What real programs were seen to send (see :mod:`tests.unit.forwarded.recorded`)."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from mtlsd.errors import Refusal
from mtlsd.forwarded.formats import FORMATS
from mtlsd.forwarded.forwarded import ForwardedCertificate
from mtlsd.forwarded.proxy_protocol import ProxyEndpoint, ProxyHeader, read_header
from mtlsd.forwarded.proxy_tlvs import ProxyTLS
from mtlsd.pki.certificate import Certificate
from tests.unit.forwarded import recorded

LOOPBACK = IPv4Address("127.0.0.1")


def read(name: str, value: bytes, header: str | None = None) -> ForwardedCertificate:
    reader = FORMATS[name].reader(header)
    found = reader.parse({reader.fields[0]: value})
    assert found is not None
    return found


def subject(found: ForwardedCertificate) -> str:
    return Certificate.from_der(found.leaf).subject.to_string()


def test_debians_programs_tell_of_one_client() -> None:
    fields = {b"x-ssl-client-cert": recorded.HAPROXY, b"x-ssl-client-cert-chain": recorded.HAPROXY_CHAIN}
    found = FORMATS["haproxy"].reader().parse(fields)
    assert found is not None
    assert subject(found) == "CN=client"
    assert [Certificate.from_der(der).subject.to_string() for der in found.chain] == ["CN=intermediate"]
    for name, value in (
        ("nginx", recorded.NGINX),
        ("apache", recorded.APACHE),
        ("haproxy", recorded.HAPROXY),
        ("rfc9440", recorded.CADDY),
    ):
        assert read(name, value) == ForwardedCertificate(found.leaf)


@pytest.mark.parametrize(
    ("name", "value", "header", "expected"),
    [
        ("envoy", recorded.ENVOY_1_31, None, "CN=user,OU=users,O=example"),
        ("envoy", recorded.ENVOY_OF_CONSUL, None, ""),
        ("traefik", recorded.TRAEFIK_3, None, "O=Internet Widgits Pty Ltd,ST=Some-State,C=FR"),
        (
            "wso2",
            recorded.WSO2,
            None,
            "emailAddress=gangani@wso2.com,CN=Gaga,OU=IAM,O=WSO2,L=Colombo,ST=Western,C=SL",
        ),
        (
            "aws-alb",
            recorded.AWS_ALB_LEAF,
            "X-Amzn-Mtls-Clientcert-Leaf",
            "CN=partner.example.com,OU=partner-test,O=mTLS,C=US",
        ),
        ("aws-alb", recorded.AWS_ALB_LEAF, None, "CN=partner.example.com,OU=partner-test,O=mTLS,C=US"),
    ],
)
def test_others(name: str, value: bytes, header: str | None, expected: str) -> None:
    found = read(name, value, header)
    assert subject(found) == expected
    assert found.chain == ()


def test_no_format_reads_anothers() -> None:
    """Nothing is guessed (P26): what one program sends, no other's parser takes."""
    values = {
        "nginx": recorded.NGINX,
        "apache": recorded.APACHE,
        "haproxy": recorded.HAPROXY,
        "rfc9440": recorded.CADDY,
        "envoy": recorded.ENVOY_1_31,
        "wso2": recorded.WSO2,
        "aws-alb": recorded.AWS_ALB_LEAF,
    }
    for name in values:
        for other, value in values.items():
            # The load balancer's documentation has it in two ways, and one of them is that of nginx.
            if other != name and (name, other) != ("aws-alb", "nginx"):
                with pytest.raises(Refusal):
                    read(name, value)


def test_several_hops_of_envoy() -> None:
    with pytest.raises(Refusal) as caught:
        read("envoy", recorded.ENVOY_OF_CONSUL + b"," + recorded.ENVOY_1_31)
    assert "SANITIZE_SET" in str(caught.value.facts["detail"])


def test_haproxys_headers() -> None:
    endpoints = ProxyEndpoint(LOOPBACK, 52582), ProxyEndpoint(LOOPBACK, 19446)
    expected = ProxyHeader(False, *endpoints, ProxyTLS(True, 0, None))
    assert read_header(recorded.HAPROXY_V2, 2) == (expected, len(recorded.HAPROXY_V2))
    found = read_header(recorded.HAPROXY_V2_WITHOUT, 2)
    assert found is not None
    assert found[0].ssl == ProxyTLS(False, 0, None)
    first = ProxyHeader(source=ProxyEndpoint(LOOPBACK, 42210), destination=ProxyEndpoint(LOOPBACK, 19447))
    assert read_header(recorded.HAPROXY_V1, 1) == (first, recorded.HAPROXY_V1.index(b"GET"))


@pytest.mark.parametrize(
    ("name", "value"), [("envoy", recorded.ENVOY_1_39), ("traefik", recorded.TRAEFIK_3_7)]
)
def test_what_is_printed_makes_them_send(name: str, value: bytes) -> None:
    found = read(name, value)
    leaf, (ca,) = Certificate.from_der(found.leaf), map(Certificate.from_der, found.chain)
    assert {own.value for own in leaf.subject_alt_names} == {"a.example", "https://client.example/"}
    assert ca.subject.to_string() == leaf.issuer.to_string() == "CN=ca"

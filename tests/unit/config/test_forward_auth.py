"""Forward authentication is served to proxies alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtlsd.errors import ConfigError
from tests.unit.config.example import Example


@pytest.mark.parametrize("client_certificate", ["required", "optional", "none"])
def test_where_clients_come_it_is_a_mistake(tmp_path: Path, client_certificate: str) -> None:
    example = Example.make(tmp_path)
    example.mtls["serves"] = ["token", "forward-auth"]
    example.mtls["client_certificate"] = client_certificate
    with pytest.raises(ConfigError) as refused:
        example.load()
    assert 'listener.mtls.serves: "forward-auth" is for proxies' in str(refused.value)


def test_behind_a_proxy(tmp_path: Path) -> None:
    example = Example.make(tmp_path)
    del example.mtls["refuse_in"]
    forwarded = {"format": "nginx", "proxy_certificates": ["proxy.pem"]}
    example.mtls.update(client_certificate="forwarded", forwarded=forwarded)
    example.mtls.update(public_url="https://mtls.example.com", serves=["token", "forward-auth"])
    assert "forward-auth" in example.load().config.listeners[0].serves

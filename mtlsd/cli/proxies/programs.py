"""The proxies that `mtlsd proxy-config` knows, and what each of them can do."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import attrs

_ENVOYS_PLACE: Final = (
    "It is a listener and a cluster. It was tried with Envoy 1.39, but none of mtlsd's tests runs one: try\n"
    "proxy-test."
)
_TRAEFIKS_PLACE: Final = (
    "It is a file for providers.file, from Traefik 2.9.4 on. It was tried with Traefik 3.7, but none of\n"
    "mtlsd's tests runs one: try proxy-test."
)
_TWO_FILES: Final = ("server.pem, server.key", "client.pem, client.key")


@attrs.frozen
class Program:
    """One proxy.

    :ivar title: as its makers write it.
    :ivar files: the directory where its configuration looks for certificates and the like.
    :ivar place: where the configuration belongs, in a sentence.
    :ivar formats: those in which it can forward certificates, as :attr:`Wanted.form` has them.
    :ivar pairs: the files of the certificate and key for clients, and of those of its own for mtlsd.
    :ivar credentials: the file with the line for its credentials, and that line up to them; None where they
        come from the environment.
    :ivar environment: the file of Debian's that this environment is read from; None where there is none.
    :ivar chain: the formats in which it forwards intermediates.
    :ivar needs_anchors: whether it needs some CA to ask for certificates at all.
    :ivar tcp_place: where the configuration belongs that passes TLS on unopened.
    :ivar passthrough: the versions of the PROXY protocol that it can send then.
    :ivar sends_both: whether it can send that header before requests of its own, too.
    :ivar connects_to_sockets: whether mtlsd may listen on a UNIX socket.
    :ivar only_field: the one field that it can forward certificates in; None where that can be chosen.
    :ivar only_address: the one field that it can tell clients' addresses in; None where that can be chosen.
    """

    title: str
    files: str
    place: str
    formats: tuple[str, ...]
    pairs: tuple[str, str] = _TWO_FILES
    credentials: tuple[str, str] | None = None
    environment: str | None = None
    chain: tuple[str, ...] = ()
    needs_anchors: bool = False
    tcp_place: str = ""
    passthrough: tuple[int, ...] = ()
    sends_both: bool = False
    connects_to_sockets: bool = True
    only_field: str | None = None
    only_address: str | None = None


PROGRAMS: Mapping[str, Program] = MappingProxyType(
    {
        "nginx": Program(
            "nginx",
            "/etc/nginx/mtlsd",
            "It belongs into the http block, as /etc/nginx/conf.d/mtlsd.conf.",
            formats=("nginx", "header urlencoded-pem"),
            credentials=("credentials.conf", 'proxy_set_header X-Proxy-Authorization "Basic ...";'),
            tcp_place="It belongs beside the http block, not into it: at the end of /etc/nginx/nginx.conf.",
            passthrough=(1,),
        ),
        "haproxy": Program(
            "HAProxy",
            "/etc/haproxy/mtlsd",
            "It belongs at the end of /etc/haproxy/haproxy.cfg.",
            formats=("haproxy", "rfc9440", "header base64-der"),
            pairs=("server.pem, with its key in it", "client.pem, with its key in it"),
            environment="/etc/default/haproxy",
            chain=("haproxy",),
            needs_anchors=True,
            tcp_place="It belongs at the end of /etc/haproxy/haproxy.cfg.",
            passthrough=(1, 2),
            sends_both=True,
        ),
        "apache": Program(
            "Apache",
            "/etc/apache2/mtlsd",
            "It is a site: /etc/apache2/sites-available/mtlsd.conf. It needs the modules headers, proxy,\n"
            "proxy_http, setenvif and ssl (a2enmod).",
            formats=("apache", "rfc9440", "header pem"),
            pairs=(_TWO_FILES[0], "client.pem, with its key in it"),
            credentials=("credentials.conf", 'RequestHeader set X-Proxy-Authorization "Basic ..."'),
            chain=("rfc9440",),
        ),
        "caddy": Program(
            "Caddy",
            "/etc/caddy/mtlsd",
            "It is a site, to be imported in /etc/caddy/Caddyfile. Caddy has to be able to read the files\n"
            "below: on Debian it runs as caddy from the start, and not as root.",
            formats=("rfc9440", "header base64-der"),
            credentials=("credentials.caddy", 'header_up X-Proxy-Authorization "Basic ..."'),
        ),
        "envoy": Program(
            "Envoy",
            "/etc/envoy/mtlsd",
            _ENVOYS_PLACE,
            formats=("envoy",),
            chain=("envoy",),
            tcp_place=_ENVOYS_PLACE,
            passthrough=(1, 2),
            only_field="X-Forwarded-Client-Cert",
        ),
        "traefik": Program(
            "Traefik",
            "/etc/traefik/mtlsd",
            _TRAEFIKS_PLACE,
            formats=("traefik",),
            chain=("traefik",),
            tcp_place=_TRAEFIKS_PLACE,
            passthrough=(1, 2),
            connects_to_sockets=False,
            only_field="X-Forwarded-Tls-Client-Cert",
            only_address="X-Forwarded-For",
        ),
    }
)
"""By the names that the command takes."""

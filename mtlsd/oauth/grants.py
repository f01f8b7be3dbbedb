"""What a client asks for, and whether it may have it."""

from __future__ import annotations

from collections.abc import Collection

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.grant_types import CLIENT_CREDENTIALS, GRANT_TYPES
from mtlsd.clients.reader import is_resource, is_scope_token
from mtlsd.errors import Refusal
from mtlsd.oauth.forms import Form


@attrs.frozen
class Grant:
    """What was granted.

    :ivar scope: the scope-tokens, in the order of the registration.
    :ivar resources: the resource indicators that the request named (RFC 8707); empty when it named none.
    """

    scope: tuple[str, ...]
    resources: tuple[str, ...]


def check_grant_type(form: Form, served: Collection[str] = GRANT_TYPES) -> str:
    """:raises Refusal: `grant.absent` or `grant.unsupported`: told before the client authenticates, since it
    depends on no client.
    """
    grant_type = form.get("grant_type")
    if grant_type is None:
        raise Refusal(reasons.GRANT_ABSENT)
    if grant_type not in served:
        raise Refusal(reasons.GRANT_UNSUPPORTED, {"expected": tuple(served), "seen": grant_type[:64]})
    return grant_type


def check_may_use(client: Client, grant_type: str) -> None:
    """:raises Refusal: `grant.unauthorized`"""
    if grant_type not in client.grant_types:
        raise Refusal(reasons.GRANT_UNAUTHORIZED, {"expected": client.grant_types, "seen": grant_type})


def client_credentials(client: Client, form: Form) -> Grant:
    """RFC 6749 section 4.4.

    :raises Refusal: `grant.unauthorized`, `scope.invalid` or `resource.invalid`.
    """
    check_may_use(client, CLIENT_CREDENTIALS)
    return Grant(asked_scope(client, form.get("scope")), asked_resources(client, form.all("resource")))


def asked_scope(client: Client, asked: str | None) -> tuple[str, ...]:
    """RFC 6749 section 3.3: the registered scope when the client asks for none.

    :raises Refusal: `scope.invalid`.
    """
    if asked is None:
        return client.scope
    if asked in client.scope:
        return (asked,)
    tokens = frozenset(asked.split(" "))
    if not tokens <= frozenset(client.scope) or not all(map(is_scope_token, tokens)):
        raise Refusal(reasons.SCOPE_INVALID, {"expected": client.scope, "seen": asked[:256]})
    return tuple(token for token in client.scope if token in tokens)


def asked_resources(client: Client, asked: tuple[str, ...]) -> tuple[str, ...]:
    """RFC 8707 section 2.

    :raises Refusal: `resource.invalid`.
    """
    for resource in asked:
        if not is_resource(resource) or resource not in client.resources:
            raise Refusal(reasons.RESOURCE_INVALID, {"expected": client.resources, "seen": resource[:256]})
    return tuple(dict.fromkeys(asked))

"""Client authentication by certificate (RFC 8705 section 2)."""

from __future__ import annotations

import attrs

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.clients.index import ClientIndex
from mtlsd.errors import Refusal
from mtlsd.judge import Identity, Settled, match_client, seen_names
from mtlsd.oauth.forms import Form

# What a request carries when it authenticates in a way that no client here has registered.
_OTHER_METHODS = ("client_secret", "client_assertion", "client_assertion_type")


@attrs.frozen
class AuthenticatedClient:
    """A client that has proven who it is: having this value is the proof.

    :ivar identity: what the connection has proven, the certificate among it.
    """

    client: Client
    identity: Identity


def authenticate(
    form: Form, has_authorization: bool, judgement: Settled | None, clients: ClientIndex
) -> AuthenticatedClient:
    """The client that `form` names, if this connection has proven to be it (R1 to R4, R50).

    :param has_authorization: whether the request has an Authorization header.
    :param judgement: what the connection's certificate was judged to be; None when it came without one.
    :raises Refusal: always with the same public face, whether the client is unknown, has registered
        something else, or the certificate was refused.
    """
    client_id = form.get("client_id")
    _check_single_method(form, has_authorization, judgement)
    if client_id is None:
        raise Refusal(reasons.CLIENT_ID_ABSENT)
    if judgement is None:
        raise Refusal(reasons.CERTIFICATE_ABSENT)
    if not isinstance(judgement, Identity):
        raise judgement.refusal
    client = clients.by_id(client_id)
    if client is None:
        raise Refusal(reasons.CLIENT_UNKNOWN, {"seen": seen_names(judgement.certificate)})
    refusal = match_client(judgement, client)
    if refusal is not None:
        raise refusal
    return AuthenticatedClient(client, judgement)


def _check_single_method(form: Form, has_authorization: bool, judgement: Settled | None) -> None:
    if not has_authorization and form.parameters.keys().isdisjoint(_OTHER_METHODS):
        return
    others = [name for name in _OTHER_METHODS if form.has(name)]
    if has_authorization:
        others.append("Authorization")
    if others:
        reason = reasons.CLIENT_METHOD if judgement is None else reasons.REQUEST_MULTIPLE_METHODS
        raise Refusal(reason, {"seen": others})

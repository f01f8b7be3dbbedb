"""Grants, their tokens and how they end, held against a model of how it should be."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from mtlsd import reasons
from mtlsd.clients.client import Client
from mtlsd.errors import Reason
from mtlsd.jose.own import OwnTokens
from mtlsd.oauth.authorization import UserAuthenticated
from mtlsd.oauth.bound import BoundCertificates
from mtlsd.oauth.forms import Form
from mtlsd.oauth.live import AccessTokens, LiveToken
from mtlsd.oauth.token_endpoint import TokenIssued
from mtlsd.oauth.token_revocation import RevocationEndpoint
from mtlsd.pki.certificate import Certificate
from mtlsd.verdicts import Judge
from tests.pki import NOW
from tests.unit.oauth.grants_world import (
    CALLBACK,
    ISSUER,
    ONE,
    TWO,
    VERIFIER,
    GrantWorld,
    came,
    form,
    now_of,
    public_client,
    reason_of,
    web_client,
)
from tests.unit.world import PARTNERS, group, snapshot

OPAQUE: dict[str, Any] = {"access_token_format": "opaque"}
CLIENTS = (web_client("web", **OPAQUE), public_client("native", **OPAQUE))
LIFETIME, IDLE, ACCESS, CODE = (
    timedelta(days=8),
    timedelta(days=5),
    timedelta(minutes=5),
    timedelta(minutes=1),
)


@attrs.define(eq=False)
class Refresh:
    """A refresh token as it should be.

    :ivar used: replaced by another.
    """

    value: str
    until: datetime
    used: bool = False


@attrs.define(eq=False)
class Authorized:
    """One authorization as it should be.

    :ivar certificate: that public tokens are bound to.
    :ivar removed: nothing of it is worth anything.
    """

    client: Client
    code: str
    issued_at: datetime
    exchanged: bool = False
    removed: bool = False
    certificate: Certificate | None = None
    ends_at: datetime = NOW
    refresh: list[Refresh] = attrs.field(factory=list)
    access: dict[str, datetime] = attrs.field(factory=dict)


often = st.sampled_from((True, True, True, True, False))
newest = st.sampled_from((0, 0, 0, 1, 2))


def who(grant: Authorized, owner: bool) -> Client:
    """The client that the grant is for, or the other one."""
    return next(client for client in CLIENTS if (client is grant.client) == owner)


class GrantsMachine(RuleBasedStateMachine):
    """Clients, users, thieves and time, in any order."""

    grants = Bundle("grants")

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.world = GrantWorld(CLIENTS, lifetime=LIFETIME, idle=IDLE)
        whole = snapshot(CLIENTS, group(PARTNERS, ()))
        self.live = AccessTokens(
            ISSUER, whole.clients, Judge(whole), OwnTokens(), self.world.artifacts, BoundCertificates()
        )
        self.all: list[Authorized] = []

    @rule(target=grants, public=st.booleans())
    def authorize(self, public: bool) -> Authorized:
        return self.authorized(public)

    def authorized(self, public: bool) -> Authorized:
        client = CLIENTS[public]
        request = self.world.read(client_id=client.client_id)
        user = UserAuthenticated("user", self.now)
        location = now_of(self.world.endpoint.issue_code(request, user, request.scope, self.now))
        code = location.split("code=")[1].split("&")[0]
        self.all.append(Authorized(client, code, self.now))
        return self.all[-1]

    @rule(target=grants, public=st.booleans())
    def begin(self, public: bool) -> Authorized:
        """Most of what happens, happens to those with tokens."""
        grant = self.authorized(public)
        self.exchanged(grant, owner=True, same=True, right=True)
        return grant

    @rule(grant=grants, owner=often, same=often, right=often)
    def exchange(self, grant: Authorized, owner: bool, same: bool, right: bool) -> None:
        self.exchanged(grant, owner, same, right)

    def exchanged(self, grant: Authorized, owner: bool, same: bool, right: bool) -> None:
        by, certificate = who(grant, owner), ONE if same else TWO
        verifier = VERIFIER if right else "w" * 43
        asked = form(code=grant.code, redirect_uri=CALLBACK, code_verifier=verifier)
        there = self.now < grant.issued_at + CODE and not grant.removed
        expected: Reason | None = None
        if by is not grant.client or not there:
            expected = reasons.CODE_UNKNOWN
        elif grant.exchanged:
            expected, grant.removed = reasons.CODE_USED, True
        elif not right:
            expected = reasons.PKCE_MISMATCH
        issued = self.tried(self.world.codes(came(by, certificate), asked, self.now), expected)
        if issued is not None:
            assert issued.refresh_token is not None
            grant.exchanged, grant.certificate, grant.ends_at = True, certificate, self.now + LIFETIME
            self.keep(grant, issued)

    @rule(grant=grants, owner=often, same=often, number=newest)
    def refresh(self, grant: Authorized, owner: bool, same: bool, number: int) -> None:
        """:param number: counted from the newest refresh token on"""
        by, certificate = who(grant, owner), ONE if same else TWO
        if number >= len(grant.refresh):
            return
        token = grant.refresh[-1 - number]
        asked = form(refresh_token=token.value)
        expected: Reason | None = None
        if by is not grant.client or grant.removed or self.now >= token.until:
            expected = reasons.REFRESH_TOKEN_UNKNOWN
        elif token.used:
            expected, grant.removed = reasons.REFRESH_TOKEN_USED, True
        elif by.is_public and certificate is not grant.certificate:
            expected = reasons.REFRESH_TOKEN_CERTIFICATE
        issued = self.tried(self.world.refreshing(came(by, certificate), asked, self.now), expected)
        if issued is None:
            return
        assert (issued.refresh_token is not None) == by.is_public
        token.used = by.is_public
        later = min(self.now + IDLE, grant.ends_at)
        if later - token.until >= IDLE / 16:
            token.until = later
        self.keep(grant, issued)

    @rule(grant=grants, owner=st.booleans(), number=newest)
    def revoke_refresh_token(self, grant: Authorized, owner: bool, number: int) -> None:
        by = who(grant, owner)
        if number < len(grant.refresh):
            token = grant.refresh[-1 - number]
            now_of(self.revocation(by, token.value))
            if by is grant.client and self.now < token.until:
                grant.removed = True

    @rule(grant=grants, owner=st.booleans(), data=st.data())
    def revoke_access_token(self, grant: Authorized, owner: bool, data: st.DataObject) -> None:
        by = who(grant, owner)
        if grant.access:
            value = data.draw(st.sampled_from(sorted(grant.access)))
            now_of(self.revocation(by, value))
            if by is grant.client:
                del grant.access[value]

    @rule(seconds=st.sampled_from((1, 1, 30, 60, 240, 300, 4 * 86_400, 4 * 86_400, 5 * 86_400)))
    def time_goes_by(self, seconds: int) -> None:
        # Nobody here renews a certificate, and no token outlives one: that is tested elsewhere.
        self.now = min(self.now + timedelta(seconds=seconds), NOW + timedelta(days=29))

    @rule(most=st.integers(1, 50))
    def sweep(self, most: int) -> None:
        now_of(self.world.artifacts.sweep(self.now, most))

    @invariant()
    def access_tokens_are_worth_what_they_should_be(self) -> None:
        for grant in self.all:
            for value, until in grant.access.items():
                found = now_of(self.live.live(value, self.now))
                assert isinstance(found, LiveToken) == (not grant.removed and self.now < until)

    def keep(self, grant: Authorized, issued: TokenIssued) -> None:
        grant.access[issued.token.value] = self.now + ACCESS
        if issued.refresh_token is not None:
            until = min(self.now + IDLE, grant.ends_at)
            grant.refresh.append(Refresh(issued.refresh_token, until))

    def tried(self, attempt: Any, expected: Reason | None) -> TokenIssued | None:
        if expected is None:
            issued: TokenIssued = now_of(attempt)
            return issued
        assert reason_of(attempt) is expected
        return None

    def revocation(self, by: Client, token: str) -> Any:
        asked: Form = form(token=token)
        return RevocationEndpoint(self.live).answer(came(by), asked, self.now)


GrantsMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
TestGrants = GrantsMachine.TestCase

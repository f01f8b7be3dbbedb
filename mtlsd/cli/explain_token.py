"""`mtlsd explain --token`: what a resource server would check of an access token, step by step, offline.

The token is a secret: it comes from a file or the standard input, never from the command line, and nothing of
it is printed but what it says.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred

from mtlsd import reasons
from mtlsd.cli.common import opened_store, print_json, result_of
from mtlsd.cli.exits import NO_PERMISSION, OK, UsageError
from mtlsd.cli.terminal import GREEN, coloured
from mtlsd.cli.trace import print_checks, print_facts, print_refusal, refusal_document
from mtlsd.clients.keys import usable_keys
from mtlsd.config.model import Config
from mtlsd.errors import Fact, Refusal
from mtlsd.jose.compact import CompactJwt
from mtlsd.jose.keyring import Keyring
from mtlsd.jose.own import OwnTokens
from mtlsd.judge import PresentedCertificate, Snapshot
from mtlsd.judge.values import Check, Trace
from mtlsd.keys.files import load_if_any
from mtlsd.oauth.artifacts import Artifacts
from mtlsd.oauth.bound import BoundCertificates
from mtlsd.oauth.live import AccessTokens
from mtlsd.ops.audit import utc_now
from mtlsd.resource_server.issued import verify_issued
from mtlsd.resource_server.tracing import shown
from mtlsd.resource_server.values import RefusedToken, TokenRules, Verdict, VerifiedToken, scope_names
from mtlsd.resource_server.verifier import LONGEST_TOKEN, verify_jwt
from mtlsd.stores.refusing import RefusingArtifacts
from mtlsd.verdicts import Judge

_OF_THE_JWT = ("jwt", "typ", "alg", "kid", "alg of the key", "signature")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--token", metavar="FILE", help="an access token in a file, or - for the standard input; never itself"
    )
    parser.add_argument(
        "--audience", action="append", metavar="URI", help="with --token: who the resource server is"
    )
    parser.add_argument("--scope", metavar="NAMES", help="with --token: the scope that it requires")


def check_usage(arguments: argparse.Namespace) -> None:
    if arguments.token is None and (arguments.audience or arguments.scope is not None):
        raise UsageError("--audience and --scope go with --token")
    if arguments.token is not None and arguments.client_id is not None:
        raise UsageError("--client-id goes with a --certificate alone: a token says whose it is")
    try:
        scope_names(arguments.scope or "")
    except ValueError as error:
        raise UsageError(f"--scope: {error}") from None
    if "" in (arguments.audience or ()):
        raise UsageError("--audience is empty")


def explain(
    arguments: argparse.Namespace,
    config: Config,
    judged_by: Snapshot,
    presented: PresentedCertificate | None,
) -> int:
    """:param judged_by: with what is known about the revocation of the certificate that is presented."""
    token, now = _read(arguments.token), utc_now()
    keyring = load_if_any(config.tokens.signing_keys)
    explaining = _Explaining(
        config, judged_by, keyring, presented, arguments.audience, arguments.scope or "", now
    )
    verdict = explaining.verdict(token)
    if arguments.json:
        print_json(_document(verdict))
    else:
        _print(verdict)
    return OK if isinstance(verdict, VerifiedToken) else NO_PERMISSION


def _read(name: str) -> str:
    """:raises UsageError: and the name stays untold: somebody may have written the token itself there."""
    try:
        data = sys.stdin.buffer.read(2 * LONGEST_TOKEN) if name == "-" else _file(name)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no file has such a name"
        raise UsageError(f"--token: {why}: name a file with the token, or - for the standard input") from None
    token = data.strip().decode("latin-1")
    if not token:
        raise UsageError("--token: there is nothing in it")
    return token


def _file(name: str) -> bytes:
    with Path(name).open("rb") as file:
        return file.read(2 * LONGEST_TOKEN)


@attrs.frozen
class _Explaining:
    """What a token is explained by.

    :ivar keyring: None where there are no keys yet.
    :ivar audiences: None where nobody has said for whom it should be; it is then told, and not checked.
    """

    config: Config
    judged_by: Snapshot
    keyring: Keyring | None
    presented: PresentedCertificate | None
    audiences: list[str] | None
    scope: str
    now: datetime

    def verdict(self, token: str) -> Verdict:
        """:raises Refusal: `store.unavailable`, where there is no store to look an opaque token up"""
        jwt = self._by_keys(token) if "." in token else None
        if self.config.store.exists():
            with opened_store(self.config) as store:
                verdict = _together(jwt, self._by_store(token, RefusingArtifacts(store.artifacts)))
        elif jwt is None:
            raise Refusal(reasons.STORE_UNAVAILABLE, {"detail": "there is none here"})
        else:
            unknown = Check("revocation", "noted", None, "there is no store here that could tell")
            verdict = attrs.evolve(jwt, trace=(*jwt.trace, unknown))
        return verdict if self.audiences else attrs.evolve(verdict, trace=_told(verdict.trace))

    def _by_keys(self, token: str) -> Verdict:
        """As anybody sees a JWT who has our public keys."""
        document: Mapping[str, Any] = {"keys": []} if self.keyring is None else self.keyring.jwks(self.now)
        keys, _ = usable_keys(document)
        leaf = None if self.presented is None else self.presented.leaf
        try:
            named = CompactJwt.from_text(token, LONGEST_TOKEN).claims.get("aud")
        except ValueError:
            named = None
        verdict = verify_jwt(token, leaf, keys, self._rules(named), self.now, self.scope)
        return attrs.evolve(verdict, trace=tuple(map(self._with_state, verdict.trace)))

    def _by_store(self, token: str, artifacts: Artifacts) -> Verdict:
        """As the daemon sees any token, but for what it remembers."""
        own = OwnTokens() if self.keyring is None else OwnTokens.from_keyring(self.keyring, self.now)
        tokens = AccessTokens(
            self.config.issuer,
            self.judged_by.clients,
            Judge(self.judged_by),
            own,
            artifacts,
            BoundCertificates(),
        )

        async def work() -> Verdict:
            found = await tokens.find(token, self.now)
            rules = self._rules(None if found is None else list(found.audience))
            return await verify_issued(tokens, token, self.presented, rules, self.now, self.scope)

        return result_of(Deferred.fromCoroutine(work()))

    def _rules(self, named: object) -> TokenRules:
        """:param named: the audience of the token."""
        own = [named] if isinstance(named, str) else named
        usable = [one for one in own if isinstance(one, str) and one] if isinstance(own, list) else []
        return TokenRules(self.config.issuer, self.audiences or usable or "nobody")

    def _with_state(self, check: Check) -> Check:
        """Which of our keys it is."""
        states = {} if self.keyring is None else {"active": self.keyring.active, "next": self.keyring.next}
        if check.name != "kid" or check.outcome != "passed":
            return check
        state = next((name for name, key in states.items() if key.kid == check.seen), "retiring")
        return attrs.evolve(check, seen=f"{check.seen}, our {state} key")


def _together(jwt: Verdict | None, issued: Verdict) -> Verdict:
    """What anybody sees of the signature, and what the daemon knows beside."""
    if jwt is None:
        return issued
    unknown = isinstance(issued, RefusedToken) and issued.refusal.reason is reasons.ACCESS_TOKEN_UNKNOWN
    if unknown and isinstance(jwt, RefusedToken):
        return jwt  # which says why it is none of ours
    head = tuple(check for check in jwt.trace if check.name in _OF_THE_JWT)
    return attrs.evolve(issued, trace=(*head, *issued.trace))


def _told(trace: Trace) -> Trace:
    """The same where nobody has said for whom the token should be."""
    return tuple(
        attrs.evolve(check, outcome="noted", expected="not said: --audience")
        if check.name == "aud"
        else check
        for check in trace
    )


def _facts(verdict: Verdict) -> dict[str, Fact]:
    """Whose it is, with nothing in it that a terminal would obey."""
    return {name: shown(fact) for name, fact in verdict.facts.items()}


def _document(verdict: Verdict) -> dict[str, Any]:
    document: dict[str, Any] = {"token": _facts(verdict)}
    document["trace"] = [attrs.asdict(check) for check in verdict.trace]
    if isinstance(verdict, RefusedToken):
        document["refusal"] = refusal_document(verdict.refusal)
    else:
        document["expires_at"] = verdict.expires_at.isoformat()
    return document


def _print(verdict: Verdict) -> None:
    print("access token")
    print_facts(_facts(verdict))
    print_checks(verdict.trace)
    if isinstance(verdict, RefusedToken):
        print_refusal(verdict.refusal)
    else:
        until = f"{verdict.expires_at:%Y-%m-%d %H:%M} UTC"
        print(f"{coloured('accepted', GREEN)}  {shown(verdict.client_id)}, until {until}")

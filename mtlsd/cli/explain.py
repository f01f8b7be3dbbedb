"""`mtlsd explain`: the judge's whole trace for a certificate, offline."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import attrs

from mtlsd import reasons
from mtlsd.cli.common import add_config, add_json, load_config, print_json, stored_clients
from mtlsd.cli.exits import NO_PERMISSION, OK, UNAVAILABLE, UsageError
from mtlsd.cli.questions import nobody_to_ask, would_ask
from mtlsd.cli.terminal import coloured
from mtlsd.config.model import Config
from mtlsd.config.pem import certificates_in
from mtlsd.errors import Fact, Refusal
from mtlsd.judge import (
    Identity,
    Judgement,
    PresentedCertificate,
    Provisional,
    Refused,
    Snapshot,
    match_client,
    settle,
    stand,
)
from mtlsd.ops.audit import utc_now
from mtlsd.pki.revocation_check import Question, QuestionKey
from mtlsd.revocation.offline import OfflineKnowledge
from mtlsd.service.assembly import registrations, snapshot
from mtlsd.service.published import kept

_MARKS = {"passed": ("ok", "32"), "failed": ("REFUSED", "31"), "noted": ("note", "33")}
_ALONG_THE_PATH = {"path", "strength"}


def register(verbs: Any) -> None:
    parser = verbs.add_parser("explain", help="say whose a certificate is, or why it is refused")
    add_config(parser)
    add_json(parser)
    parser.add_argument(
        "--certificate", type=Path, required=True, metavar="FILE.pem",
        help="the client's certificate; further ones in the file are the chain that it sends",
    )  # fmt: skip
    parser.add_argument("--client-id", metavar="ID", help="also say whether it is this client's")
    parser.add_argument(
        "--listener", metavar="NAME", help="as which listener; the first that asks for certificates"
    )
    parser.set_defaults(do=_explain)


def _explain(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    chain = certificates_in(arguments.certificate)
    listener = arguments.listener or _first_listener(config)
    stored = stored_clients(config)
    judged_by = snapshot(config, stored, kept(config, registrations(config, stored)))
    if listener not in judged_by.trust:
        raise UsageError(
            f"no listener {listener!r} asks for certificates; there is {', '.join(judged_by.trust)}"
        )
    presented = PresentedCertificate(chain[0].der, tuple(own.der for own in chain[1:]), listener, "offline")
    judgement = _judged(presented, judged_by, config)
    refusal = _refusal(judgement, arguments.client_id, judged_by)
    if arguments.json:
        print_json(_document(judgement, refusal, listener))
    else:
        _print(judgement, refusal, listener, arguments.client_id)
    if isinstance(judgement, Provisional):
        return UNAVAILABLE
    return OK if refusal is None else NO_PERMISSION


def _judged(presented: PresentedCertificate, judged_by: Snapshot, config: Config) -> Judgement:
    """What a daemon would say that has read its files and its cache, and asked nobody since."""
    now = utc_now()
    standing = stand(presented, judged_by, now)
    if isinstance(standing, Refused):
        return standing
    groups = [own.group for own in standing.vouching]
    strict = judged_by.trust_of(presented.listener).strict
    known = OfflineKnowledge.read(groups, config.fetch.cache, strict, now)
    for own in standing.vouching:
        known.note(own.group.name, own.path)
    failures: dict[QuestionKey, str] = {}
    judgement = settle(standing, known, now)
    while isinstance(judgement, Provisional) and (mute := nobody_to_ask(judgement)):
        failures |= {own.key: _why(own, known) for own in mute}
        judgement = settle(standing, known, now, failures)
    return judgement


def _why(question: Question, known: OfflineKnowledge) -> str:
    """What a daemon would say of a question that nobody answers."""
    return known.why_no_list(question.group) if question.source == "crl" else ""


def _first_listener(config: Config) -> str:
    for listener in config.listeners:
        if listener.asks_for_certificate:
            return listener.name
    raise UsageError("no listener asks for certificates")


def _refusal(judgement: Judgement, client_id: str | None, judged_by: Snapshot) -> Refusal | None:
    if isinstance(judgement, Refused):
        return judgement.refusal
    if client_id is None or isinstance(judgement, Provisional):
        return None
    client = judged_by.clients.by_id(client_id)
    return Refusal(reasons.CLIENT_UNKNOWN) if client is None else match_client(judgement, client)


def _document(judgement: Judgement, refusal: Refusal | None, listener: str) -> dict[str, Any]:
    document: dict[str, Any] = {"listener": listener, "certificate": dict(judgement.facts)}
    document["trace"] = [attrs.asdict(check) for check in judgement.trace]
    if isinstance(judgement, Identity):
        document["clients"] = dict(judgement.clients)
        document["trust_anchors"] = list(judgement.groups)
        document["valid_until"] = judgement.valid_until.isoformat()
    if isinstance(judgement, Provisional):
        document["would_ask"] = [attrs.asdict(own) for own in would_ask(judgement)]
    if refusal is not None:
        document["refusal"] = {
            "reason": refusal.reason.code,
            "meaning": refusal.reason.meaning,
            "remedy": refusal.reason.remedy,
            "facts": dict(refusal.facts),
        }
    return document


def _print(judgement: Judgement, refusal: Refusal | None, listener: str, client_id: str | None) -> None:
    print(f"listener {listener}")
    for name, fact in judgement.facts.items():
        print(f"  {name:<12} {_text(fact)}")
    for check in judgement.trace:
        mark, colour = _MARKS[check.outcome]
        separator = " <- " if check.name in _ALONG_THE_PATH else ", "
        seen = "" if check.outcome == "failed" and check.seen is None else f": {_text(check.seen, separator)}"
        print(f"{coloured(f'{mark:>8}', colour)}  {check.name}{seen}")
        if check.outcome != "passed" and check.expected is not None:
            print(f"{'':>8}  expected: {_text(check.expected)}")
    if isinstance(judgement, Provisional):
        _print_questions(judgement)
    elif refusal is None and isinstance(judgement, Identity):
        clients = ", ".join(f"{name} ({method})" for name, method in judgement.clients.items())
        until = f"{judgement.valid_until:%Y-%m-%d %H:%M} UTC"
        print(f"{coloured('accepted', '32')}  {client_id or clients}, until {until}")
    elif refusal is not None:
        _print_refusal(refusal)


def _print_questions(judgement: Provisional) -> None:
    print(f"{coloured(' awaited', '33')}  Nothing that is known here tells whether it is revoked.")
    for asked in would_ask(judgement):
        print(f"{'':>8}  would ask {_text(asked.urls)} about {asked.certificate}, for {asked.trust_anchors}")


def _print_refusal(refusal: Refusal) -> None:
    print(f"{coloured(f'{refusal.reason.code:>8}', '31')}  {refusal.reason.meaning}")
    for name, fact in refusal.facts.items():
        print(f"{'':>8}  {name}: {_text(fact)}")
    print(f"{'':>8}  {refusal.reason.remedy}")


def _text(fact: Fact, separator: str = ", ") -> str:
    if isinstance(fact, str) or fact is None:
        return fact or "nothing"
    return str(fact) if isinstance(fact, int) else separator.join(fact) or "nothing"

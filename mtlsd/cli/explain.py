"""`mtlsd explain`: the whole trace for a certificate, or for an access token, offline."""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs

from mtlsd import reasons
from mtlsd.cli import explain_token
from mtlsd.cli.common import add_config, add_json, load_config, print_json, stored_clients
from mtlsd.cli.exits import NO_PERMISSION, OK, UNAVAILABLE, UsageError
from mtlsd.cli.questions import nobody_to_ask, would_ask
from mtlsd.cli.terminal import GREEN, YELLOW, coloured
from mtlsd.cli.trace import print_checks, print_facts, print_refusal, refusal_document, text_of
from mtlsd.config.model import Config
from mtlsd.config.pem import certificates_in
from mtlsd.errors import Refusal
from mtlsd.judge import (
    Identity,
    Judgement,
    PresentedCertificate,
    Provisional,
    Refused,
    Snapshot,
    Standing,
    match_client,
    settle,
    stand,
)
from mtlsd.ops.audit import utc_now
from mtlsd.pki.revocation_check import Question, QuestionKey
from mtlsd.revocation.offline import OfflineKnowledge
from mtlsd.service.published import kept
from mtlsd.service.snapshot import registrations, snapshot


def register(verbs: Any) -> None:
    parser = verbs.add_parser("explain", help="say whose a certificate or a token is, or why it is refused")
    add_config(parser)
    add_json(parser)
    parser.add_argument(
        "--certificate", type=Path, metavar="FILE.pem",
        help="the client's certificate; further ones in the file are the chain that it sends",
    )  # fmt: skip
    parser.add_argument("--client-id", metavar="ID", help="also say whether it is this client's")
    parser.add_argument(
        "--listener", metavar="NAME", help="as which listener; the first that asks for certificates"
    )
    explain_token.add_arguments(parser)
    parser.set_defaults(do=_explain)


def _explain(arguments: argparse.Namespace) -> int:
    _check_usage(arguments)
    config = load_config(arguments.config)
    listener = arguments.listener or _first_listener(config)
    stored = stored_clients(config)
    judged_by = snapshot(config, stored, kept(config, registrations(config, stored)))
    if listener not in judged_by.trust:
        raise UsageError(
            f"no listener {listener!r} asks for certificates; there is {', '.join(judged_by.trust)}"
        )
    presented = None if arguments.certificate is None else _presented(arguments.certificate, listener)
    if arguments.token is not None:
        if presented is not None:
            judged_by = _knowing(presented, judged_by, config)
        return explain_token.explain(arguments, config, judged_by, presented)
    assert presented is not None
    judgement = _judged(presented, judged_by, config)
    refusal = _refusal(judgement, arguments.client_id, judged_by)
    if arguments.json:
        print_json(_document(judgement, refusal, listener))
    else:
        _print(judgement, refusal, listener, arguments.client_id)
    if isinstance(judgement, Provisional):
        return UNAVAILABLE
    return OK if refusal is None else NO_PERMISSION


def _check_usage(arguments: argparse.Namespace) -> None:
    if arguments.token is None and arguments.certificate is None:
        raise UsageError("name a --certificate, a --token, or both")
    explain_token.check_usage(arguments)


def _presented(path: Path, listener: str) -> PresentedCertificate:
    chain = certificates_in(path)
    return PresentedCertificate(chain[0].der, tuple(own.der for own in chain[1:]), listener, "offline")


def _knowing(presented: PresentedCertificate, judged_by: Snapshot, config: Config) -> Snapshot:
    """The same snapshot with what files and cache tell about the revocation of this certificate."""
    found = _known(presented, judged_by, config, utc_now())
    return judged_by if isinstance(found, Refused) else attrs.evolve(judged_by, revocation=found[1])


def _known(
    presented: PresentedCertificate, judged_by: Snapshot, config: Config, now: datetime
) -> tuple[Standing, OfflineKnowledge] | Refused:
    """What the certificate proves, and what is known about its revocation."""
    standing = stand(presented, judged_by, now)
    if isinstance(standing, Refused):
        return standing
    groups, strict = [own.group for own in standing.vouching], judged_by.trust_of(presented.listener).strict
    known = OfflineKnowledge.read(groups, config.fetch.cache, strict, now)
    for own in standing.vouching:
        known.note(own.group.name, own.path)
    return standing, known


def _judged(presented: PresentedCertificate, judged_by: Snapshot, config: Config) -> Judgement:
    """What a daemon would say that has read its files and its cache, and asked nobody since."""
    now = utc_now()
    found = _known(presented, judged_by, config, now)
    if isinstance(found, Refused):
        return found
    standing, known = found
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
        document["refusal"] = refusal_document(refusal)
    return document


def _print(judgement: Judgement, refusal: Refusal | None, listener: str, client_id: str | None) -> None:
    print(f"listener {listener}")
    print_facts(judgement.facts)
    print_checks(judgement.trace)
    if isinstance(judgement, Provisional):
        _print_questions(judgement)
    elif refusal is None and isinstance(judgement, Identity):
        clients = ", ".join(f"{name} ({method})" for name, method in judgement.clients.items())
        until = f"{judgement.valid_until:%Y-%m-%d %H:%M} UTC"
        print(f"{coloured('accepted', GREEN)}  {client_id or clients}, until {until}")
    elif refusal is not None:
        print_refusal(refusal)


def _print_questions(judgement: Provisional) -> None:
    print(f"{coloured(' awaited', YELLOW)}  Nothing that is known here tells whether it is revoked.")
    for asked in would_ask(judgement):
        print(
            f"{'':>8}  would ask {text_of(asked.urls)} about {asked.certificate}, for {asked.trust_anchors}"
        )

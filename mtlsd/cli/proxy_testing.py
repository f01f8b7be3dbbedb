"""`mtlsd proxy-test`: send forgeries through a deployed proxy, and tell which of them come through."""

from __future__ import annotations

import argparse
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import attrs

from mtlsd.cli.common import add_config, add_json, load_config, print_json
from mtlsd.cli.exits import CONFIGURATION, OK, UNAVAILABLE, UNEXPECTED, UsageError
from mtlsd.cli.proxies.canary import NOBODY, Canary
from mtlsd.cli.proxies.findings import BAD, Trial
from mtlsd.cli.proxies.forgeries import Forgery, forgeries
from mtlsd.cli.proxies.probing import Answer, NoAnswer, Target
from mtlsd.cli.proxies.results import Result, document_of, print_result
from mtlsd.cli.proxies.wanted import Wanted, proxied
from mtlsd.config.model import Listener
from mtlsd.config.pem import certificates_in
from mtlsd.oauth.metadata import CLIENT_ENDPOINTS, PATHS
from mtlsd.ops.audit import utc_now

_HONEST: Final = Forgery("", "an honest request")
_SECONDS: Final = 300.0
_CONTROL_SECONDS: Final = 10.0


def register(verbs: Any) -> None:
    parser = verbs.add_parser("proxy-test", help="send forgeries through a reverse proxy, and see what leaks")
    add_config(parser)
    add_json(parser)
    parser.add_argument(
        "--through", required=True, metavar="URL", help="the proxy, as clients see it: https://as.example.com"
    )
    parser.add_argument("--listener", metavar="NAME", help="which listener, where several are for proxies")
    parser.add_argument(
        "--ca", type=Path, metavar="FILE.pem", help="whom to trust for the proxy's certificate; the system's"
    )
    parser.add_argument(
        "--certificate", type=Path, metavar="FILE.pem",
        help="a client's certificate to come with; and, without its key, to forge",
    )  # fmt: skip
    parser.add_argument("--key", type=Path, metavar="FILE", help="the key of that certificate")
    parser.add_argument("--client-id", metavar="ID", help="the client whose certificate that is")
    parser.set_defaults(do=_test)


def _test(arguments: argparse.Namespace) -> int:
    config = load_config(arguments.config)
    listener = proxied(config, arguments.listener)
    wanted = Wanted.from_config(config, listener, names_cas=False)
    if (arguments.certificate is None) != (arguments.client_id is None):
        raise UsageError("--certificate and --client-id belong together")
    if arguments.key is not None and arguments.certificate is None:
        raise UsageError("--key needs --certificate")
    if _demands_certificates(listener) and arguments.key is None:
        raise UsageError(
            f"the listener {listener.name} lets nobody in without a certificate: "
            "give --certificate, --key and --client-id of one of its clients"
        )
    target = _target(arguments, listener)
    victim = None if arguments.certificate is None else certificates_in(arguments.certificate)[0].der
    result = _tried(wanted, listener, target, arguments, victim)
    if arguments.json:
        print_json(document_of(result))
    else:
        print_result(result)
    return result.code


def _demands_certificates(listener: Listener) -> bool:
    return listener.forwarding is None and listener.client_certificate == "required"


def _tried(
    wanted: Wanted, listener: Listener, target: Target, arguments: argparse.Namespace, victim: bytes | None
) -> Result:
    """First without a certificate; then, where there is one with its key, with it."""
    canary = Canary.hatched(utc_now())
    own = (
        target if arguments.key is None else attrs.evolve(target, tls=_tls(arguments, with_certificate=True))
    )
    if _demands_certificates(listener):
        return _round(own, wanted, list(forgeries(wanted, canary.der, None)), _of_nobody)
    shown = attrs.evolve(target, tls=_tls(arguments, with_certificate=False))
    canary.present_by(shown.tls)
    sent = list(forgeries(wanted, canary.der, victim))
    result = _round(target, wanted, sent, lambda _: _unreadable(shown, wanted))
    if result.code not in (OK, UNEXPECTED) or own is target:
        return result
    with_own = _round(own, wanted, list(forgeries(wanted, canary.der, None)), _of_nobody)
    control = f"{result.control}; with the certificate {with_own.control}"
    code = result.code or with_own.code  # that somebody can get in comes first
    return Result(control, with_own.problem, code, (*result.findings, *with_own.findings))


def _round(
    target: Target,
    wanted: Wanted,
    all_of_them: Sequence[Forgery],
    doubt: Callable[[Answer], tuple[str, int] | None],
) -> Result:
    """:param doubt: told the answer to an honest request, says why there is no use in going on after all."""
    try:
        control = target.ask(_HONEST, _CONTROL_SECONDS)
    except NoAnswer as error:
        return Result("none", f"The proxy does not answer: {error}.", UNAVAILABLE)
    problem = _problem(control, wanted) or doubt(control)
    if problem:
        return Result(str(control), *problem)
    trial = Trial(target, control, strips=bool(wanted.fields))
    findings = tuple(trial.run(all_of_them, _SECONDS))
    outcomes = {finding.outcome for finding in findings}
    code = UNEXPECTED if outcomes & set(BAD) else UNAVAILABLE if "no answer" in outcomes else OK
    return Result(str(control), "", code, findings)


def _unreadable(target: Target, wanted: Wanted) -> tuple[str, int] | None:
    """Whether mtlsd cannot read what the proxy forwards, which requests without a certificate do not show.

    :param target: asked with a certificate that nobody knows. Who can be read is answered with 401; some
        proxies do not let him in.
    """
    if not wanted.fields:
        return None
    try:
        answer = target.ask(_HONEST, _CONTROL_SECONDS)
    except NoAnswer:
        return None
    if not answer.from_mtlsd or answer.status != 400:
        return None
    what = f"mtlsd cannot read the certificate that the proxy forwards. {_audited(answer)}"
    return _problem(answer, wanted) or (what, CONFIGURATION)


def _of_nobody(control: Answer) -> tuple[str, int] | None:
    """Whether mtlsd does not know the client with its certificate."""
    if control.status != 401:
        return None
    what = "mtlsd does not take the certificate for the client's, or the proxy does not forward it."
    return f"{what} {_audited(control)}", CONFIGURATION


def _problem(control: Answer, wanted: Wanted) -> tuple[str, int] | None:
    """Why there is no use in going on."""
    reason = control.reason
    if reason is not None:
        what = f"mtlsd refuses what the proxy itself sends: {reason.code}. {reason.meaning} {reason.remedy}"
        return f"{what} {_audited(control)}", CONFIGURATION
    if not control.from_mtlsd:
        place = wanted.upstream.socket or wanted.upstream.address
        return (
            "The proxy answers, but the request does not come through to mtlsd. The log of the proxy says "
            f"why it does not get to {place}; where mtlsd has refused it, the audit log does.",
            UNAVAILABLE,
        )
    return None


def _audited(answer: Answer) -> str:
    return f"The audit log says why, at {answer.document.get('correlation_id')}."


def _target(arguments: argparse.Namespace, listener: Listener) -> Target:
    """:raises UsageError: where there is nothing to ask."""
    url = urlsplit(arguments.through)
    if url.scheme != "https" or not url.hostname or url.query or url.fragment:
        raise UsageError("--through wants an https URL, such as https://as.example.com")
    served = [name for name in CLIENT_ENDPOINTS if name in listener.serves]
    if not served:
        raise UsageError(f"the listener {listener.name} serves nothing at which clients authenticate")
    try:
        port = url.port or 443
    except ValueError:
        raise UsageError("--through has no port between 1 and 65535") from None
    form = {"client_id": arguments.client_id or NOBODY, "grant_type": "client_credentials"}
    if served[0] != "token":
        form |= {"token": NOBODY}
    path = url.path.rstrip("/") + PATHS[served[0]]
    tls = _tls(arguments, with_certificate=False)
    return Target(url.hostname, port, path, tls, urlencode(form).encode("ascii"))


def _tls(arguments: argparse.Namespace, with_certificate: bool) -> ssl.SSLContext:
    """:raises UsageError: for files that cannot be used."""
    option = "--ca"
    try:
        context = ssl.create_default_context(cafile=None if arguments.ca is None else str(arguments.ca))
        if with_certificate:
            option = "--certificate and --key"
            context.load_cert_chain(arguments.certificate, arguments.key, password=_no_password)
    except (OSError, ValueError) as error:
        raise UsageError(f"{option} cannot be used: {getattr(error, 'strerror', None) or error}") from None
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")

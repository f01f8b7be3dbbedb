"""What came of each forgery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import Final, Literal

import attrs

from mtlsd.cli.proxies.forgeries import PROXY, Forgery
from mtlsd.cli.proxies.probing import Answer, NoAnswer, Target
from mtlsd.cli.proxies.wanted import CREDENTIALS

Outcome = Literal["stripped", "refused", "leaks", "believed", "no answer"]
"""``stripped``: the answer is that to an honest request. ``refused``: by the proxy, or by mtlsd's HTTP.
``leaks``: it has come to mtlsd, which has refused it. ``believed``: it has changed what mtlsd answers."""

BAD: Final[tuple[Outcome, ...]] = ("leaks", "believed")
_AT_ONCE: Final = 4
_SECONDS: Final = 10.0
_REFUSED: Final = (0, 400, 413, 414, 421, 431)  # said of a request that was not read, let alone believed


@attrs.frozen
class Finding:
    """:ivar answer: as a line for people."""

    forgery: Forgery
    outcome: Outcome
    answer: str
    remedy: str = ""


@attrs.frozen
class Trial:
    """Tries forgeries on one proxy.

    :ivar control: the answer to an honest request.
    :ivar strips: whether the proxy has to see to it. One that passes TLS on cannot: mtlsd refuses for itself.
    """

    target: Target
    control: Answer
    strips: bool

    def run(self, forgeries: Iterable[Forgery], seconds: float) -> Iterator[Finding]:
        """Send each on a connection of its own, a few at once; after so many seconds no more."""
        until = monotonic() + seconds

        def one(forgery: Forgery) -> Finding:
            if monotonic() > until:
                return Finding(forgery, "no answer", "not sent: it took too long")
            return self._one(forgery)

        with ThreadPoolExecutor(_AT_ONCE) as threads:
            yield from threads.map(one, forgeries)

    def _one(self, forgery: Forgery) -> Finding:
        try:
            answer = self.target.ask(forgery, _SECONDS)
        except NoAnswer as error:
            return Finding(forgery, "no answer", str(error))
        outcome = self.outcome(forgery, answer)
        reason = answer.reason
        said = f"{answer}" if reason is None else f"{answer} ({reason.code})"
        return Finding(forgery, outcome, said, remedy(forgery) if outcome in BAD else "")

    def outcome(self, forgery: Forgery, answer: Answer) -> Outcome:
        """What an answer says of the proxy."""
        if forgery.field == PROXY:
            return "believed" if answer.says_what(self.control) else "refused"
        if answer.reason is not None:
            return "leaks" if self.strips else "refused"
        if answer.says_what(self.control):
            return "stripped"
        if answer.from_mtlsd and answer.status not in _REFUSED:
            return "believed"
        return "refused"


def remedy(forgery: Forgery) -> str:
    """What to do where it has come through."""
    if forgery.field == PROXY:
        return "Have the proxy take PROXY headers from nobody, or from the load balancers alone before it."
    if forgery.nominated:
        return f"Have the proxy remove the field Connection of requests before it sets {forgery.field}."
    if "_" in forgery.how:
        return "Have the proxy remove or refuse fields with _ in their names."
    if forgery.field == CREDENTIALS:
        return f"Have the proxy overwrite {CREDENTIALS}, or remove it where mtlsd asks for none."
    return f"Have the proxy overwrite {forgery.field}, or remove it where it is not the one that it sets."


def counted(findings: Iterable[Finding]) -> Mapping[str, Counter[Outcome]]:
    """How often each outcome came, by field."""
    table: dict[str, Counter[Outcome]] = {}
    for finding in findings:
        table.setdefault(finding.forgery.field, Counter())[finding.outcome] += 1
    return table

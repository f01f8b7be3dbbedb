"""The command `mtlsd`.

Each verb is a module here with `register(verbs)`, which adds its arguments and names the function that does
it; that function takes the parsed arguments and returns the exit code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from mtlsd import __version__
from mtlsd.cli import check, client, dev, explain, keys, proxy_config, proxy_testing, revocation, run, user
from mtlsd.cli.exits import UNEXPECTED, USAGE, explained


class _Parser(argparse.ArgumentParser):
    """Ends with the exit code that service managers know for wrong usage."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def parser() -> argparse.ArgumentParser:
    """All verbs and their arguments."""
    made = _Parser(prog="mtlsd", description=__doc__.partition("\n")[0])
    made.add_argument("--version", action="version", version=f"mtlsd {__version__}")
    verbs = made.add_subparsers(title="verbs", required=True, metavar="VERB")
    for verb in (dev, run, check, client, user, keys, explain, revocation, proxy_config, proxy_testing):
        verb.register(verbs)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    :returns: 0; 1 for the unexpected; 64 usage; 69 a store, a signer or a port is unavailable;
        77 permission, and an explained certificate that is refused; 78 configuration.
    """
    try:
        arguments = parser().parse_args(argv)
        with explained() as ended:
            ended.code = arguments.do(arguments)
        return ended.code
    except KeyboardInterrupt:
        return UNEXPECTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0

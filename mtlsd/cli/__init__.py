"""The command `mtlsd`.

Each verb is a module here with `register(verbs)`, which adds its arguments and names the function that does
it; that function takes the parsed arguments and returns the exit code.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import MappingProxyType
from typing import NoReturn

from mtlsd import __version__
from mtlsd.cli.exits import UNEXPECTED, USAGE, explained

VERBS: Mapping[str, str] = MappingProxyType(
    {
        "dev": "dev",
        "run": "run",
        "check": "check",
        "client": "client",
        "user": "user",
        "keys": "keys",
        "explain": "explain",
        "revocation": "revocation",
        "proxy-config": "proxy_config",
        "proxy-test": "proxy_testing",
    }
)
"""The modules of the verbs, in the order of the help."""


class _Parser(argparse.ArgumentParser):
    """Ends with the exit code that service managers know for wrong usage."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(USAGE, f"{self.prog}: {message}\n")


def parser(argv: Sequence[str] = ()) -> argparse.ArgumentParser:
    """All verbs and their arguments; only the one that `argv` begins with, where that is one.

    To import the modules of all of them takes most of a second.
    """
    made = _Parser(prog="mtlsd", description=__doc__.partition("\n")[0])
    made.add_argument("--version", action="version", version=f"mtlsd {__version__}")
    verbs = made.add_subparsers(title="verbs", required=True, metavar="VERB")
    asked = VERBS.get(argv[0]) if argv else None
    for module in VERBS.values() if asked is None else (asked,):
        import_module(f"mtlsd.cli.{module}").register(verbs)
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    :returns: 0; 1 for the unexpected; 64 usage; 69 a store, a signer or a port is unavailable;
        77 permission, and an explained certificate that is refused; 78 configuration.
    """
    try:
        given = sys.argv[1:] if argv is None else argv
        arguments = parser(given).parse_args(given)
        with explained() as ended:
            ended.code = arguments.do(arguments)
        return ended.code
    except KeyboardInterrupt:
        return UNEXPECTED
    except BrokenPipeError:
        sys.stderr.close()
        return 0

"""Users and the pages for them, from one configuration after the other."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import attrs
from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.defer import Deferred

from mtlsd.config.model import Config
from mtlsd.errors import ConfigError, Mistake
from mtlsd.oauth.authorization import AuthorizationEndpoint
from mtlsd.oauth.conversation import Conversation
from mtlsd.oauth.granted import StandingOf, everybody
from mtlsd.oauth.public_pushes import PublicPushes
from mtlsd.oauth.secrets import SecretChecker
from mtlsd.oauth.sessions import Sessions
from mtlsd.pages.pages import Pages
from mtlsd.users.file import UsersFile
from mtlsd.users.guesses import Guesses
from mtlsd.users.login import Login, takes_passwords
from mtlsd.users.named import named_checker
from mtlsd.users.table import UserTable
from mtlsd.users.threads import HashingThreads
from mtlsd.web.talking import Talking

T = TypeVar("T")
Checker = ICredentialsChecker


@attrs.define(eq=False)
class People:
    """What is known of users, and of secrets, as long as the process runs: above all, who guesses.

    :ivar secrets: compares clients' secrets.
    :ivar pushes: counts who pushes requests of public clients.
    :ivar checker: the embedder's; None where the configuration says who it is.
    """

    _reactor: Any
    checker: Checker | None = None
    pushes: PublicPushes = attrs.field(factory=PublicPushes, init=False)
    secrets: SecretChecker = attrs.field(init=False)
    _guesses: Guesses = attrs.field(factory=Guesses, init=False)
    _threads: HashingThreads | None = attrs.field(default=None, init=False)
    _made: tuple[tuple[Path, str | None], Login] | None = attrs.field(default=None, init=False)

    @secrets.default
    def _make_secrets(self) -> SecretChecker:
        return SecretChecker.make(self._hash, os.urandom)

    def talking(self, config: Config, endpoint: AuthorizationEndpoint) -> Talking | None:
        """What the authorization endpoint talks by; None where there is none.

        :param endpoint: what reads requests and issues codes.
        :raises ConfigError: the checker or the users file cannot be used.
        """
        if not config.asks_users:
            return None
        login = self._login(config)
        own, artifacts, random_secret = config.users, endpoint.artifacts, endpoint.random_secret
        sessions = Sessions(
            artifacts=artifacts,
            absolute=timedelta(minutes=own.session_minutes),
            idle=timedelta(minutes=own.idle_minutes),
            random_secret=random_secret,
            standing_of=login.standing_of,
        )
        registered = (one.client for one in endpoint.clients.registrations.values())
        return Talking(
            conversation=Conversation(endpoint, sessions, login),
            pages=Pages.from_templates(urlsplit(config.issuer).netloc, own.templates),
            names={client.client_id: client.client_name for client in registered if client.client_name},
            scope_texts=config.requests.scope_texts,
        )

    def standing_of(self, config: Config) -> StandingOf:
        """What tells of a user whether it is still one.

        :raises ConfigError: as :meth:`talking`.
        """
        return self._login(config).standing_of if config.asks_users else everybody

    def stop(self) -> None:
        if self._threads is not None:
            self._threads.stop()
            self._threads = None

    def _hash(self, work: Callable[[], T]) -> Deferred[T]:
        """Compute in threads of our own, which are made when they are first needed."""
        if self._threads is None:
            self._threads = HashingThreads(self._reactor)
        return self._threads.run(work)

    def _login(self, config: Config) -> Login:
        """The same one as long as the configuration says the same."""
        named = config.users.file, config.users.checker
        if self._made is None or self._made[0] != named:
            self._made = named, Login(self._checker(config), self._guesses, self._reactor.seconds)
        return self._made[1]

    def _checker(self, config: Config) -> Checker:
        name = config.users.checker
        if self.checker is not None:
            if not takes_passwords(self.checker):
                raise TypeError("users: no checker of twisted.cred that takes user names with passwords")
            return self.checker
        if name is None:
            return UsersFile.open(config.users.file, self._hash, os.urandom)
        return _named(config, name)


def check_users(config: Config) -> None:
    """Look at whoever would check users' passwords.

    :raises ConfigError: the checker or the users file cannot be used.
    """
    if not config.asks_users:
        return
    if config.users.checker is not None:
        _named(config, config.users.checker)
    elif config.users.file.exists():
        UserTable.read(config.users.file)


def _named(config: Config, name: str) -> Checker:
    try:
        return named_checker(name)
    except ValueError as error:
        remedy = 'Name one: "your_package.module.checker", or a plugin, as twistd --auth takes it.'
        place = f"{config.path.name}: users.checker"
        raise ConfigError((Mistake(place, f"{name!r}: {error}", remedy),)) from error

"""mtlsd inside another Twisted program: it starts, works beside whatever else there is, and stops cleanly.

python embed.py mtlsd.toml SECONDS
"""

import sys

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react

import mtlsd


async def main(reactor, config_file, seconds):
    loaded = mtlsd.load_config(config_file)
    for warning in loaded.warnings:
        print("warning:", warning)

    server = await mtlsd.start(loaded.config, reactor, audit=sys.stdout.buffer.write)
    for name, listening in server.listening.items():
        print(f"{name} listens at {listening.address}", flush=True)

    def stop():  # requests in flight are finished first; the reactor waits for the Deferred
        return Deferred.fromCoroutine(server.stop())

    reactor.addSystemEventTrigger("before", "shutdown", stop)
    await deferLater(reactor, float(seconds))  # your own program runs here


if __name__ == "__main__":
    react(main, sys.argv[1:])

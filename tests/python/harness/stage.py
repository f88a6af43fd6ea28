"""A developer's app on the unmodified `realtime` package, and the stage for it: one node, or two on one Redis."""

import asyncio
import importlib.metadata
import itertools
import logging
import sys
import unittest

from realtime import AsyncRealtimeClient
from realtime.types import RealtimeAcknowledgementStatus as Status

from .heard import PATIENCE_S, Heard
from .processes import Node, Redis
from .tokens import mint

VERSION = importlib.metadata.version("realtime")
# Of 2.34: http_send, rejoin after errors, a callback for every status. Of 2.24: none of them.
IS_NEWEST = tuple(int(part) for part in VERSION.split(".")[:2]) >= (2, 34)

# The package tells of every refusal that the tests provoke.
logging.getLogger("realtime").setLevel(logging.CRITICAL)
# unittest runs its loops in debug mode, where everything slow is told.
logging.getLogger("asyncio").setLevel(logging.ERROR)

_numbers = itertools.count(1)


class App:
    """A user's app: one client."""

    def __init__(self, node: Node, sub: str, token: str, **options) -> None:
        self.sub = sub
        self.client = AsyncRealtimeClient(f"{node.url}/realtime/v1", token, **options)

    def seat(self, topic: str, *, private=False, presence=None, broadcast=None) -> "Seat":
        """A channel that is not subscribed yet; `presence` is its key, `broadcast` the part of its configuration."""
        return Seat(self, topic, private, presence, broadcast or {})

    async def sit(self, topic: str, **options) -> "Seat":
        """A channel that is subscribed."""
        seat = self.seat(topic, **options)
        await seat.subscribed()
        return seat


class Seat:
    """One channel of an app, and all that its callbacks were told."""

    def __init__(self, app: App, topic: str, private: bool, presence: str | None, broadcast: dict) -> None:
        name = f"{app.sub} on {topic}"
        self.app = app
        self.topic = topic
        self.statuses = Heard(f"{name}: statuses")
        self.broadcasts = Heard(f"{name}: broadcasts")
        self.presences = Heard(f"{name}: presences")
        self.replies = Heard(f"{name}: replies")
        config = {"broadcast": {"ack": False, "self": False, **broadcast}, "private": private}
        config["presence"] = {"key": presence or "", "enabled": presence is not None}
        self.channel = app.client.channel(topic, {"config": config})
        if presence is not None:
            self.channel.on_presence_sync(lambda: self.presences.add(("sync",)))
            self.channel.on_presence_join(lambda key, before, new: self.presences.add(("join", key)))
            self.channel.on_presence_leave(lambda key, before, left: self.presences.add(("leave", key)))

    def listen(self, *events: str) -> "Seat":
        """The older version knows no event `*`, so each is named."""
        for event in events:
            self.channel.on_broadcast(event, self.broadcasts.add)
        return self

    async def subscribe(self) -> "Seat":
        await self.channel.subscribe(lambda status, error: self.statuses.add((status.value, str(error))))
        return self

    async def subscribed(self, start: int = 0) -> None:
        if not self.channel._joined_once:
            await self.subscribe()
        await self.statuses.until("SUBSCRIBED", lambda one: one[0] == "SUBSCRIBED", start)

    async def refused(self) -> str:
        """The words with which the subscription was refused; the channel is given up."""
        await self.subscribe()
        _, words = await self.statuses.until("CHANNEL_ERROR", lambda one: one[0] == "CHANNEL_ERROR")
        await self.channel.unsubscribe()
        return words

    async def hears(self, event: str, fits=lambda payload: True, start: int = 0) -> dict:
        found = await self.broadcasts.until(event, lambda one: one["event"] == event and fits(one["payload"]), start)
        return found

    async def ask(self, event: str, payload: dict) -> tuple[str, object]:
        """A broadcast whose answer is waited for: its status, and the response as the package gives it."""
        answer: asyncio.Future = asyncio.get_running_loop().create_future()
        push = await self.channel.push("broadcast", {"type": "broadcast", "event": event, "payload": payload})
        for status in (Status.Ok, Status.Error):
            push.receive(status, lambda response, status=status: answer.set_result((status.value, response)))
        return await asyncio.wait_for(answer, PATIENCE_S)

    def state(self) -> dict:
        """Presences by key, without the references."""
        return {
            key: sorted(({k: v for k, v in one.items() if k != "presence_ref"} for one in metas), key=repr)
            for key, metas in self.channel.presence_state().items()
        }

    async def sees(self, state: dict, seconds: float = PATIENCE_S) -> None:
        await self.presences.until(f"presences {state}", lambda _: self.state() == state, 0, seconds)


class Scenario(unittest.IsolatedAsyncioTestCase):
    """Tests that share a stage; `on_both` plays them on one node and on two."""

    nodes: list[Node]
    count = 1

    @classmethod
    def setUpClass(cls) -> None:
        redis = Redis() if cls.count > 1 else None
        if redis:
            cls.addClassCleanup(redis.stop)
        cls.nodes = []
        for n in range(cls.count):
            node = Node(f"n{n}", redis)
            cls.addClassCleanup(node.stop)
            cls.nodes.append(node)

    def node(self, number: int) -> Node:
        """A node by number; with one node, all numbers are that one."""
        return self.nodes[number % len(self.nodes)]

    def app(self, sub: str, on: int = 0, token: str | None = None, tenant: str = "acme", claims=None, **options) -> App:
        app = App(self.node(on), sub, token or mint(sub, tenant, **(claims or {})), **options)
        self.addAsyncCleanup(app.client.close)
        return app

    def topic(self, name: str) -> str:
        return f"{name}-{next(_numbers)}"


def on_both(scenario: type) -> type:
    """Plays a scenario on one node and on two."""
    module = sys.modules[scenario.__module__]
    for count, words in ((1, "OnOneNode"), (2, "OnTwoNodes")):
        name = f"{scenario.__name__}{words}"
        case = type(name, (scenario, Scenario), {"count": count, "__module__": scenario.__module__})
        setattr(module, name, case)
    return scenario

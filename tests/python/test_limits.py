"""Limits in Supabase's words, by which the `realtime` package knows them; and tokens that are renewed and end."""

import asyncio
import json
import unittest

from websockets.exceptions import InvalidStatus

from harness.heard import PATIENCE_S
from harness.stage import IS_NEWEST, on_both
from harness.tokens import in_seconds, mint


@on_both
class Limits:
    async def test_more_channels_than_a_client_may_have(self):
        ada = self.app("ada", on=1, tenant="tiny")
        for _ in range(2):
            await ada.sit(self.topic("channel"))
        words = await ada.seat(self.topic("channel")).refused()
        self.assertEqual(words, '{"reason": "ChannelRateLimitReached: Too many channels"}')

    async def test_more_users_than_a_tenant_may_have(self):
        async def knock(sub: str, wanted: int) -> None:
            """Counts lag by a second, over nodes; so does the leaving of the test before."""
            while True:
                app = self.app(sub, on=1, tenant="tiny", max_retries=1)
                try:
                    await app.client.connect()
                    status = 101
                except InvalidStatus as refused:
                    status = refused.response.status_code
                    words = json.loads(refused.response.body)
                    self.assertEqual(words, {"error": "ConnectionRateLimitReached: Too many connected users"})
                if status == wanted:
                    return
                await app.client.close()

        async with asyncio.timeout(PATIENCE_S):
            for sub, status in (("ada", 101), ("bob", 101), ("eve", 429)):
                await knock(sub, status)

    async def test_more_joins_than_a_tenant_may_have_a_second(self):
        ada = self.app("ada", on=1, tenant="hasty")
        await ada.client.connect()
        seats = [ada.seat(self.topic("rush")) for _ in range(9)]
        joins = [asyncio.ensure_future(seat.subscribe()) for seat in seats]
        await asyncio.gather(*joins)
        told = [await seat.statuses.until("status", lambda one: True) for seat in seats]
        self.assertIn("SUBSCRIBED", [status for status, _ in told])
        refused = [words for status, words in told if status == "CHANNEL_ERROR"]
        self.assertEqual(set(refused), {'{"reason": "ClientJoinRateLimitReached: Too many joins per second"}'})

    async def test_more_messages_than_a_tenant_may_have_a_second(self):
        ada = await self.app("ada", on=1, tenant="quiet").sit(self.topic("flood"), broadcast={"ack": True})
        answers = await asyncio.gather(*(ada.ask("drop", {"n": n}) for n in range(60)))
        refused = [response for status, response in answers if status == "error"]
        self.assertLess(len(refused), 60)
        self.assertTrue(refused)
        for response in refused:
            self.assertEqual(response, {"reason": "Too many messages per second"})

    async def test_two_tenants_topics_of_one_name_are_two_topics(self):
        topic = self.topic("same")
        seats = {}
        for on, tenant in enumerate(("acme", "globex")):
            seats[tenant] = (
                self.app("ada", on, tenant=tenant)
                .seat(topic, broadcast={"self": True}, presence=tenant)
                .listen("hello")
            )
            await seats[tenant].subscribed()
            await seats[tenant].channel.track({"tenant": tenant})
        for tenant, seat in seats.items():
            await seat.channel.send_broadcast("hello", {"tenant": tenant})
        for tenant, seat in seats.items():
            await seat.sees({tenant: [{"tenant": tenant}]})
            await seat.hears("hello")
            self.assertEqual([one["payload"]["tenant"] for one in seat.broadcasts.items], [tenant])

    async def test_a_renewed_token_goes_on_and_one_that_ended_ends_the_channel(self):
        topic = self.topic("ends")
        # Taken still, within the leeway; the channel ends ten seconds after it.
        token = mint("ada", exp=in_seconds(-3))
        careful = await self.app("ada", on=1, token=token).sit(topic)
        careless = self.app("ada", token=token).seat(topic).listen("hello")
        await careless.subscribed()
        start = careless.statuses.mark()
        await careful.app.client.set_auth(mint("ada"))
        await careless.statuses.until("CHANNEL_ERROR", lambda one: one[0] == "CHANNEL_ERROR", start)
        self.assertEqual([status for status, _ in careful.statuses.items], ["SUBSCRIBED"])
        self.assertTrue(careful.channel.is_joined)
        if IS_NEWEST:
            # A year ago a rejoin still showed the token of the first join.
            start = careless.statuses.mark()
            await careless.app.client.set_auth(mint("ada"))
            await careless.subscribed(start)
            await careful.channel.send_broadcast("hello", {})
            await careless.hears("hello")


@on_both
class Restarts:
    @unittest.skipUnless(
        IS_NEWEST, "a year ago it left every topic that it came back to, and so closed its own channel"
    )
    async def test_after_a_nodes_death_its_clients_come_back_by_themselves(self):
        topic = self.topic("phoenix")
        ada = self.app("ada", on=0).seat(topic, presence="ada").listen("hello")
        bob = self.app("bob", on=1).seat(topic, presence="bob").listen("hello")
        for seat in (ada, bob):
            await seat.subscribed()
            await seat.channel.track({"n": 1})
        both = {"ada": [{"n": 1}], "bob": [{"n": 1}]}
        await bob.sees(both)
        start = ada.statuses.mark()
        node = self.node(0)
        await asyncio.to_thread(node.kill)
        if len(self.nodes) > 1:
            # Nobody haunts the topic; and who lived was not disturbed.
            await bob.sees({"bob": [{"n": 1}]}, seconds=5)
        await asyncio.to_thread(node.start)
        await ada.subscribed(start)
        await ada.channel.track({"n": 2})
        await bob.presences.until("ada again", lambda _: bob.state().get("ada") == [{"n": 2}])
        if len(self.nodes) > 1:
            self.assertEqual([status for status, _ in bob.statuses.items], ["SUBSCRIBED"])
        await ada.channel.send_broadcast("hello", {})
        await bob.hears("hello")

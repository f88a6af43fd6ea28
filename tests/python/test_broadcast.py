"""Broadcasts and private topics, as the `realtime` package sends and hears them."""

import time
import unittest

from harness.stage import IS_NEWEST, on_both


@on_both
class Broadcasts:
    async def pair(self, name: str, **options):
        topic = self.topic(name)
        ada = self.app("ada").seat(topic, **options).listen("hello", "answer", "count")
        bob = self.app("bob", on=1).seat(topic, **options).listen("hello", "answer", "count")
        for seat in (ada, bob):
            await seat.subscribed()
        return ada, bob

    async def test_a_broadcast_reaches_the_others_as_it_was_sent_and_not_its_sender(self):
        ada, bob = await self.pair("class")
        payload = {"text": "good morning, Zoë 🎵", "list": [1, 2.5, None, True]}
        await ada.channel.send_broadcast("hello", payload)
        self.assertEqual((await bob.hears("hello"))["payload"], payload)
        await bob.channel.send_broadcast("answer", {})
        await ada.hears("answer")
        self.assertEqual([one["event"] for one in ada.broadcasts.items], ["answer"])

    async def test_with_self_the_sender_hears_it_too(self):
        ada, bob = await self.pair("mirror", broadcast={"self": True})
        await ada.channel.send_broadcast("hello", {"n": 1})
        for seat in (ada, bob):
            self.assertEqual((await seat.hears("hello"))["payload"], {"n": 1})

    async def test_with_ack_the_server_answers(self):
        ada, bob = await self.pair("answered", broadcast={"ack": True})
        status, _ = await ada.ask("hello", {})
        self.assertEqual(status, "ok")
        await bob.hears("hello")

    async def test_a_hundred_broadcasts_come_once_each_and_in_order(self):
        ada, bob = await self.pair("order")
        for n in range(100):
            await ada.channel.send_broadcast("count", {"n": n})
        await bob.hears("count", lambda payload: payload["n"] == 99)
        self.assertEqual([one["payload"]["n"] for one in bob.broadcasts.items], list(range(100)))

    async def test_who_unsubscribes_hears_no_more(self):
        ada, bob = await self.pair("leaving")
        await bob.channel.unsubscribe()
        again = self.app("bob", on=1).seat(bob.topic).listen("hello")
        await again.subscribed()
        await ada.channel.send_broadcast("hello", {})
        await again.hears("hello")
        self.assertEqual(bob.broadcasts.items, [])

    async def test_a_broadcast_over_the_size_is_refused_in_supabases_words_and_the_channel_lives(self):
        ada, bob = await self.pair("large", broadcast={"ack": True})
        answer = await ada.ask("hello", {"text": "x" * 300 * 1024})
        self.assertEqual(answer, ("error", {"error": "payload_size_exceeded"}))
        self.assertEqual((await ada.ask("hello", {"n": 1}))[0], "ok")
        self.assertEqual((await bob.hears("hello"))["payload"], {"n": 1})

    async def test_private_topics_are_ones_own(self):
        sub = self.topic("ada")
        ada = self.app(sub).seat(f"{sub}:notes", private=True)
        twin = self.app(sub, on=1).seat(f"{sub}:notes", private=True).listen("hello")
        for seat in (ada, twin):
            await seat.subscribed()
        await ada.channel.send_broadcast("hello", {"n": 1})
        heard = await twin.hears("hello")
        self.assertTrue(heard["meta"]["id"])
        refused = await self.app("stranger", on=1).seat(f"{sub}:notes", private=True).refused()
        self.assertIn(
            f"Unauthorized: You do not have permissions to read from this Channel topic: {sub}:notes", refused
        )
        granted = {"topics": [f"realtime:{sub}:*"]}
        friend = await self.app("friend", on=1, claims=granted).sit(f"{sub}:notes", private=True)
        await friend.channel.send_broadcast("hello", {"n": 2})
        await twin.hears("hello", lambda payload: payload == {"n": 2})

    async def test_who_comes_later_may_ask_for_the_last_broadcasts(self):
        sub = self.topic("ada")
        early = await self.app(sub).sit(sub, private=True, broadcast={"ack": True})
        for n in range(5):
            self.assertEqual((await early.ask("note", {"n": n}))[0], "ok")
        replay = {"since": int(time.time() * 1000) - 60_000, "limit": 2}
        late = self.app(sub, on=1).seat(sub, private=True, broadcast={"replay": replay}).listen("note")
        await late.subscribed()
        await late.hears("note", lambda payload: payload["n"] == 4)
        told = [(one["payload"]["n"], one["meta"]["replayed"]) for one in late.broadcasts.items]
        self.assertEqual(told, [(3, True), (4, True)])

    @unittest.skipUnless(IS_NEWEST, "a year ago it had no http_send")
    async def test_http_send_reaches_all_who_listen(self):
        topic = self.topic("http é a/b")
        bob = self.app("bob", on=1).seat(topic).listen("hello")
        await bob.subscribed()
        await self.app("ada").seat(topic).channel.http_send("hello", {"n": 1})
        self.assertEqual((await bob.hears("hello"))["payload"], {"n": 1})
        await self.app("ada").seat(topic).channel.http_send("hello", b"\x00\xff")
        await self.app("ada").seat(topic).channel.http_send("hello", {"n": 2})
        await bob.hears("hello", lambda payload: payload == {"n": 2})
        # This package speaks V1, which cannot carry bytes.
        self.assertEqual(len(bob.broadcasts.items), 2)

    @unittest.skipUnless(IS_NEWEST, "a year ago it had no http_send")
    async def test_http_send_says_why_it_was_refused(self):
        from realtime.exceptions import RealtimeHTTPError

        seat = self.app("ada").seat("somebody-else", private=True)
        with self.assertRaisesRegex(RealtimeHTTPError, "^Unauthorized: You do not have permissions to write") as failed:
            await seat.channel.http_send("hello", {})
        self.assertEqual(failed.exception.status, 403)

    @unittest.skipUnless(IS_NEWEST, "a year ago it asked for changes in a form of its own")
    async def test_who_asks_for_postgres_changes_is_told_that_there_are_none_and_stays(self):
        from realtime.types import RealtimePostgresChangesListenEvent as Event

        seat = self.app("ada", on=1).seat(self.topic("tables")).listen("hello")
        seat.channel.on_postgres_changes(Event.All, lambda change: None, table="notes")
        await seat.subscribe()
        _, words = await seat.statuses.until("CHANNEL_ERROR", lambda one: one[0] == "CHANNEL_ERROR")
        self.assertIn('"extension": "postgres_changes"', words)
        # The package rejoins at every error, so it is told once only.
        await seat.subscribed(seat.statuses.mark())
        other = await self.app("bob").sit(seat.topic)
        await other.channel.send_broadcast("hello", {})
        await seat.hears("hello")
        self.assertEqual([status for status, _ in seat.statuses.items], ["SUBSCRIBED", "CHANNEL_ERROR", "SUBSCRIBED"])

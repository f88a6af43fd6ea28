"""Who is here, as the `realtime` package keeps it."""

from harness.stage import on_both


@on_both
class Presences:
    async def here(self, sub: str, topic: str, on: int = 0, meta: dict | None = None):
        seat = await self.app(sub, on).sit(topic, presence=sub)
        if meta:
            await seat.channel.track(meta)
        return seat

    async def test_who_tracks_is_seen_by_all_who_listen_those_included_who_come_later(self):
        topic = self.topic("hall")
        ada = await self.here("ada", topic, meta={"mood": "glad"})
        bob = await self.here("bob", topic, on=1, meta={"mood": "calm"})
        late = await self.here("late", topic, on=1)
        for seat in (ada, bob, late):
            await seat.sees({"ada": [{"mood": "glad"}], "bob": [{"mood": "calm"}]})
        self.assertIn(("join", "bob"), ada.presences.items)

    async def test_a_changed_track_is_one_change_of_the_same_person(self):
        topic = self.topic("moods")
        bob = await self.here("bob", topic, on=1)
        ada = await self.here("ada", topic, meta={"mood": "glad"})
        await bob.sees({"ada": [{"mood": "glad"}]})
        await ada.channel.track({"mood": "tired"})
        for seat in (bob, ada):
            await seat.sees({"ada": [{"mood": "tired"}]})

    async def test_who_untracks_leaves_or_is_gone_is_seen_no_more(self):
        topic = self.topic("exits")
        watcher = await self.here("watcher", topic, on=1)
        ada, bob, cid = [await self.here(sub, topic, on, {"n": on}) for on, sub in enumerate(("ada", "bob", "cid"))]
        await watcher.sees({"ada": [{"n": 0}], "bob": [{"n": 1}], "cid": [{"n": 2}]})
        await ada.channel.untrack()
        await watcher.sees({"bob": [{"n": 1}], "cid": [{"n": 2}]})
        await bob.channel.unsubscribe()
        await watcher.sees({"cid": [{"n": 2}]})
        await cid.app.client.close()
        await watcher.sees({})

    async def test_one_key_on_two_devices_is_one_person_with_two_presences(self):
        topic = self.topic("devices")
        phone = await self.here("ada", topic, meta={"device": "phone"})
        laptop = await self.here("ada", topic, on=1, meta={"device": "laptop"})
        for seat in (phone, laptop):
            await seat.sees({"ada": [{"device": "laptop"}, {"device": "phone"}]})
        await phone.channel.unsubscribe()
        await laptop.sees({"ada": [{"device": "laptop"}]})

"""The bridge: a music room as a channel of the `realtime` package."""

from harness.stage import on_both
from harness.tokens import mint


@on_both
class Rooms:
    async def asyncSetUp(self):
        teacher = mint("ms-lee", role="teacher")
        status, room = self.node(1).post("/api/music/rooms", teacher, {"bpm": 240})
        self.assertEqual(status, 201)
        self.room_topic = f"music_room:{room['room_id']}"
        events = ("beat", "student_note", "tempo_changed", "wave")
        self.ada = self.app("ada").seat(self.room_topic, presence="x", broadcast={"ack": True}).listen(*events)
        self.lee = (
            self.app("ms-lee", on=1, token=teacher).seat(self.room_topic, broadcast={"ack": True}).listen(*events)
        )
        for seat in (self.ada, self.lee):
            await seat.subscribed()

    async def test_beats_and_notes_come_as_broadcasts_and_a_note_that_is_broadcast_is_played(self):
        first = (await self.ada.hears("beat"))["payload"]
        await self.ada.hears("beat", lambda payload: payload["beat"] == first["beat"] + 1)
        self.assertEqual((await self.ada.ask("play_note", {"midi": 61}))[0], "ok")
        note = (await self.lee.hears("student_note"))["payload"]
        self.assertEqual((note["student_id"], note["midi"], note["velocity"]), ("ada", 61, 64))
        self.assertEqual(await self.ada.ask("play_note", {}), ("error", {"reason": "midi required"}))

    async def test_a_teacher_conducts_and_a_pupil_cannot(self):
        self.assertEqual(await self.ada.ask("set_tempo", {"bpm": 90}), ("error", {"reason": "unauthorized"}))
        self.assertEqual((await self.lee.ask("set_tempo", {"bpm": 90}))[0], "ok")
        await self.ada.hears("tempo_changed", lambda payload: payload["bpm"] == 90)

    async def test_nobody_forges_the_rooms_own_events_and_other_broadcasts_go_to_the_others(self):
        for event in ("beat", "student_note"):
            answer = await self.ada.ask(event, {"beat": -77})
            self.assertEqual(answer, ("error", {"reason": f"reserved event: only the room itself sends {event}"}))
        self.assertEqual((await self.ada.ask("wave", {"n": 1}))[0], "ok")
        await self.lee.hears("wave")
        self.assertNotIn(-77, [one["payload"].get("beat") for one in self.lee.broadcasts.items])

    async def test_the_rooms_presence_is_the_channels(self):
        await self.ada.presences.until("both", lambda _: set(self.ada.state()) == {"ada", "ms-lee"})
        self.assertEqual(self.ada.state()["ms-lee"][0]["role"], "teacher")

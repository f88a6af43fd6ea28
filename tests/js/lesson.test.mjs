// A whole lesson, as a class plays it: everybody with the unmodified phoenix package.
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";
import { Classroom } from "./harness/classroom.mjs";
import { call } from "./harness/rest.mjs";
import { timeOfBeat } from "./harness/timeline.mjs";
import { studentToken, teacherToken } from "./harness/token.mjs";
import { music } from "./lesson/music.mjs";
import { people } from "./lesson/people.mjs";

const KINDS = [
  { phoenix: "newest", transport: "websocket" },
  { phoenix: "newest", transport: "longpoll" },
  { phoenix: "1.8.15", transport: "websocket" },
  { phoenix: "1.8.15", transport: "longpoll" },
  { phoenix: "1.7.21", transport: "websocket" },
];

for (const kind of KINDS) {
  describe(`a lesson with phoenix ${kind.phoenix} on ${kind.transport}`, () => {
    const lesson = new Classroom(kind);
    before(() => lesson.open());
    after(() => lesson.close());

    music(lesson);
    people(lesson);

    for (const how of ["terminate", "kill"]) {
      test(`after the node's restart (${how}) the whole class is back and in time by itself`, async () => {
        await lesson.teacher.ok("set_tempo", { bpm: how === "kill" ? 200 : 220 });
        await lesson.teacher.ok("mute_student", { student_id: "s03" });
        await lesson.teacher.ok("assign_beat", { student_id: "s04", beat: 2 });
        await lesson.allHearBeats(3);
        const known = await lesson.teacher.ok("get_room");
        const marks = lesson.marks();
        await lesson.server[how]();
        await lesson.server.launch();
        for (const player of lesson.everybody) {
          const room = await player.hears("joined", { from: marks.get(player), ms: 60_000 });
          assert.equal(room.room_id, lesson.room);
          assert.equal(room.bpm, known.bpm);
          assert.equal(room.playing, true);
          assert.deepEqual(room.muted, ["s03"]);
          assert.deepEqual(room.assignments, { 2: ["s04"] });
          assert.equal(room.timeline.run, known.timeline.run);
        }
        const back = lesson.marks();
        await lesson.allHearBeats(3);
        for (const player of lesson.everybody) {
          const lastBefore = player.heard.items
            .slice(0, marks.get(player))
            .findLast((one) => one.event === "beat").payload;
          for (const beat of player.all("beat", back.get(player))) {
            assert.equal(beat.run, lastBefore.run);
            assert.ok(beat.beat > lastBefore.beat, `${player.id}: beat ${beat.beat} after ${lastBefore.beat}`);
            const off = Math.abs(beat.at * 1000 - timeOfBeat(known.timeline, beat.beat * 1e6));
            assert.ok(off <= 2, `${player.id}: beat ${beat.beat} is ${off} µs off the timeline of before the restart`);
          }
        }
        await lesson.student("s03").refused("muted", "play_note", { midi: 60 });
        await lesson.student("s04").ok("play_note", { midi: 60 });
        await lesson.seesEverybody(lesson.teacher);
      });
    }

    test("all along, each client heard each beat once, in order, on the timeline's times", () => {
      for (const player of lesson.everybody) player.assertUnbrokenBeats();
      lesson.assertBeatsKeepTheTimeline();
    });

    test("a closed room is closed for everybody", async () => {
      const marks = lesson.marks();
      await lesson.teacher.ok("close_room");
      await lesson.allHear("room_closed", { marks });
      await lesson.allHear("phx_close", { marks });
      const late = lesson.player("late", studentToken);
      const { status, response } = await late.join();
      assert.deepEqual([status, response.reason], ["error", "Room not found"]);
      await late.disconnect();
      const { status: gone } = await call(lesson.server, "GET", `/api/music/rooms/${lesson.room}`, {
        token: teacherToken(),
      });
      assert.equal(gone, 404);
    });
  });
}

// The first half of a lesson: joining, playing, and everything that the clock can do.
import { test } from "node:test";
import assert from "node:assert/strict";
import { STUDENTS } from "../harness/classroom.mjs";
import { timeOfBeat } from "../harness/timeline.mjs";

/** @param {import("../harness/classroom.mjs").Classroom} lesson open, with nobody in it */
export function music(lesson) {
  test("the first join starts the clock and tells all about the room", async () => {
    const { status, response } = await lesson.teacher.join();
    assert.equal(status, "ok", JSON.stringify(response));
    assert.equal(response.room_id, lesson.room);
    assert.equal(response.bpm, 240);
    assert.equal(response.role, "teacher");
    assert.equal(response.student_id, "ms-lee");
    assert.equal(response.playing, true);
    assert.equal(response.timeline.playing, true);
    assert.deepEqual(response.assignments, {});
    assert.deepEqual(response.muted, []);
    assert.deepEqual(response.roles, {});
    assert.equal(response.settings.autostart, true);
    assert.equal(response.settings.locked, false);
    assert.equal(typeof response.settings.max_students, "number");
    assert.ok(Math.abs(response.server_time - Date.now()) < 60_000, `server_time in ms: ${response.server_time}`);
    for (const key of ["epoch", "rev", "run", "server_now_us"]) assert.equal(typeof response.timeline[key], "number");
    assert.ok(Array.isArray(response.timeline.segments) && response.timeline.segments.length > 0);
    assert.equal(response.timeline.meter.beats_per_bar, 4);
    await lesson.teacher.hears("timeline");
    await lesson.teacher.hears("beat_assignments", {
      fits: ({ assignments }) => Object.keys(assignments).length === 0,
    });
    const first = await lesson.teacher.hears("beat");
    assert.deepEqual(Object.keys(first).sort(), ["at", "bar", "beat", "bpm", "pulse", "run", "source"]);
    assert.equal(first.source, "clock");
    assert.equal(first.bpm, 240);
  });

  test("thirty students join and disturb nothing", async () => {
    const before = await lesson.teacher.ok("get_room");
    const joins = await Promise.all(lesson.students.map((student) => student.join()));
    joins.forEach(({ status, response }, index) => {
      assert.equal(status, "ok", JSON.stringify(response));
      assert.equal(response.role, "student");
      assert.equal(response.student_id, lesson.students[index].id);
      assert.equal(response.timeline.run, before.timeline.run);
      assert.deepEqual(response.timeline.segments, before.timeline.segments);
    });
    const { members } = await lesson.teacher.ok("get_room");
    assert.equal(members.length, STUDENTS + 1);
    const one = members.find((member) => member.student_id === "s07");
    assert.equal(one.name, "Name of s07");
    assert.equal(one.connections, 1);
    assert.equal(one.muted, false);
    assert.equal(one.hand, false);
  });

  test("every note is heard by everybody, with its player, its time and its beat", async () => {
    const marks = lesson.marks();
    await Promise.all(lesson.students.map((student, index) => student.ok("play_note", { midi: 40 + index })));
    for (const [index, student] of lesson.students.entries()) {
      const note = await lesson.allHear("student_note", { marks, fits: (one) => one.student_id === student.id });
      assert.equal(note.midi, 40 + index);
      assert.equal(note.velocity, 64);
    }
    for (const player of lesson.everybody) {
      const notes = player.all("student_note", marks.get(player));
      assert.equal(notes.length, STUDENTS, `${player.id} heard each note once`);
      assert.deepEqual(
        notes[0],
        lesson.teacher
          .all("student_note", marks.get(lesson.teacher))
          .find((one) => one.student_id === notes[0].student_id),
      );
    }
    const { timeline } = await lesson.teacher.ok("get_room");
    for (const note of lesson.teacher.all("student_note", marks.get(lesson.teacher))) {
      const due = timeOfBeat(timeline, note.beat * 1e6) / 1000;
      assert.ok(Math.abs(due - note.timestamp) <= 1, `beat ${note.beat} is at ${due}, not ${note.timestamp}`);
    }
  });

  test("a velocity is clamped", async () => {
    const from = lesson.teacher.heard.mark();
    await lesson.student("s01").ok("play_note", { midi: 60, velocity: 500 });
    assert.equal((await lesson.teacher.hears("student_note", { from })).velocity, 127);
  });

  test("a tempo change takes effect now, at a beat or at a bar, for everybody", async () => {
    for (const [at, bpm] of [
      ["now", 180],
      ["beat", 210],
      ["bar", 240],
    ]) {
      const marks = lesson.marks();
      await lesson.teacher.ok("set_tempo", { bpm, at });
      const change = await lesson.allHear("tempo_changed", { marks, fits: (one) => one.bpm === bpm });
      const timeline = await lesson.allHear("timeline", {
        marks,
        fits: (one) => one.segments.some((segment) => segment.milli_bpm === bpm * 1000),
      });
      const due = timeOfBeat(timeline, change.effective_beat * 1e6) / 1000;
      assert.ok(
        Math.abs(due - change.effective_at) <= 0.01,
        `effective_at ${change.effective_at}, by the timeline ${due}`,
      );
      if (at !== "now") assert.equal(change.effective_beat % 1, 0, `at ${at}: beat ${change.effective_beat}`);
      if (at === "bar") {
        const bar0 = timeline.meter.bar0_ub / 1e6;
        assert.equal((change.effective_beat - bar0) % 4, 0, `beat ${change.effective_beat} begins no bar`);
      }
      await lesson.allHear("beat", { marks, fits: (one) => one.bpm === bpm && one.beat >= change.effective_beat });
    }
    assert.equal((await lesson.teacher.ok("get_room")).bpm, 240);
  });

  test("a ramp glides to its tempo", async () => {
    const marks = lesson.marks();
    await lesson.teacher.ok("ramp_tempo", { bpm: 290, beats: 8 });
    const timeline = await lesson.allHear("timeline", {
      marks,
      fits: (one) => one.segments.some((segment) => segment.ramp),
    });
    const { ramp } = timeline.segments.find((segment) => segment.ramp);
    assert.deepEqual(ramp, { to_milli_bpm: 290_000, len_ub: 8_000_000 });
    await lesson.allHear("tempo_changed", { marks, fits: (one) => one.bpm === 290 });
    await lesson.allHear("beat", { marks, fits: (one) => one.bpm === 290 });
    await lesson.teacher.ok("set_tempo", { bpm: 240 });
  });

  test("the clock stops, resumes where it stopped, and starts anew with a count-in", async () => {
    const marks = lesson.marks();
    await lesson.teacher.ok("stop_clock");
    await lesson.allHear("clock_stopped", { marks });
    await lesson.allHear("timeline", { marks, fits: (one) => one.playing === false });
    const stopped = await lesson.teacher.ok("get_room");
    assert.equal(stopped.playing, false);
    const resumed = lesson.marks();
    await lesson.teacher.ok("start_clock", { resume: true });
    await lesson.allHear("clock_started", { marks: resumed });
    await lesson.allHearBeats(2);
    assert.equal((await lesson.teacher.ok("get_room")).timeline.run, stopped.timeline.run, "a resume opens no run");

    await lesson.teacher.ok("start_clock");
    assert.equal(
      (await lesson.teacher.ok("get_room")).timeline.run,
      stopped.timeline.run,
      "a start while running changes nothing",
    );

    await lesson.teacher.ok("stop_clock");
    const counted = lesson.marks();
    await lesson.teacher.ok("start_clock", { count_in: 4 });
    await lesson.allHear("beat", { marks: counted, fits: (one) => one.beat === 1 });
    for (const player of lesson.everybody) {
      const beats = player.all("beat", counted.get(player)).filter((one) => one.run > stopped.timeline.run);
      assert.deepEqual(
        beats.slice(0, 6).map((one) => one.beat),
        [-4, -3, -2, -1, 0, 1],
        player.id,
      );
      assert.equal(beats.find((one) => one.beat === 0).bar, 1);
      assert.equal(beats.find((one) => one.beat === 0).pulse, 1);
    }
  });

  test("a reset makes the next beat 0 of a new run", async () => {
    const { run } = (await lesson.teacher.ok("get_room")).timeline;
    const marks = lesson.marks();
    await lesson.teacher.ok("reset_clock");
    await lesson.allHear("beat", { marks, fits: (one) => one.run > run });
    for (const player of lesson.everybody) {
      const first = player.all("beat", marks.get(player)).find((one) => one.run > run);
      assert.equal(first.beat, 0, player.id);
    }
  });

  test("a meter numbers the pulses of its bars", async () => {
    const marks = lesson.marks();
    await lesson.teacher.ok("set_meter", { beats_per_bar: 7, groups: [2, 2, 3] });
    const change = await lesson.allHear("meter_changed", { marks });
    assert.equal(change.beats_per_bar, 7);
    assert.deepEqual(change.groups, [2, 2, 3]);
    const { meter } = await lesson.allHear("timeline", { marks, fits: (one) => one.meter.beats_per_bar === 7 });
    await lesson.allHear("beat", { marks, fits: (one) => one.pulse === 7 });
    const beats = lesson.teacher
      .all("beat", marks.get(lesson.teacher))
      .filter((one) => one.beat * 1e6 >= meter.bar0_ub);
    for (const { beat, pulse } of beats) assert.equal(pulse, ((beat - meter.bar0_ub / 1e6) % 7) + 1, `beat ${beat}`);
  });
}

// The second half of a lesson: who may play, who does what, who is here.
import { test } from "node:test";
import assert from "node:assert/strict";
import { studentToken } from "../harness/token.mjs";

/** @param {import("../harness/classroom.mjs").Classroom} lesson with everybody in it */
export function people(lesson) {
  test("after a mute's ok not one note of that student goes out", async () => {
    const loud = lesson.student("s02");
    const marks = lesson.marks();
    let acknowledged = 0;
    let playing = true;
    const storm = (async () => {
      while (playing) {
        const { status, response } = await loud.push("play_note", { midi: 61 });
        if (status === "ok") acknowledged += 1;
        else if (response.reason === "muted") playing = false;
        else assert.equal(response.reason, "rate_limit_exceeded");
      }
    })();
    await lesson.teacher.hears("student_note", {
      from: marks.get(lesson.teacher),
      fits: (one) => one.student_id === "s02",
    });
    let muted = null;
    // The place is taken inside the reply's own handler: what follows it on this socket came after the ok.
    lesson.teacher.channel
      .push("mute_student", { student_id: "s02" })
      .receive("ok", () => (muted = lesson.teacher.heard.mark()));
    await lesson.allHear("student_muted", { marks, fits: (one) => one.student_id === "s02" });
    await storm;
    const { status, response } = await loud.push("play_note", { midi: 61 });
    assert.equal(status, "error");
    assert.match(response.reason, /^(muted|rate_limit_exceeded)$/);
    await lesson.student("s04").ok("play_note", { midi: 99 });
    await lesson.allHear("student_note", { marks, fits: (one) => one.midi === 99 });
    assert.notEqual(muted, null, "the mute was acknowledged");
    assert.deepEqual(
      lesson.teacher.all("student_note", muted).filter((one) => one.student_id === "s02"),
      [],
    );
    for (const player of lesson.everybody) {
      const heard = player.all("student_note", marks.get(player)).filter((one) => one.student_id === "s02");
      assert.equal(heard.length, acknowledged, `${player.id}: each acknowledged note once, no other`);
    }
    assert.deepEqual((await lesson.teacher.ok("get_room")).muted, ["s02"]);
    await lesson.teacher.ok("unmute_student", { student_id: "s02" });
    await lesson.allHear("student_unmuted", { marks, fits: (one) => one.student_id === "s02" });
    await lesson.teacher.refused("unknown student", "mute_student", { student_id: "nobody" });
  });

  test("the teacher sees in presence whose clock is uncertain, and the meta is still the room's", async () => {
    const marks = lesson.marks();
    const student = lesson.student("s05");
    const clock = { unc_us: 42_000, round_trip_us: 81_000 };
    const wrong = "unc_us must be an integer (how far the client's time may be wrong, in microseconds)";
    await student.refused(wrong, "clock_report", { round_trip_us: 1 });
    await student.ok("clock_report", { ...clock, role: "teacher", name: "Nobody" });
    const { joins } = await lesson.allHear("presence_diff", {
      marks,
      fits: ({ joins }) => joins.s05?.metas.some((meta) => meta.clock?.unc_us === clock.unc_us),
    });
    const meta = joins.s05.metas.find((one) => one.clock);
    assert.deepEqual(meta.clock, clock);
    assert.deepEqual([meta.name, meta.role], ["Name of s05", "student"]);
    await student.refused("rate_limit_exceeded", "clock_report", clock);
  });

  test("the teacher mutes and unmutes all students at once", async () => {
    const marks = lesson.marks();
    await lesson.teacher.ok("mute_all");
    for (const { id } of lesson.students)
      await lesson.allHear("student_muted", { marks, fits: (one) => one.student_id === id });
    await Promise.all(
      lesson.students.slice(9, 19).map((student) => student.refused("muted", "play_note", { midi: 60 })),
    );
    await lesson.teacher.ok("play_note", { midi: 100 });
    await lesson.teacher.ok("unmute_all");
    for (const { id } of lesson.students)
      await lesson.allHear("student_unmuted", { marks, fits: (one) => one.student_id === id });
    await Promise.all(lesson.students.slice(19).map((student) => student.ok("play_note", { midi: 60 })));
  });

  test("beats are assigned to students, several to one beat, and cleared", async () => {
    const marks = lesson.marks();
    await lesson.teacher.ok("assign_beat", { student_id: "s01", beat: 1 });
    await lesson.teacher.ok("assign_beat", { student_id: "s02", beat: 1 });
    assert.deepEqual(await lesson.allHear("beat_assigned", { marks }), { student_id: "s01", beat: 1 });
    const updated = await lesson.allHear("beat_assignment_updated", {
      marks,
      fits: (one) => one.student_id === "s02",
    });
    assert.deepEqual(updated, { beat: 1, student_id: "s02", assignments: { 1: ["s01", "s02"] } });
    for (const beat of [0, 65])
      await lesson.teacher.refused("beat out of range", "assign_beat", { student_id: "s01", beat });
    await lesson.teacher.ok("assign_beat", { student_id: "s03", beat: 64 });
    await lesson.teacher.ok("clear_beat", { beat: 1 });
    await lesson.allHear("beat_assignment_updated", { marks, fits: (one) => one.assignments[1] === undefined });
    assert.deepEqual((await lesson.teacher.ok("get_room")).assignments, { 64: ["s03"] });
    await lesson.teacher.ok("clear_beats");
    assert.deepEqual((await lesson.teacher.ok("get_room")).assignments, {});
  });

  test("students have no teacher's controls, a co-teacher has all but the closing", async () => {
    const student = lesson.student("s05");
    const marks = lesson.marks();
    const controls = [
      ["set_tempo", { bpm: 100 }],
      ["ramp_tempo", { bpm: 100, beats: 4 }],
      ["start_clock", {}],
      ["stop_clock", {}],
      ["reset_clock", {}],
      ["set_meter", { beats_per_bar: 3 }],
      ["mute_student", { student_id: "s06" }],
      ["unmute_student", { student_id: "s06" }],
      ["mute_all", {}],
      ["unmute_all", {}],
      ["clear_beat", { beat: 1 }],
      ["assign_beat", { student_id: "s06", beat: 1 }],
      ["clear_beats", {}],
      ["lock_room", {}],
      ["unlock_room", {}],
      ["assign_role", { student_id: "s05", role: "co_teacher" }],
      ["remove_student", { student_id: "s06" }],
      ["close_room", {}],
    ];
    for (const [event, payload] of controls) await student.refused("unauthorized", event, payload);
    await lesson.teacher.ok("assign_role", { student_id: "s05", role: "co_teacher" });
    await lesson.allHear("role_assigned", {
      marks,
      fits: (one) => one.student_id === "s05" && one.role === "co_teacher",
    });
    await student.ok("mute_student", { student_id: "s06" });
    await student.ok("unmute_student", { student_id: "s06" });
    await student.refused("unauthorized", "close_room");
  });

  test("a soloist plays alone, and a listener never", async () => {
    const [soloist, other, listener] = ["s08", "s09", "s10"].map((id) => lesson.student(id));
    await lesson.teacher.ok("assign_role", { student_id: "s08", role: "soloist" });
    await soloist.ok("play_note", { midi: 60 });
    await other.refused("only_soloist_can_play", "play_note", { midi: 60 });
    assert.equal((await other.ok("get_room")).roles.s08, "soloist");
    await lesson.teacher.ok("assign_role", { student_id: "s08", role: "section:alto" });
    await other.ok("play_note", { midi: 60 });
    await lesson.teacher.ok("assign_role", { student_id: "s10", role: "listener" });
    await listener.refused("listener_cannot_play", "play_note", { midi: 60 });
  });

  test("hands go up and down", async () => {
    const marks = lesson.marks();
    await lesson.student("s11").ok("raise_hand");
    assert.equal((await lesson.allHear("hand_raised", { marks })).student_id, "s11");
    const { members } = await lesson.teacher.ok("get_room");
    assert.equal(members.find((one) => one.student_id === "s11").hand, true);
    await lesson.student("s11").ok("lower_hand");
    assert.equal((await lesson.allHear("hand_lowered", { marks })).student_id, "s11");
  });

  test("a locked room lets nobody new in", async () => {
    const marks = lesson.marks();
    await lesson.teacher.ok("lock_room");
    await lesson.allHear("room_locked", { marks });
    const late = lesson.player("late", studentToken);
    const { status, response } = await late.join();
    assert.deepEqual([status, response.reason], ["error", "room_locked"]);
    await late.disconnect();
    await lesson.teacher.ok("unlock_room");
    await lesson.allHear("room_unlocked", { marks });
  });

  test("presence shows each student once, however many connections", async () => {
    for (const player of lesson.everybody) await lesson.seesEverybody(player);
    const from = lesson.teacher.presenceLog.mark();
    const second = lesson.player("s13", studentToken);
    assert.equal((await second.join()).status, "ok");
    const joined = await lesson.teacher.presenceLog.until(
      "s13's second join",
      (one) => one.kind === "join" && one.key === "s13",
      { from },
    );
    assert.equal(joined.before.metas.length, 1, "the first connection was known");
    const { metas } = lesson.teacher.presence.state.s13;
    assert.equal(metas.length, 2);
    for (const meta of metas) {
      assert.deepEqual(
        Object.keys(meta)
          .filter((key) => key !== "phx_ref_prev")
          .sort(),
        ["joined_at", "name", "phx_ref", "role"],
      );
      assert.equal(meta.name, "Name of s13");
    }
    const { members } = await lesson.teacher.ok("get_room");
    assert.equal(members.filter((one) => one.student_id === "s13").length, 1);
    assert.equal(members.find((one) => one.student_id === "s13").connections, 2);
    assert.equal((await second.leave()).status, "ok");
    await lesson.teacher.presenceLog.until("s13's second leave", (one) => one.kind === "leave" && one.key === "s13", {
      from,
    });
    assert.equal(lesson.teacher.presence.state.s13.metas.length, 1, "s13 is still here");
    await second.disconnect();
  });

  test("who leaves is gone for everybody, and who is removed cannot come back", async () => {
    const [leaver, removed] = ["s29", "s30"].map((id) => lesson.student(id));
    const marks = lesson.marks();
    assert.equal((await leaver.leave()).status, "ok");
    await lesson.teacher.presenceLog.until("s29's leave", (one) => one.kind === "leave" && one.key === "s29");
    let closed = false;
    removed.channel.onClose(() => (closed = true));
    await lesson.teacher.ok("remove_student", { student_id: "s30" });
    lesson.students = lesson.students.filter((one) => one !== leaver && one !== removed);
    await lesson.allHear("student_removed", { marks, fits: (one) => one.student_id === "s30" });
    await removed.hears("removed_from_room");
    await removed.hears("phx_close");
    assert.equal(closed, true, "phoenix.js closed the channel for good");
    await Promise.all([leaver.disconnect(), removed.disconnect()]);
    const again = lesson.player("s30", studentToken);
    const { status, response } = await again.join();
    assert.deepEqual([status, response.reason], ["error", "removed_from_room"]);
    await again.disconnect();
  });
}

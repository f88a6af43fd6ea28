// The bridge: a music room as a channel of supabase-js, beside pupils on the phoenix package.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { Player } from "../harness/player.mjs";
import { call, makeRoom } from "../harness/rest.mjs";
import { matrix } from "../harness/supabase.mjs";
import { mint, studentToken, teacherToken } from "../harness/token.mjs";
import { soon } from "../harness/wait.mjs";

matrix("a music room", (stage, { app }) => {
  let room;
  let topic;
  let teacher;
  let pupil;
  let ada;
  before(async () => {
    room = await makeRoom(stage.node(1), { bpm: 240 });
    topic = `music_room:${room}`;
    const person = (id, on, token) => {
      const player = new Player({ server: stage.node(on), room, id, token: () => token });
      stage.guests.push(() => player.disconnect());
      return player;
    };
    teacher = person("ms-lee", 1, teacherToken());
    pupil = person("phoebe", 0, studentToken("phoebe"));
    for (const player of [teacher, pupil]) assert.equal((await player.join()).status, "ok");
    ada = await app({ sub: "ada" }).sit(topic, { presence: true, broadcast: { ack: true } });
  });
  after(() => stage.everybodyLeaves());

  /** The reply to the latest message of this app that was refused. */
  const refusal = async (seat, send) => {
    const from = seat.app.heard.mark();
    assert.equal(await send(), "error");
    const { response } = await seat.app.hears("phx_reply", { fits: ({ status }) => status === "error", from });
    return response.reason;
  };

  test("the join tells of the room, and its beats and changes come as broadcasts", async () => {
    const { response } = await ada.app.hears("phx_reply", { fits: ({ response }) => response.room_id === room });
    assert.deepEqual([response.bpm, response.role, response.student_id], [240, "student", "ada"]);
    assert.deepEqual(response.postgres_changes, []);
    const first = (await ada.hears("beat")).payload;
    const next = await ada.hears("beat", { fits: ({ beat }) => beat === first.beat + 1 });
    assert.deepEqual([next.type, next.payload.run, next.payload.bpm], ["broadcast", first.run, 240]);
    await ada.hears("timeline");
    await teacher.ok("assign_beat", { student_id: "ada", beat: 2 });
    assert.deepEqual((await ada.hears("beat_assigned")).payload, { student_id: "ada", beat: 2 });
  });

  test("a note that is broadcast is played: everybody hears it from its player, and mistakes are answered", async () => {
    assert.equal(await ada.send("play_note", { midi: 61, velocity: 90 }), "ok");
    const note = await pupil.hears("student_note", { fits: ({ midi }) => midi === 61 });
    assert.deepEqual([note.student_id, note.velocity], ["ada", 90]);
    const own = await ada.hears("student_note", { fits: ({ midi }) => midi === 61 });
    assert.deepEqual(own.payload, note);
    await pupil.ok("play_note", { midi: 62 });
    const other = await ada.hears("student_note", { fits: ({ midi }) => midi === 62 });
    assert.equal(other.payload.student_id, "phoebe");
    assert.equal(await refusal(ada, () => ada.send("play_note", {})), "midi required");
    assert.equal(
      pupil.heard.items.some(({ event }) => event === "broadcast" || event === "play_note"),
      false,
    );
  });

  test("a teacher conducts by broadcasts, a pupil cannot", async () => {
    assert.equal(await refusal(ada, () => ada.send("set_tempo", { bpm: 60 })), "unauthorized");
    const lee = app({ sub: "mr-kim", on: 1, token: teacherToken("mr-kim") });
    const conductor = await lee.sit(topic, { broadcast: { ack: true } });
    assert.equal(await conductor.send("set_tempo", { bpm: 200 }), "ok");
    await pupil.hears("tempo_changed", { fits: ({ bpm }) => bpm === 200 });
    await ada.hears("tempo_changed", { fits: ({ bpm }) => bpm === 200 });
    assert.equal(await soon("leave", conductor.channel.unsubscribe()), "ok");
  });

  test("nobody forges the room's own events, over the socket or over HTTP", async () => {
    const forged = ["beat", "tempo_changed", "student_note", "timeline", "room_closed", "student_muted"];
    const reserved = (event) => `reserved event: only the room itself sends ${event}`;
    for (const event of forged) assert.equal(await refusal(ada, () => ada.send(event, { beat: 1 })), reserved(event));
    for (const event of forged) {
      const { status, json } = await call(stage.node(0), "POST", `/api/broadcast/${topic}/events/${event}`, {
        token: teacherToken(),
        body: { beat: -77 },
      });
      assert.ok(status === 403 || status === 422, `${event} over HTTP: ${status}`);
      assert.match(JSON.stringify(json), new RegExp(`only the room itself sends ${event}`));
    }
    await pupil.ok("play_note", { midi: 63 });
    await ada.hears("student_note", { fits: ({ midi }) => midi === 63 });
    const heard = [...pupil.heard.items, ...ada.broadcasts.items];
    assert.equal(
      heard.some(({ payload }) => payload.beat === -77),
      false,
    );
  });

  test("other broadcasts go among the supabase-js users of the room, and a teacher's over HTTP, too", async () => {
    const bob = await app({ sub: "bob", on: 1 }).sit(topic, { presence: true });
    assert.equal(await ada.send("wave", { hand: "left" }), "ok");
    assert.deepEqual(await bob.hears("wave"), { type: "broadcast", event: "wave", payload: { hand: "left" } });
    const send = (token) => {
      const body = { messages: [{ topic, event: "praise", payload: { n: 1 } }] };
      return call(stage.node(1), "POST", "/api/broadcast", { token, body });
    };
    assert.equal((await send(studentToken("bob"))).status, 403);
    assert.equal((await send(teacherToken())).status, 202);
    await bob.hears("praise");
    await ada.hears("praise");
    assert.equal(
      pupil.heard.items.some(({ event }) => event === "wave" || event === "praise"),
      false,
    );
    await soon("leave", bob.channel.unsubscribe());
  });

  test("who is muted neither plays nor says anything", async () => {
    await teacher.ok("mute_student", { student_id: "ada" });
    for (const event of ["play_note", "wave"])
      assert.equal(await refusal(ada, () => ada.send(event, { midi: 60 })), "muted");
    const from = ada.broadcasts.mark();
    await teacher.ok("unmute_student", { student_id: "ada" });
    await ada.hears("student_unmuted", { from });
    assert.equal(await ada.send("play_note", { midi: 64 }), "ok");
    await pupil.hears("student_note", { fits: ({ midi }) => midi === 64 });
  });

  test("who says too much in a second is held to the rate of notes", async () => {
    const eve = await app({ sub: "eve", on: 1 }).sit(topic, { broadcast: { ack: true } });
    const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => eve.send("wave", { n })));
    const refused = eve.app.heard.items.filter(({ payload }) => payload.status === "error");
    assert.equal(refused.length, answers.filter((answer) => answer === "error").length);
    assert.ok(
      refused.length > 0 && refused.length <= 30,
      `${refused.length} of 40 were refused, ten a second may pass`,
    );
    for (const { payload } of refused) assert.deepEqual(payload.response, { reason: "rate_limit_exceeded" });
    await soon("leave", eve.channel.unsubscribe());
  });

  test("the room's presence is the channel's, and a track adds to one's own", async () => {
    const everybody = (seat) => Object.keys(seat.state()).sort();
    await ada.presences.until("all three", () => String(everybody(ada)) === "ada,ms-lee,phoebe");
    const [meta] = ada.state().phoebe;
    assert.deepEqual([meta.role, typeof meta.joined_at], ["student", "number"]);
    assert.equal(await soon("track", ada.channel.track({ instrument: "viola" })), "ok");
    await ada.presences.until("the viola", () => ada.state().ada?.some(({ instrument }) => instrument === "viola"));
    assert.equal(ada.state().ada.length, 1);
    await pupil.presenceLog.until("the viola", () =>
      pupil.presence.list().some(({ metas }) => metas.some(({ instrument }) => instrument === "viola")),
    );
    assert.deepEqual(pupil.presenceKeys(), ["ada", "ms-lee", "phoebe"]);
  });

  test("an unknown room is refused as a room is", async () => {
    const lost = app({ sub: "lost", on: 1 });
    await lost.seat("music_room:MUSIC-000000").refused("Room not found");
    const stranger = app({ sub: "eve", token: mint({ tenant: "globex", sub: "eve" }) });
    await stranger.seat(topic).refused("Room not found");
  });
});

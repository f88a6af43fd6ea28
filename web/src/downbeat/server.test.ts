/// <reference types="node" />
// Against a real node: DOWNBEAT_BIN names the program.
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import WebSocket from 'ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { browserPlatform } from './platform';
import { joinRoomOn } from './room';
import type { JoinOptions, Room, RoomState } from './types';

const program = process.env['DOWNBEAT_BIN'];
const there = program !== undefined && existsSync(program);
if (!there) console.warn('SKIPPED: the tests against a real server; set DOWNBEAT_BIN to the program');

describe.skipIf(!there)('a room on a real server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'downbeat-web-'));
  const rooms: Room[] = [];
  let node: ChildProcess;
  let host: string;

  beforeAll(async () => {
    const flags = ['--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0', '--log-format', 'json'];
    node = spawn(program!, ['dev', ...flags, '--data-dir', join(folder, 'data')], { cwd: folder });
    host = await new Promise((resolve, reject) => {
      let log = '';
      node.stderr!.on('data', (chunk) => {
        log += chunk;
        const address = /"http\.address":"([^"]+)"/.exec(log)?.[1];
        if (address) resolve(address);
      });
      node.once('exit', () => reject(new Error(`the server ended:\n${log}`)));
    });
  });

  afterAll(async () => {
    for (const room of rooms) room.leave();
    const gone = new Promise((resolve) => node.once('exit', resolve));
    node.kill('SIGTERM');
    await gone;
    rmSync(folder, { recursive: true, force: true });
  });

  async function token(role: string, sub: string): Promise<string> {
    const response = await fetch(`http://${host}/dev/token?role=${role}&sub=${sub}`);
    return ((await response.json()) as { token: string }).token;
  }

  async function madeRoom(settings: object): Promise<string> {
    const headers = { authorization: `Bearer ${await token('teacher', 'ms-lee')}`, 'content-type': 'application/json' };
    const body = JSON.stringify(settings);
    const response = await fetch(`http://${host}/api/music/rooms`, { method: 'POST', headers, body });
    return ((await response.json()) as { room_id: string }).room_id;
  }

  type Transport = new (endpoint: string) => object;

  function enter(
    options: Partial<JoinOptions> & { code: string }, role: string, sub: string,
    transport: Transport = WebSocket as unknown as Transport,
  ): Room {
    const platform = { ...browserPlatform(), transport };
    const room = joinRoomOn(platform, { endpoint: `ws://${host}/socket`, token: () => token(role, sub), ...options });
    rooms.push(room);
    return room;
  }

  function until(room: Room, fits: (state: RoomState) => boolean): Promise<RoomState> {
    return new Promise((resolve) => {
      const check = (state: RoomState) => {
        if (!fits(state)) return;
        stop();
        resolve(state);
      };
      const stop = room.subscribe(check);
      check(room.state);
    });
  }

  it('takes a class through a lesson', async () => {
    const code = await madeRoom({ bpm: 240, autostart: false, name: 'Tuesday' });
    const teacher = enter({ code, name: 'Ms Lee' }, 'teacher', 'ms-lee');
    await until(teacher, ({ connection }) => connection === 'online');
    const ada = enter({ code, name: 'Ada' }, 'student', 'ada');
    const clock = await until(ada, ({ clock }) => clock.quality === 'good');
    expect(clock.clock.uncertaintyMs).toBeLessThan(5);
    await until(teacher, ({ members }) => members.length === 2);
    expect(teacher.state).toMatchObject({ code, name: 'Tuesday', bpm: 240, playing: false, connection: 'online' });
    expect(teacher.state.members.map(({ name }) => name)).toEqual(['Ms Lee', 'Ada']);
    expect(ada.state.me).toEqual({ studentId: 'ada', role: 'student', name: 'Ada' });

    const heard: number[] = [];
    const lateness: number[] = [];
    const four = new Promise<void>((resolve) => ada.onBeat(({ beat, at }) => {
      heard.push(beat);
      lateness.push(ada.now() - at);
      if (beat >= 3) resolve();
    }));
    await teacher.controls.start({ countIn: 4 });
    await four;
    // A machine that is busy for long may leave one out; none comes twice, early, or out of turn.
    expect(heard[0]).toBeLessThan(0);
    expect(heard).toEqual([...new Set(heard)].sort((one, other) => one - other));
    expect(Math.min(...lateness)).toBeGreaterThanOrEqual(0);
    const zero = ada.timeAt(0)!;
    expect(ada.currentBeat(zero + 800)).toMatchObject({ beat: 3, bar: 1, pulse: 4, bpm: 240, accent: 'none' });

    const note = new Promise((resolve) => teacher.onNote(resolve));
    await ada.playNote(60, 90);
    expect(await note).toMatchObject({ studentId: 'ada', midi: 60, velocity: 90, own: false });

    await teacher.controls.mute('ada');
    await expect(ada.playNote(61)).rejects.toMatchObject({ name: 'Refused', code: 'muted' });
    await expect(ada.controls.lock()).rejects.toMatchObject({ code: 'unauthorized' });
    await ada.raiseHand();
    await teacher.controls.assignBeat('ada', 2);
    await teacher.controls.assignRole('ada', 'soloist');
    await until(teacher, ({ members }) => members[1]?.assignedRole === 'soloist');
    expect(teacher.state.members[1]).toMatchObject({ muted: true, hand: true, beats: [2], connections: 1 });

    await teacher.controls.setTempo(280, 'bar');
    await until(ada, ({ bpm }) => bpm === 280);
    await teacher.controls.stop();
    await until(ada, ({ playing }) => !playing);
    const { id } = await ada.submitReflection({ reflection_text: 'Loud.', reflection_type: 'exit_ticket', mood: 5 });
    expect(id).toMatch(/^[0-9a-f]{32}$/);

    await teacher.controls.remove('ada');
    expect((await until(ada, ({ ending }) => ending !== null)).ending).toBe('removed_from_room');
    await until(teacher, ({ members }) => members.length === 1);
    await teacher.controls.close();
    expect((await until(teacher, ({ ending }) => ending !== null)).ending).toBe('room_closed');
    await expect(teacher.controls.start()).rejects.toMatchObject({ code: 'offline' });
  }, 90_000);

  it('says why a room cannot be entered', async () => {
    const lost = enter({ code: 'MUSIC-0000' }, 'student', 'bob');
    expect((await until(lost, ({ ending }) => ending !== null)).ending).toBe('room_not_found');
    const stale = enter({ code: 'MUSIC-0000', token: () => Promise.resolve('not.a.token') }, 'student', 'bob');
    expect((await until(stale, ({ ending }) => ending !== null)).ending).toBe('session_expired');
    const code = await madeRoom({});
    const teacher = enter({ code }, 'teacher', 'ms-lee');
    await until(teacher, ({ connection }) => connection === 'online');
    await teacher.controls.lock();
    const late = enter({ code }, 'student', 'bob');
    expect((await until(late, ({ ending }) => ending !== null)).ending).toBe('room_locked');
  }, 90_000);

  it('is reached by long poll where no WebSocket gets through', async () => {
    class Blocked {
      readyState = 0;
      onerror = (_event: unknown) => undefined as void;
      onclose = (_event: unknown) => undefined as void;
      constructor() {
        setTimeout(() => {
          this.readyState = 3;
          this.onerror({});
          this.onclose({ code: 1006 });
        });
      }
      close() {}
    }
    const code = await madeRoom({ autostart: false });
    const ada = enter({ code }, 'student', 'ada', Blocked);
    await until(ada, ({ connection, clock }) => connection === 'online' && clock.uncertaintyMs < 1_000);
    await ada.raiseHand();
    await until(ada, ({ members }) => members[0]?.hand === true);
  }, 90_000);
});

import { describe, expect, it } from 'vitest';
import { stampingCodec } from './stamps';

function codec() {
  const time = { here: 100 };
  const { encode, decode } = stampingCodec(() => time.here);
  const sent = (message: object): unknown => {
    let text = '';
    encode(message, (encoded) => { text = encoded; });
    return JSON.parse(text);
  };
  const received = (frame: unknown): { payload: unknown; event: string; ref: string | null } => {
    let message: unknown;
    decode(JSON.stringify(frame), (decoded) => { message = decoded; });
    return message as never;
  };
  return { time, sent, received };
}

describe('the stamps of clock_sync', () => {
  it('are taken when the frame is written and when its answer is read', () => {
    const { time, sent, received } = codec();
    const push = { join_ref: '1', ref: '7', topic: 'music_room:A', event: 'clock_sync', payload: { i: 3 } };
    expect(sent(push)).toEqual(['1', '7', 'music_room:A', 'clock_sync', { i: 3, t0: 100 }]);
    time.here = 130;
    const reply = { status: 'ok', response: { i: 3, t0: 100, t1: 5, t2: 6, unc_us: 9 } };
    const { payload } = received(['1', '7', 'music_room:A', 'phx_reply', reply]);
    expect(payload).toEqual({ status: 'ok', response: { ...reply.response, t3: 130 } });
  });

  it('are on nothing else', () => {
    const { sent, received } = codec();
    const note = { join_ref: '1', ref: '8', topic: 'music_room:A', event: 'play_note', payload: { midi: 60 } };
    expect(sent(note)).toEqual(['1', '8', 'music_room:A', 'play_note', { midi: 60 }]);
    const reply = { status: 'ok', response: {} };
    expect(received(['1', '8', 'music_room:A', 'phx_reply', reply]).payload).toEqual(reply);
    const heartbeat = { ref: '9', topic: 'phoenix', event: 'heartbeat', payload: {} };
    expect(sent(heartbeat)).toEqual([null, '9', 'phoenix', 'heartbeat', {}]);
  });

  it('leave a push of the server as it is', () => {
    const { received } = codec();
    expect(received([null, null, 'music_room:A', 'beat', { beat: 1 }]))
      .toEqual({ join_ref: null, ref: null, topic: 'music_room:A', event: 'beat', payload: { beat: 1 } });
  });
});

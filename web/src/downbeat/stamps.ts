/**
 * phoenix.js' V2 text frames, with the stamps of `clock_sync` taken as late as possible before sending and as early as
 * possible on receipt: what phoenix does in between would count as the network's delay.
 */

interface Frame {
  join_ref: string | null;
  ref: string | null;
  topic: string;
  event: string;
  payload: unknown;
}

/** `encode` and `decode` for one socket. `here` is the clock of the stamps, in ms. */
export function stampingCodec(here: () => number) {
  const probes = new Set<string>();

  return {
    encode(message: object, send: (text: string) => void): void {
      const { join_ref = null, ref, topic, event, payload } = message as Frame;
      if (event !== 'clock_sync' || ref === null) return send(JSON.stringify([join_ref, ref, topic, event, payload]));
      // Those that a broken connection has swallowed are forgotten with the next good ones.
      if (probes.size > 100) probes.clear();
      probes.add(ref);
      send(JSON.stringify([join_ref, ref, topic, event, { ...(payload as object), t0: here() }]));
    },

    decode(text: string, receive: (message: Frame) => void): void {
      const t3 = here();
      const [join_ref, ref, topic, event, payload] = JSON.parse(text) as [string, string, string, string, unknown];
      if (event === 'phx_reply' && probes.delete(ref)) {
        const reply = payload as { status: string; response: object };
        return receive({ join_ref, ref, topic, event, payload: { ...reply, response: { ...reply.response, t3 } } });
      }
      receive({ join_ref, ref, topic, event, payload });
    },
  };
}

// One Phoenix channel over one WebSocket, in the V2 text form: [join_ref, ref, topic, event, payload].

const HEARTBEAT_MS = 25_000;
const ANSWER_MS = 8_000;
/** Join errors that trying again does not mend. */
const FINAL = ['Room not found', 'room_locked', 'room_full', 'removed_from_room', 'student_id required'];

export class Channel {
  #topic; #params; #token; #hear;
  #ws = null; #opening = false; #ended = false; #doubt = false;
  #ref = 0; #joinRef = null; #joined = false; #waiting = new Map();
  #tries = 0; #retry; #pulse;

  /**
   * `token(doubt)` gives a token; `doubt` says that the server may have refused the last one.
   * `hear(event, payload)` gets the room's events, and of its own: `joined` (the join's response), `offline`,
   * and `ended` (a reason or null): then nothing more comes.
   */
  constructor(topic, params, token, hear) {
    [this.#topic, this.#params, this.#token, this.#hear] = [topic, params, token, hear];
    addEventListener('online', () => this.#open());
    document.addEventListener('visibilitychange', () => document.hidden || this.#heartbeat());
    this.#open();
  }

  /** Resolves with the reply's response, rejects with an Error that bears the reason. */
  push(event, payload = {}) {
    return this.#joined ? this.#send(this.#topic, event, payload) : Promise.reject(new Error('offline'));
  }

  async #open() {
    if (this.#ended || this.#opening || this.#ws) return;
    this.#opening = true;
    clearTimeout(this.#retry);
    try {
      const search = new URLSearchParams({ vsn: '2.0.0', token: await this.#token(this.#doubt) });
      const ws = this.#ws = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/socket/websocket?${search}`);
      this.#doubt = true;
      ws.onopen = () => { this.#doubt = false; this.#pulse = setInterval(() => this.#heartbeat(), HEARTBEAT_MS); this.#join(); };
      ws.onmessage = ({ data }) => typeof data === 'string' && this.#receive(JSON.parse(data));
      ws.onclose = () => this.#lost(ws);
    } catch (failure) {
      if (failure.final) this.#end(failure.message); else this.#again(() => this.#open());
    } finally {
      this.#opening = false;
    }
  }

  #join() {
    this.#joined = false;
    this.#joinRef = String(this.#ref + 1);
    this.#send(this.#topic, 'phx_join', this.#params).then(
      (response) => { this.#joined = true; this.#tries = 0; this.#hear('joined', response); },
      ({ message }) => {
        if (FINAL.includes(message)) this.#end(message); else if (message !== 'offline') this.#again(() => this.#join());
      });
  }

  #send(topic, event, payload) {
    if (this.#ws?.readyState !== WebSocket.OPEN) return Promise.reject(new Error('offline'));
    const ref = String(++this.#ref);
    this.#ws.send(JSON.stringify([topic === 'phoenix' ? null : this.#joinRef, ref, topic, event, payload]));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => { this.#waiting.delete(ref); reject(new Error('timeout')); }, ANSWER_MS);
      this.#waiting.set(ref, { resolve, reject, timer });
    });
  }

  #receive([joinRef, ref, topic, event, payload]) {
    if (event === 'phx_reply') {
      const { resolve, reject, timer } = this.#waiting.get(ref) ?? {};
      clearTimeout(timer);
      this.#waiting.delete(ref);
      if (payload.status === 'ok') resolve?.(payload.response); else reject?.(new Error(payload.response.reason));
    } else if (topic === this.#topic && (joinRef === null || joinRef === this.#joinRef)) {
      if (event === 'phx_close') this.#end(null);
      else if (event === 'phx_error') { this.#joined = false; this.#hear('offline'); this.#again(() => this.#join()); }
      else this.#hear(event, payload);
    }
  }

  #heartbeat() {
    const ws = this.#ws;
    // A line that is dead says nothing: whoever does not answer in time is gone.
    this.#send('phoenix', 'heartbeat', {}).catch(({ message }) => message === 'timeout' && this.#lost(ws));
  }

  #lost(ws) {
    if (ws !== this.#ws) return;
    ws.close();
    this.#ws = null;
    this.#joined = false;
    clearInterval(this.#pulse);
    for (const { reject, timer } of this.#waiting.values()) { clearTimeout(timer); reject(new Error('offline')); }
    this.#waiting.clear();
    if (this.#ended) return;
    this.#hear('offline');
    this.#again(() => this.#open());
  }

  /** Waits longer each time, up to 5 s, and never as long as the others: a class must not come back in one instant. */
  #again(action) {
    clearTimeout(this.#retry);
    const wait = Math.min(5_000, 200 * 2 ** this.#tries++) * (0.5 + Math.random() / 2);
    this.#retry = setTimeout(() => this.#ended || action(), wait);
  }

  #end(reason) {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#retry);
    this.#ws?.close();
    this.#hear('ended', reason);
  }
}

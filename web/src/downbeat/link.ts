/** The way to the room: an unmodified phoenix.js socket with one channel, kept open until the room ends. */
import { LongPoll, Socket, type Channel } from 'phoenix';
import { reconnectAfter, rejoinAfter } from './backoff';
import { endingOfJoin, endingOfStatus, isAboutToken } from './ending';
import { FreshToken } from './fresh_token';
import type { Platform } from './platform';
import { stampingCodec } from './stamps';
import { Refused, type Ending, type JoinOptions } from './types';
import type { JoinReply } from './wire';

/** A dead line is found out after one to two of these. */
const HEARTBEAT_MS = 10_000;
const ANSWER_MS = 8_000;
/** phoenix.js does not reconnect while the page is hidden; music goes on there, so this does, so often. */
const HIDDEN_RETRY_MS = 5_000;
const TOKEN_RETRY_MS = 5_000;
/** So many tokens in a row may be refused by joins: the first may be an old one, the second have come too late. */
const TOKENS_REFUSED_MAX = 3;
/** After so many attempts that never opened, the address is asked what is wrong. */
const DOUBTFUL_ATTEMPTS = 2;

export interface LinkListener {
  joined(reply: JoinReply): void;
  event(event: string, payload: unknown): void;
  offline(): void;
  /** Called once; nothing comes after it. */
  ended(ending: Ending): void;
}

export class Link {
  readonly #platform: Platform;
  readonly #listener: LinkListener;
  readonly #endpoint: string;
  readonly #token: FreshToken;
  readonly #socket: Socket;
  readonly #channel: Channel;
  readonly #waiting = new Set<(refused: Refused) => void>();
  #joined = false;
  #opened = false;
  #attempts = 0;
  #tokensRefused = 0;
  #ending: Ending | null = null;
  #over = false;
  #connectedAt = -Infinity;
  #retry: ReturnType<typeof setTimeout> | undefined;

  constructor({ code, token, name, endpoint = '/socket' }: JoinOptions, platform: Platform, listener: LinkListener) {
    [this.#platform, this.#listener, this.#endpoint] = [platform, listener, endpoint];
    this.#token = new FreshToken(token, (ending) => this.#end(ending));
    const { encode, decode } = stampingCodec(() => platform.here());
    this.#socket = new Socket(endpoint, {
      ...(platform.transport && { transport: platform.transport }),
      encode,
      decode,
      // phoenix.js takes a function as well, which its types do not know yet.
      authToken: (() => this.#token.latest) as unknown as string,
      heartbeatIntervalMs: HEARTBEAT_MS,
      reconnectAfterMs: (tries) => reconnectAfter(tries, () => platform.random()),
      rejoinAfterMs: (tries) => rejoinAfter(tries, () => platform.random()),
    });
    this.#socket.onOpen(() => {
      this.#opened = true;
      this.#attempts = 0;
    });
    this.#socket.onClose(() => this.#closed());
    const params = () => ({ ...(name !== undefined && { name }), access_token: this.#token.latest });
    this.#channel = this.#socket.channel(`music_room:${code}`, params);
    this.#listen();
    void this.#open();
  }

  /** Resolves with the answer, or rejects with `Refused`. */
  push(event: string, payload: object): Promise<unknown> {
    if (!this.#joined) return Promise.reject(new Refused('offline'));
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      const settled = (settle: () => void) => {
        this.#waiting.delete(reject);
        settle();
      };
      this.#channel
        .push(event, payload, ANSWER_MS)
        .receive('ok', (response) => settled(() => resolve(response)))
        .receive('error', (response) => settled(() => reject(new Refused(String(response?.reason)))))
        .receive('timeout', () => settled(() => reject(new Refused('timeout'))));
    });
  }

  leave(): void {
    this.#end('left');
  }

  /** To be called all the time: what a hidden page's timers do too late. */
  tick(): void {
    if (this.#over || !this.#platform.hidden() || this.#socket.connectionState() !== 'closed') return;
    if (this.#platform.here() - this.#connectedAt > HIDDEN_RETRY_MS) this.#connect();
  }

  /** The page is shown again, or the network is back: not a moment is lost. */
  wake(): void {
    if (!this.#over && this.#opened && this.#socket.connectionState() === 'closed') this.#connect();
  }

  async #open(): Promise<void> {
    const token = await this.#token.renew();
    if (this.#over) return;
    if (token === null) {
      this.#retry = setTimeout(() => void this.#open(), TOKEN_RETRY_MS * (0.5 + this.#platform.random()));
      return;
    }
    this.#connect();
    this.#channel.join(ANSWER_MS)
      .receive('ok', (reply: JoinReply) => {
        if (this.#over) return;
        this.#joined = true;
        this.#tokensRefused = 0;
        this.#listener.joined(reply);
      })
      .receive('error', ({ reason }: { reason: string }) => this.#refused(reason));
  }

  /** phoenix.js joins again by itself, unless this ends it. */
  #refused(reason: string): void {
    this.#tokensRefused = isAboutToken(reason) ? this.#tokensRefused + 1 : 0;
    const ending = this.#tokensRefused >= TOKENS_REFUSED_MAX ? 'session_expired' : endingOfJoin(reason);
    if (ending) this.#end(ending);
    else void this.#token.renew();
  }

  #connect(): void {
    this.#connectedAt = this.#platform.here();
    this.#socket.connect();
  }

  #listen(): void {
    this.#channel.onError(() => this.#lost());
    this.#channel.onClose(() => this.#end(this.#ending ?? 'room_closed'));
    // phoenix.js' own events pass here too, and null where a push times out that belonged to a line of before.
    this.#channel.onMessage = (event: string | null, payload: unknown) => {
      if (event !== null && !/^(phx|chan_reply)_/.test(event)) this.#heard(event, payload);
      return payload;
    };
  }

  #heard(event: string, payload: unknown): void {
    if (this.#over) return;
    if (event === 'room_closed' || event === 'removed_from_room') this.#ending = event;
    if (event === 'system') void this.#renewToken(payload as { status: string; message: string });
    this.#listener.event(event, payload);
  }

  /** `system` tells of the token: that it will end soon, or (`error`) that it has, and a rejoin follows. */
  async #renewToken({ status, message }: { status: string; message: string }): Promise<void> {
    if (status === 'ok' && !message.startsWith('token expires')) return;
    const token = await this.#token.renew();
    if (this.#over || status !== 'ok') return;
    if (token === null) {
      this.#retry = setTimeout(() => void this.#renewToken({ status, message }), TOKEN_RETRY_MS);
      return;
    }
    // What is wrong with it, the next join will say.
    await this.push('access_token', { access_token: token }).catch(() => undefined);
  }

  #lost(): void {
    const was = this.#joined;
    this.#joined = false;
    for (const reject of [...this.#waiting]) reject(new Refused('offline'));
    this.#waiting.clear();
    if (was && !this.#over) this.#listener.offline();
  }

  #closed(): void {
    this.#lost();
    if (this.#over) return;
    this.#attempts += 1;
    this.#connectedAt = this.#platform.here();
    if (this.#attempts % DOUBTFUL_ATTEMPTS === 0) void this.#diagnose();
    else void this.#token.renew();
  }

  /** A browser hides why a WebSocket was refused; an ordinary request to the same address is told. */
  async #diagnose(): Promise<void> {
    const token = await this.#token.renew();
    if (token === null || this.#over) return;
    const address = `${this.#endpoint.replace(/^ws/, 'http')}/websocket?vsn=2.0.0`;
    const headers = { authorization: `Bearer ${token}` };
    const answer = await this.#platform.fetch(address, { headers }).catch(() => null);
    if (!answer || this.#over) return;
    const { error = '' } = (await answer.json().catch(() => ({}))) as { error?: string };
    const ending = endingOfStatus(answer.status, error);
    if (ending) this.#end(ending);
    // The server would have had us, and something on the way lets no WebSocket through.
    else if (answer.status === 400 && !this.#opened) this.#fallBack();
  }

  #fallBack(): void {
    this.#socket.replaceTransport(LongPoll as unknown as new (endpoint: string) => object);
    this.#connect();
  }

  #end(ending: Ending): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#retry);
    this.#lost();
    // First, so that nothing rejoins while the last frames go out.
    if (this.#channel.state !== 'closed') this.#channel.leave();
    this.#socket.disconnect();
    this.#listener.ended(ending);
  }
}

// People who get something wrong, each as people do: metrics of errors have something to show.
import { request } from "node:http";
import { RawSocket } from "../harness/raw.mjs";
import { call } from "../harness/rest.mjs";
import { span } from "../harness/wait.mjs";

const PACE_MS = 1_000;

export class Strangers {
  /** @param {import("./school.mjs").School} school where they knock, until `leave` */
  static come(school) {
    const strangers = new Strangers(school);
    strangers.ended = strangers.#knock();
    return strangers;
  }

  constructor(school) {
    this.school = school;
    this.here = true;
  }

  async leave() {
    this.here = false;
    await this.ended;
  }

  async #knock() {
    const ways = [this.#withoutKey, this.#wrongCode, this.#wrongNote, this.#brokenFrame, this.#wrongPage];
    for (let turn = 0; this.here; turn++) {
      // What comes of it is the metrics' business; while a node dies it may be nothing at all.
      await ways[turn % ways.length].call(this).catch(() => {});
      await span(PACE_MS);
    }
  }

  #withoutKey() {
    const { listen } = this.school.front;
    const [host, port] = listen.split(":");
    const headers = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": "13" };
    const options = { host, port, path: "/socket/websocket?vsn=2.0.0&token=nothing", headers };
    return new Promise((resolve, reject) => {
      const asked = request({ ...options, headers: { ...headers, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==" } });
      asked.once("response", (response) => response.resume().once("end", resolve));
      asked.once("error", reject);
      asked.end();
    });
  }

  async #wrongCode() {
    await this.#visit((socket) => socket.join("music_room:MUSIC-0000"));
  }

  async #wrongNote() {
    const topic = `music_room:${this.school.lessons[0].room}`;
    await this.#visit(async (socket) => {
      await socket.join(topic);
      await socket.ask("1", topic, "play_note", { midi: 200 });
      await socket.ask("1", topic, "set_tempo", { bpm: 100 });
    });
  }

  async #brokenFrame() {
    await this.#visit((socket) => {
      socket.text("no frame");
      return socket.closeCode();
    });
  }

  async #wrongPage() {
    await call(this.school.front, "GET", "/api/music/rooms/MUSIC-0000", {
      token: this.school.token("stranger", "teacher"),
    });
  }

  async #visit(act) {
    const socket = await RawSocket.open(this.school.front, { token: this.school.token("stranger") });
    try {
      await act(socket);
    } finally {
      socket.ws.terminate();
    }
  }
}

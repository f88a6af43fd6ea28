// Joins a room of a running service as a student, and hears ten beats of it. For `helm test`; needs Node 22 and nothing
// else. DOWNBEAT_URL: http://host:port; TENANT and JWT_SECRET_FILE: a tenant and the file with its HS256 secret.
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

const BEATS = 10;
const BPM = 240;
const PATIENCE_MS = 20_000;

const url = process.env.DOWNBEAT_URL;
const secret = readFileSync(process.env.JWT_SECRET_FILE, "utf8").trimEnd();

function fail(why) {
  console.error(`failed: ${why}`);
  process.exit(1);
}

function token(role, sub) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 300;
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ tenant: process.env.TENANT, role, sub, exp })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

async function call(method, path, body) {
  const answer = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${token("teacher", "helm-test")}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (!answer.ok) fail(`${method} ${path} was answered ${answer.status}: ${await answer.text()}`);
  return answer.status === 204 ? undefined : answer.json();
}

function hear(topic) {
  const query = new URLSearchParams({ vsn: "2.0.0", token: token("student", "helm-test-student") });
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/socket/websocket?${query}`);
  return new Promise((resolve, reject) => {
    const heard = [];
    setTimeout(() => reject(new Error(`${heard.length} of ${BEATS} beats in ${PATIENCE_MS / 1000} s`)), PATIENCE_MS).unref();
    socket.onopen = () => socket.send(JSON.stringify(["1", "1", topic, "phx_join", { name: "helm test" }]));
    socket.onerror = () => reject(new Error("the WebSocket was refused"));
    socket.onclose = ({ code }) => reject(new Error(`the WebSocket was closed with ${code}`));
    socket.onmessage = ({ data }) => {
      const [, , , event, payload] = JSON.parse(data);
      if (event === "phx_reply" && payload.status !== "ok") reject(new Error(`the join: ${JSON.stringify(payload.response)}`));
      if (event !== "beat") return;
      heard.push(payload.beat);
      if (heard.length < BEATS) return;
      socket.onclose = null;
      socket.close();
      resolve(heard);
    };
  });
}

const { room_id: room } = await call("POST", "/api/music/rooms", { bpm: BPM, autostart: true, name: "helm test" });
console.log(`made the room ${room}`);
let heard;
try {
  heard = await hear(`music_room:${room}`);
} catch ({ message }) {
  console.error(`failed: ${message}`);
  process.exitCode = 1;
}
await call("DELETE", `/api/music/rooms/${room}`);
if (!heard) process.exit();
const gap = heard.findIndex((beat, at) => at > 0 && beat !== heard[at - 1] + 1);
if (gap > 0) fail(`beat ${heard[gap]} came after beat ${heard[gap - 1]}`);
console.log(`heard beats ${heard[0]} to ${heard.at(-1)}`);

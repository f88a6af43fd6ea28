// The HTTP side of the contract.
import { request } from "node:http";
import assert from "node:assert/strict";
import { teacherToken } from "./token.mjs";
import { soon } from "./wait.mjs";

/**
 * One call; the answer's body parsed if it is JSON.
 * `host` names the tenant of a call without a token, which is why this is not `fetch`: that sets the Host itself.
 */
export function call(server, method, path, { token, body, headers = {}, host } = {}) {
  const [address, port] = server.listen.split(":");
  const sent = {
    ...(token ? { authorization: `Bearer ${token}` } : {}),
    ...(body === undefined ? {} : { "content-type": "application/json" }),
    ...(host ? { host } : {}),
    ...headers,
  };
  return soon(
    `answer to ${method} ${path}`,
    new Promise((resolve, reject) => {
      const outgoing = request({ host: address, port, method, path, headers: sent }, (response) => {
        let text = "";
        response.on("data", (chunk) => (text += chunk));
        response.on("end", () =>
          resolve({ status: response.statusCode, headers: response.headers, text, json: parsed(text) }),
        );
      });
      outgoing.once("error", reject);
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    }),
  );
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** A new room's code. */
export async function makeRoom(server, settings = {}, token = teacherToken()) {
  const { status, json, text } = await call(server, "POST", "/api/music/rooms", { token, body: settings });
  assert.equal(status, 201, `a new room must be 201: ${text}`);
  assert.match(json.room_id, /^MUSIC-\d{4}(\d{2})?$/);
  return json.room_id;
}

// Tokens as a school's own login would mint them, with node's crypto and nothing of Downbeat.
import { createHmac, sign } from "node:crypto";

const b64 = (value) => Buffer.from(value).toString("base64url");

/** Seconds since the epoch, `ahead` seconds from now. */
export const inSeconds = (ahead) => Math.floor(Date.now() / 1000) + ahead;

const HASHES = { HS256: "sha256", HS384: "sha384", HS512: "sha512" };

/** An HMAC token; `header` may overrule the algorithm's name, to lie about it. */
export function hmacToken(secret, claims, { alg = "HS256", header = {} } = {}) {
  const input = `${b64(JSON.stringify({ alg, typ: "JWT", ...header }))}.${b64(JSON.stringify(claims))}`;
  return `${input}.${createHmac(HASHES[alg], secret).update(input).digest("base64url")}`;
}

/** A token signed with a private key (`RS256`, `ES256` or `EdDSA`). */
export function signedToken(privateKey, alg, kid, claims) {
  const input = `${b64(JSON.stringify({ alg, kid, typ: "JWT" }))}.${b64(JSON.stringify(claims))}`;
  const hash = alg === "EdDSA" ? null : "sha256";
  const key = alg === "ES256" ? { key: privateKey, dsaEncoding: "ieee-p1363" } : privateKey;
  return `${input}.${sign(hash, Buffer.from(input), key).toString("base64url")}`;
}

/** A token without a signature, the oldest forgery. */
export function unsignedToken(claims) {
  return `${b64(JSON.stringify({ alg: "none", typ: "JWT" }))}.${b64(JSON.stringify(claims))}.`;
}

/** Tenants of the test server and their secrets. */
export const SECRETS = {
  acme: "acme-secret-of-at-least-thirty-two-characters",
  globex: "globex-secret-of-at-least-thirty-two-characters",
  tiny: "tiny-secret-of-at-least-thirty-two-characters",
  open: "open-secret-of-at-least-thirty-two-characters",
  hasty: "hasty-secret-of-at-least-thirty-two-characters",
  quiet: "quiet-secret-of-at-least-thirty-two-characters",
};

/** An ordinary token, good for an hour unless `claims` says otherwise. */
export function mint(claims = {}) {
  const tenant = claims.tenant ?? "acme";
  return hmacToken(SECRETS[tenant], { tenant, role: "student", exp: inSeconds(3600), ...claims });
}

export const teacherToken = (sub = "ms-lee", claims = {}) => mint({ role: "teacher", sub, ...claims });
export const studentToken = (sub, claims = {}) => mint({ role: "student", sub, ...claims });

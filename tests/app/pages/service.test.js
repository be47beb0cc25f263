// The token of a page, and what is known of the service.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pauseMs } from "../../../appliance/app/pages/polling.js";
import { Refused, Service } from "../../../appliance/app/pages/service.js";

class Storage extends Map {
  getItem(key) {
    return this.get(key) ?? null;
  }
  setItem(key, value) {
    this.set(key, value);
  }
  removeItem(key) {
    this.delete(key);
  }
}

/** A service whose answers are given in turn: [status, body], or null for none. */
function serving(...answers) {
  const sent = [];
  const kept = { session: new Storage(), device: new Storage() };
  const fetch = async (path, given) => {
    sent.push({ path, ...given });
    const answer = answers.shift();
    if (!answer) throw new TypeError("failed to fetch");
    const [status, body] = answer;
    return {
      ok: status < 400,
      status,
      text: async () => (typeof body === "string" ? body : JSON.stringify(body)),
    };
  };
  return { sent, kept, service: new Service({ ...kept, fetch, now: () => 5 }) };
}

test("a token is sent, kept where it was wanted, and forgotten", async () => {
  const me = { role: "admin", name: "Ana", scopes: [] };
  const { service, sent, kept } = serving([200, me], [200, {}], [201, {}]);
  service.use("secret", false);
  assert.equal(await service.learn(), true);
  assert.deepEqual([service.me, sent[0].headers.Authorization], [me, "Bearer secret"]);
  assert.equal(new Service(kept).token, "secret");
  service.use("other", true);
  assert.deepEqual([kept.session.size, kept.device.size], [0, 1]);
  await service.request("GET", "/status");
  await service.request("POST", "/x", { a: 1 });
  assert.equal(sent[1].headers["Idempotency-Key"], undefined);
  assert.equal(sent[2].body, '{"a":1}');
  assert.equal(sent[2].headers["Idempotency-Key"].length, 36);
  service.forget();
  assert.deepEqual([service.token, kept.device.size, service.me], ["", 0, null]);
});

test("a refused token says why; the first visit says nothing", async () => {
  const problem = { code: "not_paired", detail: "this token is wrong or was revoked" };
  const { service } = serving([401, problem], [401, problem], [401, problem]);
  assert.equal(await service.learn(), true);
  assert.deepEqual([service.me, service.why], [null, ""]);
  service.use("wrong", false);
  await service.learn();
  assert.equal(service.why, problem.detail);
  service.me = { role: "admin", name: "Ana", scopes: [] };
  await assert.rejects(service.request("GET", "/status"), Refused);
  assert.deepEqual([service.me, service.why], [null, problem.detail]);
});

test("away since the first request without an answer", async () => {
  const { service } = serving(null, null, [200, {}]);
  const states = [];
  service.addEventListener("change", () => states.push(service.awaySince));
  assert.equal(await service.learn(), false);
  assert.equal(await service.learn(), false);
  await service.request("GET", "/status");
  assert.deepEqual(states, [5, 0]);
});

test("health is an answer while a part is bad; what a proxy sends is named", async () => {
  const bad = { parts: { store: { status: "bad" } } };
  const { service } = serving([503, bad], [502, "<html>"]);
  assert.deepEqual(await service.request("GET", "/readyz"), bad);
  await assert.rejects(service.request("GET", "/status"), /a proxy may be in between/);
  assert.equal(service.awaySince, 0);
});

test("an answer that fails is asked for less often", () => {
  const pauses = [0, 1, 2, 3, 9].map((failed) => pauseMs(2, failed));
  assert.deepEqual(pauses, [2000, 4000, 8000, 15_000, 15_000]);
  assert.equal(pauseMs(60, 3), 60_000);
});

// What every browser has and Node 18 has not yet (Debian 12): the tests load it before what they test.

import { webcrypto } from "node:crypto";

class CustomEventOfBrowsers extends Event {
  constructor(type, options) {
    super(type, options);
    this.detail = options?.detail ?? null;
  }
}

globalThis.crypto ??= webcrypto;
globalThis.CustomEvent ??= CustomEventOfBrowsers;

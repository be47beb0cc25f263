// Browser APIs that Node 18 (Debian 12) lacks: tests load it before the module under test.

import { webcrypto } from "node:crypto";

class CustomEventOfBrowsers extends Event {
  constructor(type, options) {
    super(type, options);
    this.detail = options?.detail ?? null;
  }
}

globalThis.crypto ??= webcrypto;
globalThis.CustomEvent ??= CustomEventOfBrowsers;

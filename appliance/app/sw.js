// The service worker: opens the page while the box is unreachable, also by a reload. Over https only
// (installed.js).
//
// It stores the shell of one build: the page, and the files that it names by that build. It answers two kinds
// of requests and leaves all others, above all the API's, to the browser:
// - opening the page: by the box, so a newer page is never hidden; when the box does not answer, by the copy;
// - a file of the build that is stored: such a file never changes.
// The server inserts the build and the names of its files, so each build has another script. The browser
// finds the new one the next time a page is opened; it stores its own files and removes those of the old
// build.

const BUILD = "{{build}}";
const FILES = "{{files}}".split(" ");
const PAGE = "/";
const PAGES = [PAGE, "/selftest"]; // one document
const NAME = `shell-${BUILD}`;
const PATIENCE_MS = 4000; // a page that is needed during a play does not wait longer for a slow network

/** @type {any} The types of workers and those of pages exclude each other. */
const worker = self;

/** Every file, or none of them: half a shell would open a page that does not start. */
async function store() {
  const page = await fetch(PAGE, { cache: "no-cache" });
  const text = await page.clone().text();
  if (!page.ok || !text.includes(`data-build="${BUILD}"`)) throw new Error("the box has another build now");
  const shell = await caches.open(NAME);
  await shell.addAll(FILES); // the page has loaded them: they come from the browser's cache
  await shell.put(PAGE, page);
}

/** Copies of earlier builds. */
async function tidy() {
  const names = await caches.keys();
  await Promise.all(names.filter((name) => name !== NAME).map((name) => caches.delete(name)));
  await worker.clients.claim();
}

/** The box's page, else the stored one. @param {Request} request */
async function open(request) {
  const stored = caches.open(NAME).then((shell) => shell.match(PAGE));
  const asked = fetch(request.url, { cache: "no-cache" });
  const late = new Promise((done) => setTimeout(done, PATIENCE_MS));
  const answer = await Promise.race([asked.catch(() => null), late]);
  return answer?.ok ? answer : ((await stored) ?? asked);
}

/** @param {Request} request */
const stored = async (request) => (await (await caches.open(NAME)).match(request.url)) ?? fetch(request);

worker.addEventListener("install", (/** @type {any} */ event) => {
  worker.skipWaiting(); // pages of an earlier build have their files: no page needs the earlier worker
  event.waitUntil(store());
});
worker.addEventListener("activate", (/** @type {any} */ event) => event.waitUntil(tidy()));
worker.addEventListener("fetch", (/** @type {any} */ event) => {
  const request = /** @type {Request} */ (event.request);
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== location.origin) return;
  if (request.mode === "navigate" && PAGES.includes(pathname)) event.respondWith(open(request));
  else if (FILES.includes(pathname)) event.respondWith(stored(request));
});

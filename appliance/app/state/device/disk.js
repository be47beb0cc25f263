// What this device stores across reloads, in IndexedDB: unsent marks, the rows of its session, the bytes of
// its last plays. In a browser that forbids it (a private window) they live as long as the page.
//
// The Cache API, navigator.storage and service workers need a secure context, which a page over plain HTTP
// does not have.

const OPEN_MS = 3000; // an open without an answer by then is tried once more by the next use

/**
 * A database by name, opened on first use, and again when the browser has closed it (a tablet in the
 * background, a disk that was full, cleared data): a use that fails on an old connection is repeated on a new
 * one.
 * @param {string} name
 * @param {Record<string, IDBObjectStoreParameters>} stores
 */
function database(name, stores) {
  /** @type {Promise<IDBDatabase> | null} */
  let opened = null;
  const forget = (/** @type {Promise<IDBDatabase>} */ mine) => {
    if (opened === mine) opened = null;
  };
  const open = () => {
    if (opened) return opened;
    /** @type {Promise<IDBDatabase>} */
    const mine = new Promise((resolve, reject) => {
      const asked = indexedDB.open(name, 1);
      asked.onupgradeneeded = () => {
        for (const [store, how] of Object.entries(stores)) asked.result.createObjectStore(store, how);
      };
      asked.onerror = () => reject(asked.error);
      asked.onsuccess = () => {
        const base = asked.result;
        base.onclose = () => forget(mine);
        base.onversionchange = () => {
          base.close();
          forget(mine);
        };
        resolve(base);
      };
    });
    const late = setTimeout(forget, OPEN_MS, mine);
    mine.then(
      () => clearTimeout(late),
      () => forget(mine),
    );
    opened = mine;
    return mine;
  };

  /**
   * @template T
   * @param {string} store
   * @param {IDBTransactionMode} mode
   * @param {(store: IDBObjectStore) => IDBRequest<T>} use
   * @returns {Promise<T>}
   */
  return async function run(store, mode, use) {
    const earlier = opened;
    const attempt = async () => transact(await open(), store, mode, use);
    return attempt().catch((error) => {
      if (!earlier) throw error;
      forget(earlier);
      return attempt();
    });
  };
}

/**
 * @template T
 * @param {IDBDatabase} base
 * @param {string} store
 * @param {IDBTransactionMode} mode
 * @param {(store: IDBObjectStore) => IDBRequest<T>} use
 * @returns {Promise<T>}
 */
function transact(base, store, mode, use) {
  return new Promise((resolve, reject) => {
    const transaction = base.transaction(store, mode);
    const asked = use(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(asked.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

/** @returns {import("../marks/outbox.js").Disk} */
export function diskOfMarks() {
  const run = database("box", { marks: { keyPath: "key" } });
  return {
    all: () => run("marks", "readonly", (store) => store.getAll()),
    put: async (mark) => void (await run("marks", "readwrite", (store) => store.put(mark))),
    drop: async (key) => void (await run("marks", "readwrite", (store) => store.delete(key))),
  };
}

/**
 * The rows this device showed last, and the media of its last plays, for a page opened while the appliance is
 * unreachable.
 * @returns {{rows: import("../connection/box.js").RowDisk, media: import("./prefetch.js").MediaDisk}}
 */
export function diskOfPlays() {
  const run = database("kept", { rows: {}, media: { keyPath: "url" } });
  return {
    rows: {
      load: () =>
        run("rows", "readonly", (store) => store.get("last")).then(
          (rows) => rows ?? null,
          () => null,
        ),
      save: async (rows) => void (await run("rows", "readwrite", (store) => store.put(rows, "last"))),
    },
    media: {
      all: async () => {
        const rows = await run("media", "readonly", (store) => store.getAll());
        const blobOf = (/** @type {any} */ body, /** @type {string} */ type) =>
          body instanceof Blob ? body : new Blob([body], { type });
        return rows
          .sort((a, b) => a.at - b.at)
          .map(({ url, body, type }) => ({ url, blob: blobOf(body, type) }));
      },
      // WebKit stores no Blob in a private window: use bytes there.
      put: async (url, blob) => {
        const write = (/** @type {Blob | ArrayBuffer} */ body) =>
          run("media", "readwrite", (store) => store.put({ url, body, type: blob.type, at: Date.now() }));
        await write(blob).catch(async () => write(await blob.arrayBuffer()));
      },
      drop: async (url) => void (await run("media", "readwrite", (store) => store.delete(url))),
    },
  };
}

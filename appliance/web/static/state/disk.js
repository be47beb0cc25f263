// Marks kept in IndexedDB. In a browser that forbids it (a private window) they live as long as the page.

const NAME = "marks";

/** @returns {import("./outbox.js").Disk} */
export function diskOfMarks() {
  /** @type {Promise<IDBDatabase> | null} */
  let opened = null;
  const open = () => (opened ??= new Promise((resolve, reject) => {
    const asked = indexedDB.open("box", 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(NAME, { keyPath: "key" });
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  }));

  /** @template T @param {IDBTransactionMode} mode @param {(store: IDBObjectStore) => IDBRequest<T>} use
   * @returns {Promise<T>} */
  async function run(mode, use) {
    const base = await open();
    return new Promise((resolve, reject) => {
      const transaction = base.transaction(NAME, mode);
      const asked = use(transaction.objectStore(NAME));
      transaction.oncomplete = () => resolve(asked.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  }

  return {
    all: () => run("readonly", (store) => store.getAll()).catch(() => []),
    put: async (mark) => void (await run("readwrite", (store) => store.put(mark))),
    drop: async (key) => void (await run("readwrite", (store) => store.delete(key))),
  };
}

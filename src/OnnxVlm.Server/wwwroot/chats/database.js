// IndexedDB, one record under one id. What the browser does not keep (storage is blocked or full) is kept in memory until the tab is closed, so that the
// page goes on.

const name = "onnxvlm";
const version = 1;

/** The kinds of records, each with the field that they are looked up by besides their id. */
const kinds = { chats: null, turns: "chat", pieces: "turn", tokens: "chat", pictures: null };

export class Database {
    #database = null;
    #memory = new Map(Object.keys(kinds).map((kind) => [kind, new Map()])); // what is not kept; null for what is deleted
    #onProblem;

    constructor(onProblem) {
        this.#onProblem = onProblem;
    }

    /** @param onProblem told in one line, at most once a reason, that something is not kept */
    static async open(onProblem) {
        const database = new Database(onProblem);
        try {
            database.#database = await connect(() => {
                database.#database = null;
                onProblem("Another tab uses a newer version of this page: reload. Until then chats are kept in this tab only.");
            });
        } catch (error) {
            onProblem(`This browser keeps no chats (${reason(error)}). They stay until this tab is closed: export what you need.`);
        }
        return database;
    }

    async get(kind, id) {
        const memory = this.#memory.get(kind);
        if (memory.has(id)) return memory.get(id);
        return (await this.#read(kind, (store) => store.get(id))) ?? null;
    }

    /** All records of a kind, or those whose field has a value, in the order of their ids. */
    async all(kind, value) {
        const kept = (await this.#read(kind, (store) => value === undefined ? store.getAll() : store.index(kinds[kind]).getAll(value))) ?? [];
        const found = new Map(kept.map((record) => [record.id, record]));
        for (const [id, record] of this.#memory.get(kind)) {
            if (record === null) found.delete(id);
            else if (value === undefined || record[kinds[kind]] === value) found.set(id, record);
        }
        return [...found.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    }

    /**
     * Writes and deletes, all or nothing. The change is on its way when this returns, also if the page ends now.
     * @param change { put: [[kind, record]…], remove: [[kind, id]…] }
     */
    write({ put = [], remove = [] }) {
        const forget = () => {
            for (const [kind, record] of put) this.#memory.get(kind).delete(record.id);
            for (const [kind, id] of remove) this.#memory.get(kind).delete(id);
        };
        const remember = () => {
            for (const [kind, record] of put) this.#memory.get(kind).set(record.id, record);
            for (const [kind, id] of remove) this.#memory.get(kind).set(id, null);
        };
        if (!this.#database) {
            remember();
            return Promise.resolve();
        }
        return new Promise((resolve) => {
            const failed = (error) => {
                remember();
                this.#onProblem(error?.name === "QuotaExceededError"
                    ? "The browser's storage is full: what comes now stays until this tab is closed. Delete chats, or export what you need."
                    : `The browser does not keep this chat (${reason(error)}). It stays until this tab is closed: export what you need.`);
                resolve();
            };
            let transaction = null;
            try {
                transaction = this.#database.transaction([...new Set([...put, ...remove].map(([kind]) => kind))], "readwrite");
                transaction.oncomplete = () => {
                    forget();
                    resolve();
                };
                transaction.onabort = () => failed(transaction.error);
                for (const [kind, record] of put) transaction.objectStore(kind).put(record);
                for (const [kind, id] of remove) transaction.objectStore(kind).delete(id);
                transaction.commit();
            } catch (error) {
                if (transaction) transaction.onabort = transaction.oncomplete = null;
                failed(error);
            }
        });
    }

    #read(kind, request) {
        if (!this.#database) return Promise.resolve(null);
        return new Promise((resolve) => {
            try {
                const asked = request(this.#database.transaction(kind).objectStore(kind));
                asked.onsuccess = () => resolve(asked.result);
                asked.onerror = () => resolve(null);
            } catch {
                resolve(null); // the connection was closed meanwhile
            }
        });
    }
}

function connect(onOutdated) {
    return new Promise((resolve, reject) => {
        const request = indexedDB.open(name, version); // throws where storage is blocked
        request.onupgradeneeded = () => {
            for (const [kind, field] of Object.entries(kinds)) {
                const store = request.result.createObjectStore(kind, { keyPath: "id" });
                if (field) store.createIndex(field, field);
            }
        };
        request.onerror = () => reject(request.error);
        request.onblocked = () => reject(new Error("another tab has an older version of this page open"));
        request.onsuccess = () => {
            request.result.onversionchange = () => {
                request.result.close();
                onOutdated();
            };
            request.result.onclose = onOutdated;
            resolve(request.result);
        };
    });
}

function reason(error) {
    return (error?.message || error?.name || "it does not say why").replace(/\.$/, "");
}

// What the browser keeps for the page. Where it keeps nothing (storage is blocked or full), the page works all the same and forgets.

/** What is kept under a name, as a text, or null. Kind: "localStorage", or "sessionStorage" until the tab is closed. */
export function recall(kind, name) {
    try {
        return window[kind].getItem(name);
    } catch {
        return null;
    }
}

/** What is kept under a name as JSON; an object, empty where there is none. */
export function recallObject(kind, name) {
    try {
        const value = JSON.parse(recall(kind, name));
        return value !== null && typeof value === "object" ? value : {};
    } catch {
        return {};
    }
}

/** Keeps a text under a name; null forgets it. */
export function keep(kind, name, text) {
    try {
        if (text === null) window[kind].removeItem(name);
        else window[kind].setItem(name, text);
    } catch {
        // It is forgotten then.
    }
}

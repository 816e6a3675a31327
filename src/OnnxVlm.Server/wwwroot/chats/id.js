// Names of chats, turns and pictures. They begin with the time, so that their order is that of making.

let last = "";

export function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(10));
    const time = Math.max(Date.now(), last ? parseInt(last, 36) + 1 : 0).toString(36).padStart(9, "0");
    last = time;
    return time + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

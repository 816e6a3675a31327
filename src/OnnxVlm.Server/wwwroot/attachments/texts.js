// Text files, which become part of the question.

import { AttachmentError } from "./pictures.js";

const longestBytes = 1024 * 1024;

/** Reads a text file: { name, text }; null if it is none. Throws AttachmentError. */
export async function readText(file) {
    if (file.size > longestBytes) {
        if ((await decoded(file.slice(0, 4096), { isCut: true })) === null) return null;
        throw new AttachmentError(`${file.name} has ${(file.size / 1024 / 1024).toFixed(1)} MB; at most 1 MB of text is accepted. Make it shorter.`);
    }
    const text = await decoded(file);
    return text === null ? null : { name: file.name || "text", text: text.replace(/\r\n?/g, "\n") };
}

// UTF-8, or UTF-16 with its mark; a text has no NUL.
async function decoded(blob, { isCut = false } = {}) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    const encoding = bytes[0] === 0xff && bytes[1] === 0xfe ? "utf-16le" : bytes[0] === 0xfe && bytes[1] === 0xff ? "utf-16be" : "utf-8";
    try {
        const text = new TextDecoder(encoding, { fatal: true }).decode(bytes, { stream: isCut });
        return text.includes("\0") ? null : text;
    } catch {
        return null;
    }
}

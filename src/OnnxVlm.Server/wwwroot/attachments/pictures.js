// Turns files into what the server takes: PNG, JPEG, GIF, WebP and BMP as they are, anything else that the browser can read as PNG.
// Previews are drawn on canvases, so that no blob: or data: address has to be allowed by the content security policy.

import { newId } from "../chats/id.js";
import { h } from "../dom.js";

const mebibyte = 1024 * 1024;

/** What a request must keep to: the server's defaults, until it has said its own. */
export const limits = { count: 64, sizeBytes: 10 * mebibyte, pixels: 40e6 };

const previewPx = 320; // shown twice as small, for fine screens
const enlargedPx = 2048;

const signatures = [
    ["image/png", /^\x89PNG/],
    ["image/jpeg", /^\xff\xd8\xff/],
    ["image/gif", /^GIF8[79]a/],
    ["image/webp", /^RIFF....WEBP/s],
    ["image/bmp", /^BM/],
];

/** A file that is not accepted; the message names it and says why. */
export class AttachmentError extends Error {}

/** Reads a picture: { id, name, type, sizeBytes, widthPx, heightPx, blob, created }; null if the browser knows no picture in it. Throws AttachmentError. */
export async function readPicture(file) {
    const name = file.name || "picture";
    const bitmap = await createImageBitmap(file).catch(() => null);
    if (!bitmap) return null;
    try {
        const { width: widthPx, height: heightPx } = bitmap;
        if (widthPx * heightPx > limits.pixels) {
            throw new AttachmentError(`${name} has ${(widthPx * heightPx / 1e6).toFixed(0)} megapixels; at most ${limits.pixels / 1e6} are accepted. Make it smaller.`);
        }
        const type = await signature(file);
        const blob = type ? new Blob([file], { type }) : await toPng(bitmap);
        if (blob.size > limits.sizeBytes) {
            throw new AttachmentError(`${name} has ${megabytes(blob.size)} MB${type ? "" : " as PNG"}; at most ${megabytes(limits.sizeBytes)} are accepted. Make it smaller.`);
        }
        return { id: newId(), name, type: blob.type, sizeBytes: blob.size, widthPx, heightPx, blob, created: Date.now() };
    } finally {
        bitmap.close();
    }
}

/** Why so many pictures do not fit into one request, or null. */
export function excess(count) {
    return count > limits.count ? `A conversation holds at most ${limits.count} pictures, and this would be ${count}. Remove some, or start a new chat.` : null;
}

/** A new canvas that shows a picture, as soon as it is read. */
export function drawPreview(picture, { isLarge = false } = {}) {
    const { widthPx, heightPx } = picture;
    const scale = Math.min(1, (isLarge ? enlargedPx : previewPx) / Math.max(widthPx, heightPx));
    const [width, height] = [widthPx, heightPx].map((side) => Math.max(1, Math.round(side * scale)));
    const canvas = h("canvas", { width, height, role: "img", "aria-label": picture.name });
    createImageBitmap(picture.blob, { resizeWidth: width, resizeHeight: height, resizeQuality: "high" }).then((bitmap) => {
        canvas.getContext("2d").drawImage(bitmap, 0, 0);
        bitmap.close();
    }, () => {}); // what the browser has forgotten stays empty
    return canvas;
}

/** "640 × 480, 0.2 MB" */
export function describe(picture) {
    return `${picture.widthPx} × ${picture.heightPx}, ${megabytes(picture.sizeBytes)} MB`;
}

// What the first bytes say, which is what the server goes by; a file's name may be wrong.
async function signature(file) {
    const bytes = new Uint8Array(await file.slice(0, 12).arrayBuffer());
    const start = String.fromCharCode(...bytes);
    const [type] = signatures.find(([, pattern]) => pattern.test(start)) ?? [null];
    return type;
}

async function toPng(bitmap) {
    const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    return canvas.convertToBlob({ type: "image/png" });
}

export function megabytes(bytes) {
    return (bytes / mebibyte).toFixed(bytes < mebibyte ? 2 : bytes % mebibyte === 0 ? 0 : 1);
}

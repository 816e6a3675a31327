// Turns files into what the server takes: PNG, JPEG, GIF, WebP and BMP as they are, anything else that the browser can read as PNG.
// Previews are drawn on canvases, so that no blob: or data: address has to be allowed by the content security policy.

const mebibyte = 1024 * 1024;

/** The server's defaults, which a request must keep to. */
export const limits = { count: 8, sizeBytes: 10 * mebibyte, pixels: 40e6, totalBytes: 23 * mebibyte }; // a request is at most 32 MiB of base64

const previewPx = 1024;

const signatures = [
    ["image/png", /^\x89PNG/],
    ["image/jpeg", /^\xff\xd8\xff/],
    ["image/gif", /^GIF8[79]a/],
    ["image/webp", /^RIFF....WEBP/s],
    ["image/bmp", /^BM/],
];

/** A file that is not accepted; the message names it and says why. */
export class PictureError extends Error {}

/**
 * Reads a file: { name, sizeBytes, widthPx, heightPx, dataUrl, preview }, where the preview is an ImageBitmap of at most 1024 px a side.
 * Throws PictureError.
 */
export async function readPicture(file) {
    const name = file.name || "picture";
    const bitmap = await createImageBitmap(file).catch(() => {
        throw new PictureError(`${name} is not a picture that this browser can read. Use PNG or JPEG.`);
    });
    try {
        const { width, height } = bitmap;
        if (width * height > limits.pixels) {
            throw new PictureError(`${name} has ${(width * height / 1e6).toFixed(0)} megapixels; at most ${limits.pixels / 1e6} are accepted. Make it smaller.`);
        }
        const type = await signature(file);
        const blob = type ? new Blob([file], { type }) : await toPng(bitmap);
        if (blob.size > limits.sizeBytes) {
            const asPng = type ? "" : " as PNG";
            throw new PictureError(`${name} has ${megabytes(blob.size)} MB${asPng}; at most ${megabytes(limits.sizeBytes)} are accepted. Make it smaller.`);
        }
        return { name, sizeBytes: blob.size, widthPx: width, heightPx: height, dataUrl: await dataUrl(blob), preview: await shrink(bitmap) };
    } finally {
        bitmap.close();
    }
}

/** Why these pictures do not fit into one request together, or null. */
export function excess(pictures) {
    const bytes = pictures.reduce((sum, picture) => sum + picture.sizeBytes, 0);
    if (pictures.length > limits.count) {
        return `A conversation holds at most ${limits.count} pictures, and this would be ${pictures.length}. Remove some, or start a new chat.`;
    }
    if (bytes > limits.totalBytes) {
        return `The pictures of a conversation have at most ${megabytes(limits.totalBytes)} MB together, and these have ${megabytes(bytes)}. `
            + "Remove some, or start a new chat.";
    }
    return null;
}

/** A new canvas that shows a picture's preview. */
export function drawPreview(picture) {
    const canvas = document.createElement("canvas");
    canvas.width = picture.preview.width;
    canvas.height = picture.preview.height;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", picture.name);
    canvas.getContext("2d").drawImage(picture.preview, 0, 0);
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

function shrink(bitmap) {
    const scale = Math.min(1, previewPx / Math.max(bitmap.width, bitmap.height));
    const resizeWidth = Math.max(1, Math.round(bitmap.width * scale));
    const resizeHeight = Math.max(1, Math.round(bitmap.height * scale));
    return createImageBitmap(bitmap, { resizeWidth, resizeHeight, resizeQuality: "high" });
}

function dataUrl(blob) {
    return new Promise((resolve, reject) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result);
        reader.onerror = () => reject(new PictureError(`The file could not be read (${reader.error.message}).`));
        reader.readAsDataURL(blob);
    });
}

function megabytes(bytes) {
    return (bytes / mebibyte).toFixed(bytes < mebibyte ? 2 : bytes % mebibyte === 0 ? 0 : 1);
}

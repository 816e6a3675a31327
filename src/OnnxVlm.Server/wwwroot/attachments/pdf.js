// Pages of a PDF as pictures. pdf.js is loaded with the first one; it reads the file in a worker.

import { AttachmentError, limits, readPicture } from "./pictures.js";

const sidePx = 1600; // of a page's longer side
const address = (path) => new URL(`vendor/pdf/${path}`, document.baseURI).href;

// The one address that a worker may have.
const workers = window.trustedTypes?.createPolicy("pdf-worker", { createScriptURL: () => address("pdf.worker.js") });

/** Whether a file is a PDF. */
export async function isPdf(file) {
    return (await file.slice(0, 1024).text()).includes("%PDF-");
}

/**
 * Reads pages as pictures. Throws AttachmentError.
 * @param choose (name, pageCount) → numbers of the pages, from 1; empty for none
 */
export async function readPdf(file, choose) {
    const pdf = await import("../vendor/pdf/pdf.js");
    const port = new Worker(workers?.createScriptURL("") ?? address("pdf.worker.js"), { type: "module" });
    const worker = new pdf.PDFWorker({ port });
    const loading = pdf.getDocument({
        worker, data: await file.arrayBuffer(), enableXfa: false, stopAtErrors: false, useWasm: false, verbosity: 0,
        cMapUrl: address("cmaps/"), standardFontDataUrl: address("standard_fonts/"), wasmUrl: address("wasm/"),
    });
    loading.onPassword = () => loading.destroy();
    try {
        const document = await loading.promise;
        const pictures = [];
        for (const number of await choose(file.name, document.numPages)) {
            pictures.push(await draw(await document.getPage(number), `${file.name}, page ${number}`));
        }
        return pictures;
    } catch (error) {
        if (error instanceof AttachmentError) throw error;
        const why = loading.destroyed ? "it wants a password" : (error.message ?? String(error)).replace(/\.$/, "");
        throw new AttachmentError(`${file.name} cannot be read as a PDF (${why}).`);
    } finally {
        await loading.destroy();
        port.terminate();
    }
}

/** The numbers in "1-3, 5", or null if that is none of these pages. */
export function pageNumbers(text, pageCount) {
    const numbers = new Set();
    for (const part of text.split(",")) {
        const [, from, to = from] = /^\s*(\d+)(?:\s*[-–]\s*(\d+))?\s*$/.exec(part) ?? [];
        if (!from || Number(from) < 1 || Number(to) > pageCount || Number(from) > Number(to)) return null;
        for (let number = Number(from); number <= Number(to); number++) numbers.add(number);
    }
    return [...numbers].sort((a, b) => a - b);
}

async function draw(page, name) {
    const { width, height } = page.getViewport({ scale: 1 });
    const viewport = page.getViewport({ scale: sidePx / Math.max(width, height) });
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [viewport.width, viewport.height].map((side) => Math.max(1, Math.round(side)));
    await page.render({ canvas, viewport }).promise;
    const png = await blobOf(canvas, "image/png");
    const blob = png.size <= limits.sizeBytes ? png : await blobOf(canvas, "image/jpeg");
    return readPicture(new File([blob], name));
}

function blobOf(canvas, type) {
    return new Promise((resolve) => canvas.toBlob(resolve, type, 0.9));
}

// Pictures go to the server once; requests then name them by the hash that it gave them. The server forgets them after some time, and says so: then they are
// sent again.

import { json } from "../api.js";
import { keep, recallObject } from "../storage.js";
import { limits } from "./pictures.js";

const storageKey = "onnxvlm-uploads";
const names = new Map(Object.entries(recallObject("sessionStorage", storageKey))); // addresses of the pictures that are there, by the pictures' ids

/** Takes over the server's limits. */
export async function readLimits(apiKey) {
    const { max_images: count, max_image_bytes: sizeBytes, max_image_pixels: pixels } = await json("v1/uploads", { apiKey });
    Object.assign(limits, { count, sizeBytes, pixels });
}

/** Sends those pictures that the server does not have yet, four at a time. Throws ApiError. */
export async function upload(pictures, { apiKey, signal }) {
    const missing = [...new Map(pictures.filter(({ id }) => !names.has(id)).map((picture) => [picture.id, picture])).values()];
    const send = async () => {
        for (let picture = missing.shift(); picture; picture = missing.shift()) {
            const { url } = await json("v1/uploads", { apiKey, signal, body: picture.blob });
            names.set(picture.id, url);
            keep("sessionStorage", storageKey, JSON.stringify(Object.fromEntries(names)));
        }
    };
    await Promise.all([send(), send(), send(), send()]);
}

/** The address of a picture that was sent. */
export function urlOf(picture) {
    return names.get(picture.id);
}

/** To be called when the server says that it does not have one. */
export function forgetUploads() {
    names.clear();
}

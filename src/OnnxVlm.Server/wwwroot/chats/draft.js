// What is written and not sent yet, so that a reload does not lose it. Pictures are kept with those of the chats.

import { keep, recallObject } from "../storage.js";

const storageKey = "onnxvlm-draft";

export function keepDraft({ text, files, pictures }) {
    const isEmpty = !text && files.length + pictures.length === 0;
    keep("sessionStorage", storageKey, isEmpty ? null : JSON.stringify({ text, files, pictures: pictures.map(({ id, name }) => ({ id, name })) }));
}

export async function recallDraft(store) {
    const { text = "", files = [], pictures = [] } = recallObject("sessionStorage", storageKey);
    const read = await Promise.all(pictures.map(async ({ id, name }) => ({ ...await store.picture(id), name })));
    return { text, files, pictures: read.filter((picture) => picture.blob) };
}

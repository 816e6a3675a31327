// A conversation as a tree: editing a question or asking it again makes another version beside it, and each version has its own continuation. One path
// through the tree is shown and sent.

import { newId } from "./id.js";

export class Chat {
    /** Turns by id: { id, chat, parent, created, question: { text, files: [{ name, text }], pictures }, answer }. */
    turns = new Map();
    /** For each turn, and "" for the beginning, which of the turns after it is shown. */
    chosen = {};

    constructor({ id = newId(), title = "", created = Date.now(), changed = created, chosen = {} } = {}) {
        Object.assign(this, { id, title, created, changed, chosen: { ...chosen } });
    }

    /** The turns that are shown, the first one first. */
    get path() {
        const path = [];
        for (let turn = this.#shownAfter(null); turn; turn = this.#shownAfter(turn)) path.push(turn);
        return path;
    }

    get last() {
        return this.path.at(-1) ?? null;
    }

    /** All versions of a turn, the oldest first. */
    versions(turn) {
        return this.#after(turn.parent);
    }

    /** The turns that are shown before this one. */
    before(turn) {
        const path = [];
        for (let id = turn.parent; id; id = this.turns.get(id).parent) path.unshift(this.turns.get(id));
        return path;
    }

    /** The pictures of these turns, which are sent again with each question. */
    static picturesOf(turns) {
        return turns.flatMap((turn) => turn.question.pictures);
    }

    /** Adds a question behind a turn (null: at the beginning), and shows it. */
    ask(question, answer, parent) {
        const turn = { id: newId(), chat: this.id, parent: parent?.id ?? null, created: Date.now(), question, answer };
        this.turns.set(turn.id, turn);
        this.choose(turn);
        this.title ||= titleOf(question);
        return turn;
    }

    /** Shows this version of a turn, with what follows it. */
    choose(turn) {
        this.chosen[turn.parent ?? ""] = turn.id;
    }

    /** The messages of a request for this turn's answer. Addresses of pictures come from `urlOf`. */
    messages(turn, system, urlOf) {
        const messages = system ? [{ role: "system", content: system }] : [];
        for (const { question, answer } of this.before(turn)) {
            messages.push({ role: "user", content: content(question, urlOf) });
            if (answer.text) messages.push({ role: "assistant", content: answer.text });
        }
        messages.push({ role: "user", content: content(turn.question, urlOf) });
        return messages;
    }

    /** The turns as plain data, but for their pictures. */
    toRecord() {
        const { id, title, created, changed, chosen } = this;
        return { id, title, created, changed, chosen };
    }

    #shownAfter(turn) {
        const versions = this.#after(turn?.id ?? null);
        return versions.find(({ id }) => id === this.chosen[turn?.id ?? ""]) ?? versions.at(-1);
    }

    #after(parent) {
        return [...this.turns.values()].filter((turn) => turn.parent === parent).sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
    }
}

/** A question's text with its files, as the model reads it. */
export function fullText({ text, files }) {
    return [...files.map(({ name, text: inner }) => `${name}\n${fenced(inner)}`), text].filter(Boolean).join("\n\n");
}

/** A text in a fence that is longer than any in it. */
export function fenced(text, language = "") {
    const longest = Math.max(2, ...[...text.matchAll(/`{3,}/g)].map(([ticks]) => ticks.length));
    const fence = "`".repeat(longest + 1);
    return `${fence}${language}\n${text}${text.endsWith("\n") ? "" : "\n"}${fence}`;
}

function content(question, urlOf) {
    const text = fullText(question);
    if (question.pictures.length === 0) return text;
    const images = question.pictures.map((picture) => ({ type: "image_url", image_url: { url: urlOf(picture) } }));
    return text ? [...images, { type: "text", text }] : images;
}

function titleOf({ text, files, pictures }) {
    const line = text.trim().split("\n", 1)[0] || files[0]?.name || pictures[0]?.name || "Chat";
    return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}

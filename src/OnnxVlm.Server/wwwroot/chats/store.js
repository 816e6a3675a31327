// Keeps chats in the browser, and tells the other tabs what has changed.

import { Answer } from "./answer.js";
import { Chat } from "./chat.js";
import { Database } from "./database.js";
import { newId } from "./id.js";

const forgottenAfterMs = 24 * 60 * 60 * 1000; // pictures that were attached and never sent

export class ChatStore {
    #database;
    #channel = "BroadcastChannel" in window ? new BroadcastChannel("onnxvlm-chats") : null;

    /**
     * @param onProblem told in one line that something is not kept
     * @param onChange ({ chat, isDeleted }) told of a chat that another tab has changed; without one, of several
     */
    constructor({ onProblem, onChange }) {
        this.#database = Database.open(onProblem);
        if (this.#channel) this.#channel.onmessage = (event) => onChange(event.data);
        this.#forgetPictures();
    }

    /** All chats, the one that changed last first: { id, title, changed }. */
    async list() {
        return (await (await this.#database).all("chats")).sort((a, b) => b.changed - a.changed);
    }

    /** The ids of the chats in whose title, questions or answers all the words stand. */
    async search(text) {
        const words = text.toLowerCase().split(/\s+/).filter(Boolean);
        const database = await this.#database;
        const texts = new Map((await database.all("chats")).map(({ id, title }) => [id, [title]]));
        for (const { chat, question, answer } of await database.all("turns")) {
            texts.get(chat)?.push(question.text, ...question.files.flatMap((file) => [file.name, file.text]), answer.text);
        }
        return new Set([...texts].filter(([, parts]) => {
            const whole = parts.join("\n").toLowerCase();
            return words.every((word) => whole.includes(word));
        }).map(([id]) => id));
    }

    /** A chat with its turns and their pictures, or null. */
    async load(id) {
        const database = await this.#database;
        const record = await database.get("chats", id);
        if (!record) return null;
        const chat = new Chat(record);
        const tokens = new Map((await database.all("tokens", id)).map((kept) => [kept.id, kept.tokens]));
        for (const { answer, question, ...turn } of await database.all("turns", id)) {
            const pictures = await Promise.all(question.pictures.map(async ({ id: picture, name }) => ({ ...await database.get("pictures", picture), name })));
            const whole = Answer.from(answer, tokens.get(turn.id));
            if (answer.isRunning) for (const piece of await database.all("pieces", turn.id)) whole.addPiece(piece);
            chat.turns.set(turn.id, { ...turn, question: { ...question, pictures: pictures.filter((picture) => picture.blob) }, answer: whole });
        }
        return chat;
    }

    /** Keeps a chat's title and what is shown of it. */
    saveChat(chat) {
        return this.#write({ put: [["chats", chat.toRecord()]] }, { chat: chat.id });
    }

    /** Keeps a turn, of whose answer nothing has come or everything. */
    async saveTurn(chat, turn) {
        chat.changed = Date.now();
        const { question, answer, ...rest } = turn;
        const record = { ...rest, question: { ...question, pictures: question.pictures.map(({ id, name }) => ({ id, name })) }, answer: answer.toRecord() };
        const put = [["chats", chat.toRecord()], ["turns", record]];
        if (!answer.isRunning && answer.tokens.length > 0) put.push(["tokens", { id: turn.id, chat: chat.id, tokens: answer.tokens }]);
        const pieces = answer.isRunning ? [] : await (await this.#database).all("pieces", turn.id);
        await this.#write({ put, remove: pieces.map(({ id }) => ["pieces", id]) }, { chat: chat.id });
    }

    /** Keeps what has come of an answer since the last time. */
    async append(turn, piece) {
        (await this.#database).write({ put: [["pieces", { id: newId(), turn: turn.id, ...piece }]] });
    }

    async savePicture({ preview: _, ...picture }) {
        await (await this.#database).write({ put: [["pictures", picture]] });
    }

    async picture(id) {
        return (await this.#database).get("pictures", id);
    }

    async delete(id) {
        const database = await this.#database;
        const turns = await database.all("turns", id);
        const pieces = (await Promise.all(turns.map((turn) => database.all("pieces", turn.id)))).flat();
        await this.#write({
            remove: [
                ["chats", id],
                ...turns.flatMap((turn) => [["turns", turn.id], ["tokens", turn.id], ...turn.question.pictures.map((picture) => ["pictures", picture.id])]),
                ...pieces.map((piece) => ["pieces", piece.id]),
            ],
        }, { chat: id, isDeleted: true });
    }

    async #write(change, message) {
        await (await this.#database).write(change);
        this.#channel?.postMessage(message);
    }

    async #forgetPictures() {
        const database = await this.#database;
        const old = (await database.all("pictures")).filter(({ created }) => created < Date.now() - forgottenAfterMs);
        if (old.length === 0) return;
        const used = new Set((await database.all("turns")).flatMap(({ question }) => question.pictures.map(({ id }) => id)));
        await database.write({ remove: old.filter(({ id }) => !used.has(id)).map(({ id }) => ["pictures", id]) });
    }
}

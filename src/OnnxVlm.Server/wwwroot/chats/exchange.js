// Chats as files. JSON has everything: all versions, pictures, tokens. Markdown has the path that is shown, to be read by people; it can be imported again
// as well.

import { readPicture } from "../attachments/pictures.js";
import { Answer } from "./answer.js";
import { Chat, fenced } from "./chat.js";
import { newId } from "./id.js";

const format = "onnxvlm-chats";
const largestBytes = 512 * 1024 * 1024;
const mostTurns = 10_000;

/** A file that cannot be imported; the message says why in one line. */
export class ImportError extends Error {}

// ---- JSON

/** A file with these chats. */
export async function toJson(chats) {
    const pictures = {};
    for (const { id, type, blob } of chats.flatMap((chat) => Chat.picturesOf([...chat.turns.values()]))) pictures[id] ??= { type, base64: await base64Of(blob) };
    const plain = chats.map(({ title, created, changed, chosen, turns }) => ({
        title, created, changed, chosen,
        turns: [...turns.values()].map(({ id, parent, created: asked, question: { text, files, pictures: shown }, answer }) => ({
            id, parent, created: asked, question: { text, files, pictures: shown.map(({ id: picture, name }) => ({ id: picture, name })) },
            answer: { ...answer.toRecord(), tokens: answer.tokens },
        })),
    }));
    return JSON.stringify({ format, version: 1, chats: plain, pictures });
}

/** The chats of a file, JSON or Markdown, as new ones. Throws ImportError. */
export async function read(file) {
    if (file.size > largestBytes) throw new ImportError(`${file.name} has more than ${largestBytes / 1024 / 1024} MB.`);
    const text = await file.text();
    if (!/^\s*\{/.test(text)) return [await fromMarkdown(text, file.name)];
    let data;
    try {
        data = JSON.parse(text);
    } catch (error) {
        throw new ImportError(`${file.name} is not valid JSON (${error.message}).`);
    }
    if (data.format !== format || data.version !== 1 || !Array.isArray(data.chats)) {
        throw new ImportError(`${file.name} holds no chats of this page: expected "format": "${format}", "version": 1.`);
    }
    const pictures = new Map();
    for (const [id, picture] of Object.entries(data.pictures ?? {})) pictures.set(id, await pictureOf(picture?.base64, picture?.type));
    return data.chats.map((chat) => fromPlain(chat, pictures, file.name));
}

// Takes over what is of the expected type and nothing else; parents come before their children, so that there is no circle.
function fromPlain(plain, pictures, fileName) {
    if (!Array.isArray(plain?.turns) || plain.turns.length > mostTurns) throw new ImportError(`${fileName}: a chat has no list of at most ${mostTurns} turns.`);
    const now = Date.now();
    const chat = new Chat({ title: string(plain.title).slice(0, 200) || "Imported chat", created: number(plain.created) ?? now, changed: number(plain.changed) ?? now });
    const ids = new Map([["", ""]]);
    for (const turn of plain.turns) {
        if (!turn || typeof turn.id !== "string" || ids.has(turn.id) || !ids.has(turn.parent ?? "")) {
            throw new ImportError(`${fileName}: a turn has no id of its own, or stands before the one that it follows.`);
        }
        const id = newId();
        ids.set(turn.id, id);
        const { question = {}, answer = {} } = turn;
        chat.turns.set(id, {
            id, chat: chat.id, parent: ids.get(turn.parent ?? "") || null, created: number(turn.created) ?? Date.now(),
            question: {
                text: string(question.text),
                files: list(question.files).map((file) => ({ name: string(file?.name) || "text", text: string(file?.text) })),
                pictures: list(question.pictures)
                    .filter((picture) => pictures.get(picture?.id))
                    .map(({ id: picture, name }) => ({ ...pictures.get(picture), id: newId(), name: string(name) || "picture" })),
            },
            answer: answerFrom(answer),
        });
    }
    for (const [parent, turn] of Object.entries(plain.chosen ?? {})) if (ids.has(parent) && ids.has(turn)) chat.chosen[ids.get(parent)] = ids.get(turn);
    return chat;
}

function answerFrom({ text, reasoning, usage, finishReason, isStopped, isInterrupted, error, isJson, model, firstTokenMs, tokensMs, tokens }) {
    const [prompt, completion] = [number(usage?.prompt_tokens), number(usage?.completion_tokens)];
    return Answer.from({
        text: string(text), reasoning: string(reasoning), error: string(error) || null, isRunning: false,
        usage: prompt === null || completion === null ? null : { prompt_tokens: prompt, completion_tokens: completion },
        finishReason: string(finishReason) || null, isStopped: isStopped === true, isInterrupted: isInterrupted === true,
        isJson: isJson === true, model: string(model), firstTokenMs: number(firstTokenMs), tokensMs: number(tokensMs) ?? 0,
    }, list(tokens).map(tokenFrom).filter(Boolean));
}

function tokenFrom(token) {
    if (typeof token?.token !== "string" || number(token.logprob) === null) return null;
    const bytes = Array.isArray(token.bytes) ? token.bytes.map(Number) : null;
    return { token: token.token, logprob: token.logprob, bytes, top_logprobs: list(token.top_logprobs).map(tokenFrom).filter(Boolean) };
}

const string = (value) => (typeof value === "string" ? value : "");
const number = (value) => (Number.isFinite(value) ? value : null);
const list = (value) => (Array.isArray(value) ? value : []);

// ---- Markdown: a comment before each part says what it is

const part = (what) => `<!-- onnxvlm: ${what} -->\n`;

/** The turns that are shown, as a text with the pictures in it. */
export async function toMarkdown(chat) {
    let text = `# ${chat.title}\n\n`;
    for (const { question, answer } of chat.path) {
        text += `${part("question")}## You\n\n`;
        for (const { name, type, blob } of question.pictures) text += `![${name.replace(/[[\]\\]/g, "")}](data:${type};base64,${await base64Of(blob)})\n\n`;
        text += `${escaped(question.text)}\n\n`;
        for (const file of question.files) text += `${part(`file ${encodeURIComponent(file.name)}`)}${fenced(escaped(file.text))}\n\n`;
        text += `${part("answer")}## ${answer.model || "Answer"}\n\n${escaped(answer.text)}\n\n`;
    }
    return text;
}

async function fromMarkdown(source, fileName) {
    const [head, ...parts] = source.replace(/\r\n?/g, "\n").split(/^<!-- onnxvlm: (question|answer|file [^\n]*) -->\n/m);
    if (!parts.includes("question")) throw new ImportError(`${fileName} holds no chat: expected what this page exports, JSON or Markdown.`);
    const chat = new Chat({ title: (/^# (.*)/.exec(head)?.[1] ?? "").slice(0, 200) || fileName });
    let turn = null;
    for (let i = 0; i < parts.length; i += 2) {
        const [what, body] = [parts[i], parts[i + 1]];
        const [, heading, text] = /^(?:## ([^\n]*)\n)?([^]*)$/.exec(body);
        if (what === "question") {
            const pictures = [];
            const rest = text.replace(/^!\[([^\]]*)\]\(data:(image\/[a-z]+);base64,([A-Za-z0-9+/=]+)\)$/gm, (_, name, type, base64) => {
                pictures.push({ name, type, base64 });
                return "";
            });
            const read = await Promise.all(pictures.map(async ({ name, type, base64 }) => ({ ...await pictureOf(base64, type), name })));
            turn = chat.ask({ text: unescaped(rest), files: [], pictures: read.filter((picture) => picture.blob) }, answerFrom({}), turn);
        } else if (what === "answer" && turn) Object.assign(turn.answer, { text: unescaped(text), model: heading === "Answer" ? "" : heading ?? "" });
        else if (turn) turn.question.files.push({ name: nameFrom(what.slice(5)), text: unescaped(/^(`+)\n([^]*)\n\1\s*$/.exec(text)?.[2] ?? text) });
    }
    return chat;
}

const escaped = (text) => text.replace(/^(\\*<!-- onnxvlm:)/gm, "\\$1");
const unescaped = (text) => text.replace(/^\n+|\n+$/g, "").replace(/^\\(\\*<!-- onnxvlm:)/gm, "$1");

function nameFrom(encoded) {
    try {
        return decodeURIComponent(encoded);
    } catch {
        return "text";
    }
}

// ---- pictures

function base64Of(blob) {
    return new Promise((resolve, reject) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
        reader.onerror = () => reject(reader.error);
        reader.readAsDataURL(blob);
    });
}

// Null for what is no picture.
async function pictureOf(base64, type) {
    try {
        const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
        return await readPicture(new Blob([bytes], { type: string(type) }));
    } catch {
        return null;
    }
}

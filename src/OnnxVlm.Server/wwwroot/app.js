// The page: joins the parts. Start here.

import { Answering, untilAnswered } from "./answering.js";
import { drawPreview } from "./attachments/pictures.js";
import { Answer } from "./chats/answer.js";
import { ChatList } from "./chats/chat-list.js";
import { Chat } from "./chats/chat.js";
import { keepDraft, recallDraft } from "./chats/draft.js";
import { ImportError, read, toJson, toMarkdown } from "./chats/exchange.js";
import { ChatStore } from "./chats/store.js";
import { Composer } from "./composer.js";
import { h } from "./dom.js";
import { Downloads } from "./downloads.js";
import { Models } from "./models.js";
import { Panel } from "./panels.js";
import { Settings, SettingsError } from "./settings.js";
import { keep, recall } from "./storage.js";
import { Transcript } from "./transcript.js";

const $ = (id) => document.getElementById(id);
const shownKey = "onnxvlm-chat"; // which chat this tab shows

let chat = new Chat();
const settings = new Settings($("settings"));
const store = new ChatStore({ onProblem: sayStorage, onChange: changedElsewhere });
const transcript = new Transcript({ onRetry: retry, onEdit: edit, onChoose: choose, onEnlarge: enlarge });
const composer = new Composer({
    countPictures: (edited) => Chat.picturesOf(edited ? chat.before(edited) : chat.path).length,
    onSend: ask,
    onStop: () => answering.stop(),
    onEditLast: () => chat.last && edit(chat.last),
    onEnlarge: enlarge,
    onAttach: (picture) => store.savePicture(picture),
    onDraft: keepDraft,
});
const answering = new Answering({
    store, settings,
    show: {
        begins() {
            composer.isRunning = true;
            announce("Answering.");
        },
        update: (turn) => transcript.update(turn),
        ends({ answer }) {
            composer.isRunning = false;
            announce(answer.text);
            models.showContext(chat.last?.answer);
            list.refresh();
        },
    },
});
const models = new Models(settings, (error) => {
    if (error.status === 401) {
        composer.note(error.message);
        settingsPanel.open();
        $("settings").elements.api_key.focus();
    } else composer.note(error.message, { label: "Try again", run: loadModels });
});
const downloads = new Downloads(settings, {
    async onDone(model) {
        await loadModels();
        settings.model = model;
        announce(`${model} is downloaded.`);
    },
    onProblem: (message) => composer.note(message),
});
const list = new ChatList(store, { onOpen: open, onRename: rename, onDelete: remove, onExport: exportChats, onImport: importChats });
const settingsPanel = new Panel($("settings-panel"), $("open-settings"), $("close-settings"));
const chatsPanel = new Panel($("chats-panel"), $("open-chats"), $("close-chats"), () => list.refresh());

loadModels();
start();

async function start() {
    const id = recall("sessionStorage", shownKey);
    const draft = await recallDraft(store);
    if (id) await open(id, { isStart: true });
    composer.restore(draft);
}

async function loadModels() {
    if (await models.load()) {
        composer.clearNote();
        models.showContext(chat.last?.answer);
        downloads.look();
    }
}

$("settings").elements.api_key.addEventListener("change", loadModels);
$("settings").elements.model.addEventListener("input", () => models.showContext(chat.last?.answer));

// ---- asking

function ask(question, edited) {
    const fields = requestFields();
    if (!fields) return false;
    const parent = edited ? chat.turns.get(edited.parent) : chat.last;
    answer(chat.ask(question, newAnswer(), parent), fields);
    return true;
}

function retry(turn) {
    const fields = !answering.isRunning && requestFields();
    if (!fields) return;
    composer.focus();
    if (turn.answer.error && !turn.answer.text) turn.answer = newAnswer(); // nothing to go back to
    else turn = chat.ask(turn.question, newAnswer(), chat.turns.get(turn.parent));
    answer(turn, fields);
}

function answer(turn, fields) {
    showChat();
    answering.run(chat, turn, fields);
}

function newAnswer() {
    return new Answer({ isJson: settings.isJson, model: settings.model });
}

function edit(turn) {
    if (!answering.isRunning) composer.edit(turn);
}

function choose(turn) {
    if (answering.isRunning) return;
    chat.choose(turn);
    store.saveChat(chat);
    showChat();
    $("turns").querySelector(`[data-turn="${turn.id}"] .versions button:enabled`)?.focus();
}

// The request's fields, or null after saying what is wrong with the settings.
function requestFields() {
    try {
        return settings.requestFields();
    } catch (error) {
        if (!(error instanceof SettingsError)) throw error;
        composer.note(error.message);
        settingsPanel.open();
        error.field.focus();
        return null;
    }
}

$("sample").addEventListener("click", async () => {
    const blob = await (await fetch("sample.png")).blob();
    await composer.add([new File([blob], "sample.png", { type: "image/png" })]);
    composer.send("What does the text say?");
});

fetch("sample.png").then((response) => response.blob()).then(createImageBitmap).then((bitmap) => {
    const canvas = $("sample-picture");
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
});

// ---- chats

function showChat() {
    $("welcome").hidden = chat.turns.size > 0;
    transcript.show(chat);
    models.showContext(chat.last?.answer);
    list.shownId = chat.id;
    keep("sessionStorage", shownKey, chat.turns.size > 0 ? chat.id : null);
}

/** Shows another chat: one that is kept, or a new one without an id. What is written and not sent stays, except that an edit ends. */
async function open(id, { isStart = false } = {}) {
    const next = id ? await store.load(id) : new Chat();
    if (!next) {
        if (!isStart) list.refresh();
        return;
    }
    answering.stop();
    if (composer.isEditing) composer.cancelEdit();
    composer.clearNote();
    chat = next;
    for (const turn of next.turns.values()) if (turn.answer.isRunning) finish(next, turn);
    settings.model = chat.last?.answer.model;
    showChat();
    chatsPanel.closeIfOver();
}

// An answer that was coming when its tab was closed or loaded again; another tab may still be at it.
async function finish(where, turn) {
    await untilAnswered(turn);
    const fresh = (await store.load(where.id))?.turns.get(turn.id);
    if (!fresh) return;
    Object.assign(turn.answer, fresh.answer);
    if (fresh.answer.isRunning) {
        Object.assign(turn.answer, { isRunning: false, isInterrupted: true });
        await store.saveTurn(where, turn);
    }
    transcript.update(turn);
}

async function changedElsewhere({ chat: id, isDeleted }) {
    list.refresh();
    if (id !== chat.id) return;
    if (isDeleted) {
        answering.forget();
        await open(null);
        composer.note("This chat was deleted in another tab.");
    } else if (answering.isRunning || composer.isEditing) {
        chat.title = (await store.load(id))?.title ?? chat.title;
    } else {
        const shown = chat.chosen;
        await open(id);
        Object.assign(chat.chosen, shown); // each tab shows its own path
        showChat();
    }
}

async function rename(id, title) {
    const renamed = id === chat.id ? chat : await store.load(id);
    if (!renamed) return;
    renamed.title = title;
    await store.saveChat(renamed);
    list.refresh();
}

async function remove(id) {
    if (id === chat.id) {
        answering.forget();
        await open(null);
    }
    await store.delete(id);
    list.refresh();
}

async function exportChats(ids, format) {
    const chats = (await Promise.all(ids.map((id) => (id === chat.id ? chat : store.load(id))))).filter(Boolean);
    const [text, type, ending] = format === "json" ? [await toJson(chats), "application/json", "json"] : [await toMarkdown(chats[0]), "text/markdown", "md"];
    const name = chats.length === 1 ? chats[0].title.replace(/[^\p{L}\p{N} _-]+/gu, "").trim().slice(0, 60) || "chat" : "chats";
    const address = URL.createObjectURL(new Blob([text], { type }));
    Object.assign(document.createElement("a"), { href: address, download: `${name}.${ending}` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
}

async function importChats(files) {
    let last = null;
    for (const file of files) {
        try {
            for (const imported of await read(file)) {
                for (const picture of Chat.picturesOf([...imported.turns.values()])) await store.savePicture(picture);
                const { changed } = imported;
                for (const turn of imported.turns.values()) await store.saveTurn(imported, turn);
                await store.saveChat(Object.assign(imported, { changed }));
                last = imported;
            }
        } catch (error) {
            if (!(error instanceof ImportError)) throw error;
            composer.note(error.message);
            return;
        }
    }
    if (last) await open(last.id);
}

// ---- settings

$("reset-settings").addEventListener("click", () => {
    settings.reset();
    showJsonState();
});

// The switch for JSON is in the panel and, as a chip, beside the message.
const chip = $("settings").elements.json;
const jsonSetting = $("json-setting");

function showJsonState() {
    jsonSetting.checked = chip.checked;
}

chip.addEventListener("input", () => {
    showJsonState();
    if (chip.checked) settingsPanel.open();
});
jsonSetting.addEventListener("input", () => {
    chip.checked = jsonSetting.checked;
    chip.dispatchEvent(new Event("input"));
});
showJsonState();

// ---- the rest of the page

$("new-chat").addEventListener("click", async () => {
    await open(null);
    composer.focus();
});

$("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const isDark = (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    root.dataset.theme = isDark ? "light" : "dark";
    keep("localStorage", "theme", root.dataset.theme);
});

document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog:modal")) return;
    if (answering.isRunning) answering.stop();
    else if (composer.isEditing) composer.cancelEdit();
    else if (settingsPanel.isOpen) settingsPanel.close();
    else if (chatsPanel.isOpen) chatsPanel.close();
});

// That chats are not kept stays on the page until it was read.
function sayStorage(message) {
    const note = $("storage-note");
    note.replaceChildren(h("span", {}, message), h("button", { type: "button", onclick: () => { note.hidden = true; } }, "OK"));
    note.hidden = false;
}

// What assistive technology says: the answer once, when it is there, and not letter by letter.
function announce(text) {
    $("announcer").textContent = text;
}

function enlarge(picture) {
    const dialog = $("picture");
    dialog.replaceChildren(drawPreview(picture, { isLarge: true }));
    dialog.showModal();
}

$("picture").addEventListener("click", () => $("picture").close());

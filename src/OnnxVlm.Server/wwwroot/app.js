// The page: joins the parts and runs one answer at a time.

import { ApiError, listModels, streamChat } from "./api.js";
import { Composer } from "./composer.js";
import { Answer, Conversation } from "./conversation.js";
import { Pace } from "./pace.js";
import { drawPreview } from "./pictures.js";
import { Settings, SettingsError } from "./settings.js";
import { keep } from "./storage.js";
import { Transcript } from "./transcript.js";

const $ = (id) => document.getElementById(id);

const conversation = new Conversation();
const settings = new Settings($("settings"));
const transcript = new Transcript({ onRetry: retry, onEdit: editLast, onEnlarge: enlarge });
const composer = new Composer({
    earlierPictures: (isEditing) => conversation.picturesBefore(conversation.turns.length - (isEditing ? 1 : 0)),
    onSend: ask,
    onStop: stop,
    onEditLast: editLast,
    onEnlarge: enlarge,
});
let running = null; // the AbortController of the answer that is coming

loadModels();

// ---- asking

function ask(question, isEditing) {
    const request = requestFields();
    if (!request) return false;
    const turn = conversation.ask(question, new Answer({ isJson: settings.isJson }), { replacesLast: isEditing });
    if (isEditing) transcript.show(conversation.turns);
    else transcript.add(turn);
    $("welcome").hidden = true;
    run(turn, request);
    return true;
}

function retry() {
    const request = !running && requestFields();
    if (!request) return;
    conversation.last.answer = new Answer({ isJson: settings.isJson });
    transcript.show(conversation.turns);
    composer.focus();
    run(conversation.last, request);
}

function editLast() {
    if (conversation.last && !running) composer.edit(conversation.last.question);
}

function stop() {
    running?.abort();
}

// The request's fields, or null after saying what is wrong with the settings.
function requestFields() {
    try {
        return settings.requestFields();
    } catch (error) {
        if (!(error instanceof SettingsError)) throw error;
        composer.note(error.message);
        openSettings();
        error.field.focus();
        return null;
    }
}

async function run(turn, fields) {
    const controller = new AbortController();
    const { answer } = turn;
    const body = { ...fields, messages: conversation.messages(settings.system), stream: true, stream_options: { include_usage: true } };
    const pace = new Pace(() => transcript.update(turn));
    running = controller;
    composer.isRunning = true;
    announce("Answering.");
    try {
        for await (const chunk of streamChat(body, { apiKey: settings.apiKey, signal: controller.signal })) {
            answer.take(chunk);
            pace.request();
        }
    } catch (error) {
        if (controller.signal.aborted) answer.isStopped = true;
        else if (error instanceof ApiError) answer.error = error.message;
        else throw error;
    } finally {
        answer.isRunning = false;
        pace.flush();
        if (running === controller) {
            running = null;
            composer.isRunning = false;
            announce(answer.text);
        }
    }
}

// What assistive technology says: the answer once, when it is there, and not letter by letter.
function announce(text) {
    $("announcer").textContent = text;
}

// ---- models

async function loadModels() {
    try {
        settings.offerModels(await listModels(settings.apiKey));
        composer.clearNote();
    } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        if (error.status === 401) {
            composer.note(error.message);
            openSettings();
            $("settings").elements.api_key.focus();
        } else composer.note(error.message, { label: "Try again", run: loadModels });
    }
}

$("settings").elements.api_key.addEventListener("change", loadModels);

// ---- settings panel: beside the conversation where there is room, else over it

const panel = $("settings-panel");

function openSettings() {
    if (panel.open) return;
    if (matchMedia("(min-width: 60rem)").matches) panel.show();
    else panel.showModal();
    $("open-settings").setAttribute("aria-expanded", "true");
}

panel.addEventListener("close", () => $("open-settings").setAttribute("aria-expanded", "false"));
$("open-settings").addEventListener("click", () => panel.open ? panel.close() : openSettings());
$("close-settings").addEventListener("click", () => panel.close());
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
    if (chip.checked) openSettings();
});
jsonSetting.addEventListener("input", () => {
    chip.checked = jsonSetting.checked;
    chip.dispatchEvent(new Event("input"));
});
showJsonState();

// ---- the rest of the page

$("new-chat").addEventListener("click", () => {
    stop();
    conversation.clear();
    transcript.clear();
    composer.cancelEdit();
    composer.clearNote();
    $("welcome").hidden = false;
});

$("theme").addEventListener("click", () => {
    const root = document.documentElement;
    const isDark = (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    root.dataset.theme = isDark ? "light" : "dark";
    keep("localStorage", "theme", root.dataset.theme);
});

document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog:modal")) return;
    if (running) stop();
    else if (composer.isEditing) composer.cancelEdit();
    else if (panel.open) panel.close();
});

function enlarge(picture) {
    const dialog = $("picture");
    dialog.replaceChildren(drawPreview(picture));
    dialog.showModal();
}

$("picture").addEventListener("click", () => $("picture").close());

// The settings form: what it holds is kept in this browser (the API key only until the tab is closed) and becomes fields of a request.

import { keep, recall, recallObject } from "./storage.js";

const storageKey = "onnxvlm-settings";

const exampleSchema = {
    type: "object",
    properties: { text: { type: "string" } },
    required: ["text"],
    additionalProperties: false,
};

const numbers = ["temperature", "top_p", "top_k", "min_p", "seed", "max_completion_tokens", "top_logprobs"];

/** A setting that cannot be sent; the message is one line, the field is the one to correct. */
export class SettingsError extends Error {
    constructor(field, message) {
        super(message);
        this.field = field;
    }
}

export class Settings {
    #fields;
    #wantedModel = null; // what was chosen the last time, until the server has said which models it has

    /** @param form its named controls, wherever they are in the page, are the settings */
    constructor(form) {
        this.form = form;
        this.#fields = form.elements;
        this.#restore();
        form.addEventListener("input", (event) => this.#changed(event.target));
        for (const field of this.#fields) if (!form.contains(field)) field.addEventListener("input", () => this.#changed(field));
    }

    get apiKey() {
        return this.#fields.api_key.value.trim();
    }

    get model() {
        return this.#fields.model.value;
    }

    /** Chooses a model, if it is offered. */
    set model(name) {
        if ([...this.#fields.model.options].some((option) => option.value === name)) this.#fields.model.value = name;
    }

    get system() {
        return this.#fields.system.value.trim();
    }

    get isJson() {
        return this.#fields.json.checked;
    }

    /** Fills the choice of models; the one chosen last stays chosen if the server still has it. */
    offerModels(names) {
        const chosen = this.#fields.model.value || this.#wantedModel;
        this.#fields.model.replaceChildren(...names.map((name) => new Option(name, name, false, name === chosen)));
    }

    /** The fields that the settings add to a request. Throws SettingsError. */
    requestFields() {
        const fields = { model: this.#fields.model.value };
        for (const name of numbers) {
            const value = number(this.#fields[name]);
            if (value !== null) fields[name] = value;
        }
        const stop = stopTexts(this.#fields.stop);
        if (stop.length > 0) fields.stop = stop;
        if (this.#fields.reasoning_effort.value) fields.reasoning_effort = this.#fields.reasoning_effort.value;
        fields.top_logprobs ??= 5;
        if (fields.top_logprobs > 0) fields.logprobs = true;
        else delete fields.top_logprobs;
        if (this.isJson) fields.response_format = { type: "json_schema", json_schema: { name: "answer", strict: true, schema: schema(this.#fields.schema) } };
        return fields;
    }

    reset() {
        keep("localStorage", storageKey, null);
        keep("sessionStorage", storageKey, null);
        const model = this.#fields.model.value;
        this.form.reset();
        this.#fields.model.value = model;
        this.#fields.schema.value = JSON.stringify(exampleSchema, null, 2);
        for (const field of this.#fields) showProblem(field, null);
    }

    #restore() {
        const saved = recallObject("localStorage", storageKey);
        this.#fields.schema.value = JSON.stringify(exampleSchema, null, 2);
        for (const [name, value] of Object.entries(saved)) {
            if (name === "model") this.#wantedModel = value;
            else if (name === "json") this.#fields.json.checked = value;
            else if (this.#fields[name]) this.#fields[name].value = value;
        }
        this.#fields.api_key.value = recall("sessionStorage", storageKey) ?? "";
    }

    #changed(field) {
        const values = {};
        for (const { name, type, checked, value } of this.#fields) {
            if (name && name !== "api_key") values[name] = type === "checkbox" ? checked : value;
        }
        keep("localStorage", storageKey, JSON.stringify(values));
        keep("sessionStorage", storageKey, this.apiKey);
        showProblem(field, problem(field));
    }
}

function problem(field) {
    try {
        if (field.type === "number") number(field);
        if (field.name === "stop") stopTexts(field);
        if (field.name === "schema") schema(field);
        return null;
    } catch (error) {
        if (error instanceof SettingsError) return error.message;
        throw error;
    }
}

// One line under the field.
function showProblem(field, message) {
    const label = field.closest(".field");
    if (!label) return;
    label.querySelector(".problem")?.remove();
    if (message) {
        const line = document.createElement("span");
        line.className = "problem";
        line.id = `problem-${field.name}`;
        line.setAttribute("role", "status");
        line.textContent = message;
        label.append(line);
        field.setAttribute("aria-invalid", "true");
        field.setAttribute("aria-describedby", line.id);
    } else {
        field.removeAttribute("aria-invalid");
        field.removeAttribute("aria-describedby");
    }
}

function number(field) {
    if (field.value === "" && !field.validity.badInput) return null;
    if (field.validity.valid) return field.valueAsNumber;
    const name = field.closest("label").firstChild.data.trim();
    const kind = field.step === "1" ? "a whole number" : "a number";
    const range = field.max === "" ? `of at least ${field.min}` : `from ${field.min} to ${field.max}`;
    throw new SettingsError(field, `${name} must be ${kind} ${range}.`);
}

function stopTexts(field) {
    const texts = field.value.split("\n").filter((line) => line !== "").map((line) => line.replaceAll("\\n", "\n").replaceAll("\\t", "\t"));
    if (texts.length > 4) throw new SettingsError(field, `At most 4 stop texts are accepted, and these are ${texts.length}.`);
    return texts;
}

function schema(field) {
    let value;
    try {
        value = JSON.parse(field.value);
    } catch (error) {
        throw new SettingsError(field, `The schema is not valid JSON: ${error.message}`);
    }
    if (value === null || typeof value !== "object" || Array.isArray(value)) throw new SettingsError(field, 'The schema must be a JSON object, such as { "type": "object" }.');
    return value;
}

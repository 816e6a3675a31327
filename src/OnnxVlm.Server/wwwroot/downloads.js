// Downloads of models onto the server, where it allows them: the name, what it takes, a yes, and how far it is.

import { ApiError, json } from "./api.js";
import { h } from "./dom.js";
import { ask } from "./question.js";

const $ = (id) => document.getElementById(id);
const pollMs = 1000;

export class Downloads {
    #isPolling = false;

    /**
     * @param onDone (model) → the server has it now
     * @param onProblem (message) → says in one line what went wrong
     */
    constructor(settings, { onDone, onProblem }) {
        Object.assign(this, { settings, onDone, onProblem });
        $("download-model").addEventListener("click", () => this.#try(() => this.#begin()));
        $("cancel-download").addEventListener("click", () => this.#try(() => this.#request("DELETE")));
    }

    /** Shows whether models can be downloaded, and one that is on its way. */
    async look() {
        await this.#try(async () => {
            const status = await this.#request();
            $("downloads").hidden = !status.allowed;
            if (status.state === "running" && status.model) this.#follow();
        });
    }

    async #begin() {
        const model = await ask({
            title: "Download a model", label: "Name, as on the hub: OWNER/NAME", confirm: "Next",
            check: (text) => (text.trim() ? null : "Give the name of a model."),
        });
        if (model === null) return;
        const plan = await this.#request("POST", "/plan", { model: model.trim() });
        const answer = await ask({ title: `Download ${plan.model}?`, confirm: "Download", details: describe(plan) });
        if (answer === null) return;
        await this.#request("POST", "", { plan: plan.plan });
        this.#follow();
    }

    async #follow() {
        if (this.#isPolling) return;
        this.#isPolling = true;
        $("download").hidden = false;
        await this.#try(async () => {
            for (;;) {
                const status = await this.#request();
                this.#show(status);
                if (status.state === "done") this.onDone(status.model);
                if (status.state === "failed") this.onProblem(status.message);
                if (status.state !== "running") return;
                await new Promise((resolve) => setTimeout(resolve, pollMs));
            }
        });
        this.#isPolling = false;
        $("download").hidden = true;
    }

    #show({ model, bytes_done: done = 0, bytes_total: total = 0 }) {
        const [bar, words] = [$("download").querySelector("progress"), $("download").querySelector("span")];
        if (total > 0) Object.assign(bar, { max: total, value: done });
        words.textContent = total > 0 ? `${model}: ${size(done)} of ${size(total)}` : `${model}: beginning`;
    }

    #request(method = "GET", path = "", body = undefined) {
        return json(`v1/downloads${path}`, { apiKey: this.settings.apiKey, method, body });
    }

    async #try(work) {
        try {
            await work();
        } catch (error) {
            if (!(error instanceof ApiError)) throw error;
            if (error.status !== 401) this.onProblem(error.message);
        }
    }
}

function describe(plan) {
    return [
        h("p", {}, `Download ${size(plan.download_bytes)}, on the server's disk ${size(plan.disk_bytes)}, in its memory ${size(plan.memory_bytes)}.`),
        h("p", {}, plan.license ? `Licence: ${plan.license}.` : "It names no licence."),
        !plan.fits_disk && h("p", { class: "problem" }, "The server's disk has too little room for it."),
        !plan.fits_memory && h("p", { class: "problem" }, "The server's memory is too small for it."),
        plan.is_served && h("p", {}, "The server has it already."),
    ];
}

function size(bytes) {
    const [value, unit] = bytes >= 1e9 ? [bytes / 1e9, "GB"] : bytes >= 1e6 ? [bytes / 1e6, "MB"] : [bytes / 1e3, "kB"];
    return `${value.toFixed(value < 10 ? 1 : 0)} ${unit}`;
}

// The models that the server offers, and how much of one's context a conversation takes.

import { ApiError, listModels } from "./api.js";
import { readLimits } from "./attachments/uploads.js";

const meter = document.querySelector("#context meter");
const words = document.querySelector("#context > span");

export class Models {
    #all = [];

    /** @param onProblem (error) → says why there are none */
    constructor(settings, onProblem) {
        Object.assign(this, { settings, onProblem });
    }

    /** Asks the server, and fills the choice; whether it said. */
    async load() {
        try {
            const { apiKey } = this.settings;
            [this.#all] = await Promise.all([listModels(apiKey), readLimits(apiKey)]);
            this.settings.offerModels(this.#all.map(({ id }) => id));
            return true;
        } catch (error) {
            if (!(error instanceof ApiError)) throw error;
            this.onProblem(error);
            return false;
        }
    }

    /** Shows how many tokens of the model's context an answer and what is before it take; null for nothing. */
    showContext(answer) {
        const length = this.#all.find(({ id }) => id === this.settings.model)?.max_model_len;
        const used = answer?.contextTokens;
        meter.parentNode.hidden = !used || !length;
        if (meter.parentNode.hidden) return;
        Object.assign(meter, { max: length, value: used, high: 0.9 * length, optimum: 0 });
        words.textContent = `${used.toLocaleString("en")} of ${length.toLocaleString("en")} tokens`;
    }
}

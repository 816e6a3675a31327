// Shows an answer token by token: the more surprising a token was, the warmer its colour. Hover or keyboard focus shows its alternatives.
// One tab stop leads into the view; the arrow keys, Home and End move within it.

import { h } from "./dom.js";

let lastId = 0;

export class TokenView {
    #list = h("div", { class: "tokens", role: "listbox", "aria-label": "Tokens of the answer", "aria-orientation": "horizontal" });
    #details = h("div", { class: "token-details", role: "tooltip", id: `token-details-${++lastId}`, hidden: true });
    #tokens = [];

    constructor() {
        this.element = h("div", { class: "token-view" },
            h("p", { class: "token-legend", "aria-hidden": "true" }, "unlikely", h("span", { class: "token-scale" }), "likely"),
            this.#list, this.#details);
        this.#list.addEventListener("pointerover", (event) => this.#show(event.target));
        this.#list.addEventListener("pointerleave", () => this.#showFocused());
        this.#list.addEventListener("focusin", (event) => this.#show(event.target));
        this.#list.addEventListener("focusout", () => this.#hide());
        this.#list.addEventListener("keydown", (event) => this.#move(event));
    }

    /** Shows the tokens; those that are shown already stay. */
    update(tokens) {
        this.#tokens = tokens;
        for (let i = this.#list.children.length; i < tokens.length; i++) this.#list.append(this.#node(tokens[i], i));
    }

    #node(token, index) {
        const probability = Math.exp(token.logprob);
        const node = h("span", { class: "token", role: "option", tabindex: index === 0 ? 0 : -1, "aria-label": `${readable(token)}, ${percent(probability)}` }, readable(token));
        node.style.setProperty("--probability", probability.toFixed(4));
        if (token.token.includes("\n")) node.classList.add("token-newline");
        return node;
    }

    #show(node) {
        const index = [...this.#list.children].indexOf(node);
        if (index < 0) return;
        const token = this.#tokens[index];
        const others = token.top_logprobs.filter((other) => other.token !== token.token);
        const rows = [token, ...others].sort((a, b) => b.logprob - a.logprob).map((row) => alternative(row, row === token));
        this.#details.replaceChildren(...rows);
        this.#details.hidden = false;
        this.#list.querySelector("[aria-describedby]")?.removeAttribute("aria-describedby");
        node.setAttribute("aria-describedby", this.#details.id);
        this.#place(node.getBoundingClientRect());
    }

    // Under the token, or over it where there is no room below.
    #place(token) {
        const { width, height } = this.#details.getBoundingClientRect();
        const left = Math.max(8, Math.min(token.left, document.documentElement.clientWidth - width - 8));
        const below = token.bottom + 6;
        const top = below + height > window.innerHeight ? Math.max(8, token.top - height - 6) : below;
        this.#details.style.setProperty("left", `${left}px`);
        this.#details.style.setProperty("top", `${top}px`);
    }

    #hide() {
        this.#details.hidden = true;
    }

    #showFocused() {
        if (this.#list.contains(document.activeElement)) this.#show(document.activeElement);
        else this.#hide();
    }

    #move(event) {
        const tokens = [...this.#list.children];
        const from = tokens.indexOf(event.target);
        const to = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: tokens.length - 1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        if (!tokens[to]) return;
        event.target.tabIndex = -1;
        tokens[to].tabIndex = 0;
        tokens[to].focus();
    }
}

function alternative(token, isChosen) {
    const probability = Math.exp(token.logprob);
    const bar = h("span", { class: "token-bar" });
    bar.style.setProperty("--probability", probability.toFixed(4));
    return h("div", { class: isChosen ? "token-row chosen" : "token-row" },
        h("code", {}, readable(token)), bar, h("span", { class: "token-percent" }, percent(probability)), isChosen && h("span", { class: "visually-hidden" }, "chosen"));
}

// A token may be white space, or only a part of a character: then its bytes are shown.
function readable({ token, bytes }) {
    if (token === "" || token.includes("\ufffd")) return bytes?.map((byte) => byte.toString(16).padStart(2, "0")).join(" ") || "∅";
    return token.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "\u00a0");
}

function percent(probability) {
    const value = probability * 100;
    return `${value >= 99.95 || value === 0 ? value.toFixed(0) : value >= 0.1 ? value.toFixed(1) : "< 0.1"} %`;
}

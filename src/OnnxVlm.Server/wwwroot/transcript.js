// Shows the turns of the conversation. Retry and edit are offered at the last one.

import { button, h, icon } from "./dom.js";
import { codeBlock, copyButton } from "./markdown/code-block.js";
import { MarkdownView } from "./markdown/markdown.js";
import { drawPreview } from "./pictures.js";
import { keep, recall } from "./storage.js";
import { TokenView } from "./token-view.js";

const tokensShown = "onnxvlm-tokens"; // whether answers start in the token view

export class Transcript {
    #turns = document.getElementById("turns");
    #scroller = document.querySelector("main");
    #views = new Map();
    #isAtEnd = true;

    constructor({ onRetry, onEdit, onEnlarge }) {
        Object.assign(this, { onRetry, onEdit, onEnlarge });
        this.#scroller.addEventListener("scroll", () => {
            const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
            this.#isAtEnd = scrollHeight - scrollTop - clientHeight < 48;
        });
        // As the answer or the message that is being written grows, the end stays in sight if it was.
        const observer = new ResizeObserver(() => this.#isAtEnd && this.#scrollToEnd());
        observer.observe(this.#turns);
        observer.observe(this.#scroller);
    }

    clear() {
        this.#turns.replaceChildren();
        this.#views.clear();
    }

    /** Shows all turns anew. */
    show(turns) {
        this.clear();
        for (const turn of turns) this.add(turn);
    }

    add(turn) {
        const answer = new AnswerView(() => this.onRetry());
        this.#views.set(turn, answer);
        this.#turns.append(h("article", { class: "turn" }, this.#question(turn.question), answer.element));
        answer.update(turn.answer);
        this.#scrollToEnd();
    }

    /** Shows what has come since, unless a new chat was begun. */
    update(turn) {
        this.#views.get(turn)?.update(turn.answer);
    }

    #scrollToEnd() {
        this.#scroller.scrollTop = this.#scroller.scrollHeight;
    }

    #question({ text, pictures }) {
        return h("section", { class: "question", "aria-label": "You" },
            pictures.length > 0 && h("div", { class: "question-pictures" }, ...pictures.map((picture) => h("button", {
                type: "button", class: "thumbnail", "aria-label": `Enlarge ${picture.name}`, title: picture.name, onclick: () => this.onEnlarge(picture),
            }, drawPreview(picture)))),
            text && h("p", { class: "bubble" }, text),
            h("div", { class: "actions last-only" }, button("Edit", "edit", () => this.onEdit(), { class: "quiet" })));
    }
}

class AnswerView {
    #reasoningText = h("p", {});
    #reasoning = h("details", { class: "reasoning", hidden: true }, h("summary", {}, "Reasoning"), this.#reasoningText);
    #hasText = false;
    #body = h("div", { class: "answer-body" });
    #markdown = new MarkdownView(this.#body);
    #tokens = new TokenView();
    #error = h("div", { class: "error", role: "alert", hidden: true });
    #statistics = h("p", { class: "statistics" });
    #toggle;
    #actions;
    #answer;
    #showsTokens = recall("localStorage", tokensShown) === "true";

    constructor(onRetry) {
        this.onRetry = onRetry;
        this.#toggle = button("Tokens", "tokens", () => this.#toggleTokens(), { class: "quiet", "aria-pressed": "false" });
        this.#actions = h("div", { class: "actions" },
            copyButton(() => this.#answer.text), this.#toggle, button("Retry", "retry", onRetry, { class: "quiet last-only" }));
        this.element = h("section", { class: "answer", "aria-label": "Answer" },
            this.#reasoning, this.#body, this.#tokens.element, this.#error, h("div", { class: "answer-foot" }, this.#statistics, this.#actions));
    }

    update(answer) {
        this.#answer = answer;
        const hasTokens = answer.tokens.length > 0;
        const showsTokens = hasTokens && this.#showsTokens;
        this.element.setAttribute("aria-busy", answer.isRunning);
        this.element.classList.toggle("waiting", answer.isRunning && answer.firstAt === null);
        this.#showReasoning(answer);
        this.#toggle.hidden = !hasTokens;
        this.#toggle.setAttribute("aria-pressed", showsTokens);
        this.#tokens.element.hidden = !showsTokens;
        this.#body.hidden = showsTokens;
        if (showsTokens) this.#tokens.update(answer.tokens);
        else this.#showText(answer);
        this.#actions.hidden = answer.isRunning || (answer.error && !answer.text);
        this.#statistics.textContent = statistics(answer);
        this.#showError(answer.error);
    }

    // Open while the model thinks, closed once it answers; whoever opens it again finds it open.
    #showReasoning({ reasoning, text, isRunning }) {
        if (!reasoning) return;
        if (this.#reasoning.hidden || (text && !this.#hasText)) this.#reasoning.open = !text;
        this.#hasText = text !== "";
        this.#reasoning.classList.toggle("thinking", isRunning && !text);
        this.#reasoning.hidden = false;
        this.#reasoningText.textContent = reasoning;
    }

    #showText({ text, isJson, isRunning }) {
        if (isJson && text) this.#body.replaceChildren(codeBlock(isRunning ? text : indented(text), "json"));
        else this.#markdown.update(text, !isRunning);
    }

    #toggleTokens() {
        this.#showsTokens = !this.#showsTokens;
        keep("localStorage", tokensShown, this.#showsTokens);
        this.update(this.#answer);
    }

    #showError(message) {
        this.#error.hidden = !message;
        if (!message || this.#error.textContent.startsWith(message)) return;
        this.#error.replaceChildren(icon("warning"), h("span", {}, message), h("button", { type: "button", class: "last-only", onclick: this.onRetry }, "Try again"));
    }
}

function indented(json) {
    try {
        return JSON.stringify(JSON.parse(json), null, 2);
    } catch {
        return json; // cut off at the length limit, or stopped
    }
}

function statistics(answer) {
    const { firstTokenMs, tokensPerSecond, usage, tokenCount, finishReason, isStopped } = answer;
    const { cached_tokens: cached, transparent_images: transparent, shrunk_images: shrunk } = usage?.prompt_tokens_details ?? {};
    return [
        isStopped && "stopped",
        finishReason === "length" && "cut off at the limit of tokens",
        firstTokenMs !== null && `first token after ${(firstTokenMs / 1000).toFixed(2)} s`,
        tokensPerSecond !== null && `${tokensPerSecond.toFixed(tokensPerSecond < 10 ? 1 : 0)} tokens/s`,
        tokenCount !== null && `answer ${tokenCount} ${tokenCount === 1 ? "token" : "tokens"}`,
        usage && `prompt ${usage.prompt_tokens} tokens${cached ? `, ${cached} of them cached` : ""}`,
        transparent && `${transparent === 1 ? "one picture is" : `${transparent} pictures are`} transparent, and the model saw ${transparent === 1 ? "its" : "their"} colours without that`,
        shrunk && `${shrunk === 1 ? "one picture was" : `${shrunk} pictures were`} shrunk to less than a third a side: small print is lost`,
    ].filter(Boolean).join(" · ");
}

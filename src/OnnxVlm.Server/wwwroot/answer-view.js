// Shows an answer as it comes: how far the prompt is read, the reasoning, the text or its tokens, and what it took.

import { button, h, icon } from "./dom.js";
import { codeBlock, copyButton } from "./markdown/code-block.js";
import { MarkdownView } from "./markdown/markdown.js";
import { keep, recall } from "./storage.js";
import { TokenView } from "./token-view.js";

const tokensShown = "onnxvlm-tokens"; // whether answers start in the token view

export class AnswerView {
    #reasoningText = h("p", {});
    #reasoning = h("details", { class: "reasoning", hidden: true }, h("summary", {}, "Reasoning"), this.#reasoningText);
    #hasText = false;
    #body = h("div", { class: "answer-body" });
    #markdown = new MarkdownView(this.#body);
    #tokens = null; // made when it is first shown
    #prefill = h("progress", { max: 1, "aria-label": "Reading the prompt" });
    #reading = h("div", { class: "prefill", hidden: true }, h("span", {}), this.#prefill);
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
            h("h2", { class: "visually-hidden" }, "Answer"), this.#reading, this.#reasoning, this.#body, this.#error, h("div", { class: "answer-foot" }, this.#statistics, this.#actions));
    }

    update(answer) {
        this.#answer = answer;
        const hasTokens = answer.tokens.length > 0;
        const showsTokens = hasTokens && this.#showsTokens;
        this.element.setAttribute("aria-busy", answer.isRunning);
        this.element.classList.toggle("waiting", answer.isRunning && answer.firstTokenMs === null);
        this.#showPrefill(answer);
        this.#showReasoning(answer);
        this.#toggle.hidden = !hasTokens;
        this.#toggle.setAttribute("aria-pressed", showsTokens);
        if (this.#tokens) this.#tokens.element.hidden = !showsTokens;
        this.#body.hidden = showsTokens;
        if (showsTokens) this.#showTokens(answer.tokens);
        else this.#showText(answer);
        this.#actions.hidden = answer.isRunning || (answer.error && !answer.text);
        this.#statistics.textContent = statistics(answer);
        this.#showError(answer.error);
    }

    // Only where there is something to wait for: what is in the cache is read at once.
    #showPrefill({ isRunning, firstTokenMs, progress }) {
        this.#reading.hidden = !isRunning || firstTokenMs !== null || !progress;
        if (this.#reading.hidden) return;
        this.#prefill.value = progress.processed / progress.total;
        this.#reading.firstChild.textContent = `Reading the prompt: ${progress.processed} of ${progress.total} tokens`;
    }

    #showTokens(tokens) {
        if (!this.#tokens) {
            this.#tokens = new TokenView();
            this.#body.after(this.#tokens.element);
        }
        this.#tokens.update(tokens);
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
    const { firstTokenMs, tokensPerSecond, usage, tokenCount, finishReason, isStopped, isInterrupted, model } = answer;
    const { cached_tokens: cached, transparent_images: transparent, shrunk_images: shrunk } = usage?.prompt_tokens_details ?? {};
    return [
        model,
        isStopped && "stopped",
        isInterrupted && "interrupted: the page was closed or loaded again",
        finishReason === "length" && "cut off at the limit of tokens",
        firstTokenMs !== null && `first token after ${(firstTokenMs / 1000).toFixed(2)} s`,
        tokensPerSecond !== null && `${tokensPerSecond.toFixed(tokensPerSecond < 10 ? 1 : 0)} tokens/s`,
        tokenCount !== null && `answer ${tokenCount} ${tokenCount === 1 ? "token" : "tokens"}`,
        usage && `prompt ${usage.prompt_tokens} tokens${cached ? `, ${cached} of them cached` : ""}`,
        transparent && `${transparent === 1 ? "one picture is" : `${transparent} pictures are`} transparent, and the model saw ${transparent === 1 ? "its" : "their"} colours without that`,
        shrunk && `${shrunk === 1 ? "one picture was" : `${shrunk} pictures were`} shrunk to less than a third a side: small print is lost`,
    ].filter(Boolean).join(" · ");
}

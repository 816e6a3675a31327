// The answer to one question, as far as it has come.

/** Times are milliseconds of the page's clock. */
export class Answer {
    text = "";
    /** What the model thought before it answered, where it does. It is shown, and never sent back. */
    reasoning = "";
    /** The tokens with their log probabilities, as the server gives them; empty if none were asked for. */
    tokens = [];
    /** How far the prompt is read: { total, cache, processed }, or null. */
    progress = null;
    usage = null;
    finishReason = null;
    isStopped = false;
    /** Whether the page ended before the answer did. */
    isInterrupted = false;
    /** One line that says why there is no answer, or no more of it. */
    error = null;
    isRunning = true;
    /** Milliseconds from the request to the first token, or null. */
    firstTokenMs = null;
    /** Milliseconds from the first token to the last one. */
    tokensMs = 0;

    #startedAt;
    #saved = { text: 0, reasoning: 0, tokens: 0 }; // how much of each is in a piece

    /** @param isJson whether the answer was held to a JSON schema */
    constructor({ isJson = false, model = "", now = performance.now() } = {}) {
        this.isJson = isJson;
        this.model = model;
        this.#startedAt = now;
    }

    /** Takes one chunk of the stream. */
    take(chunk, now = performance.now()) {
        this.usage = chunk.usage ?? this.usage;
        this.progress = chunk.prompt_progress ?? this.progress;
        const choice = chunk.choices?.[0];
        if (!choice) return;
        const tokens = choice.logprobs?.content ?? [];
        const text = choice.delta?.content ?? "";
        const reasoning = choice.delta?.reasoning_content ?? "";
        if (text || reasoning || tokens.length > 0) {
            this.firstTokenMs ??= now - this.#startedAt;
            this.tokensMs = now - this.#startedAt - this.firstTokenMs;
        }
        this.text += text;
        this.reasoning += reasoning;
        this.tokens.push(...tokens);
        this.finishReason = choice.finish_reason ?? this.finishReason;
    }

    get tokenCount() {
        return this.usage?.completion_tokens ?? (this.tokens.length || null);
    }

    /** Tokens per second after the first one, or null while that cannot be told. */
    get tokensPerSecond() {
        return this.tokenCount > 1 && this.tokensMs > 0 ? ((this.tokenCount - 1) * 1000) / this.tokensMs : null;
    }

    /** Tokens of the context that the conversation takes up to this answer's end, or null. */
    get contextTokens() {
        return this.usage ? this.usage.prompt_tokens + this.usage.completion_tokens : null;
    }

    // ---- keeping

    /** What has come since this was asked last, or null. */
    takePiece() {
        const { text, reasoning, tokens } = this.#saved;
        const piece = { text: this.text.slice(text), reasoning: this.reasoning.slice(reasoning), tokens: this.tokens.slice(tokens) };
        this.#saved = { text: this.text.length, reasoning: this.reasoning.length, tokens: this.tokens.length };
        return piece.text || piece.reasoning || piece.tokens.length > 0 ? piece : null;
    }

    addPiece({ text, reasoning, tokens }) {
        this.text += text;
        this.reasoning += reasoning;
        this.tokens.push(...tokens);
    }

    /** All but the tokens, as plain data. */
    toRecord() {
        const { text, reasoning, usage, finishReason, isStopped, isInterrupted, error, isRunning, isJson, model, firstTokenMs, tokensMs } = this;
        return { text, reasoning, usage, finishReason, isStopped, isInterrupted, error, isRunning, isJson, model, firstTokenMs, tokensMs };
    }

    static from(record, tokens = []) {
        return Object.assign(new Answer(), record, { tokens });
    }
}

// What was said: turns of a question and its answer, and what the server is sent of them.

/** The answer to one question, as far as it has come. Times are milliseconds of the page's clock. */
export class Answer {
    text = "";
    /** What the model thought before it answered, where it does. It is shown, and never sent back. */
    reasoning = "";
    /** The tokens with their log probabilities, as the server gives them; empty if none were asked for. */
    tokens = [];
    usage = null;
    finishReason = null;
    isStopped = false;
    /** One line that says why there is no answer, or no more of it. */
    error = null;
    isRunning = true;

    /** @param isJson whether the answer was held to a JSON schema */
    constructor({ isJson = false, now = performance.now() } = {}) {
        this.isJson = isJson;
        this.startedAt = now;
        this.firstAt = null;
        this.lastAt = null;
    }

    /** Takes one chunk of the stream. */
    take(chunk, now = performance.now()) {
        this.usage = chunk.usage ?? this.usage;
        const choice = chunk.choices?.[0];
        if (!choice) return;
        const tokens = choice.logprobs?.content ?? [];
        const text = choice.delta?.content ?? "";
        const reasoning = choice.delta?.reasoning_content ?? "";
        if (text || reasoning || tokens.length > 0) {
            this.firstAt ??= now;
            this.lastAt = now;
        }
        this.text += text;
        this.reasoning += reasoning;
        this.tokens.push(...tokens);
        this.finishReason = choice.finish_reason ?? this.finishReason;
    }

    get tokenCount() {
        return this.usage?.completion_tokens ?? (this.tokens.length || null);
    }

    /** Milliseconds from the request to the first token, or null. */
    get firstTokenMs() {
        return this.firstAt === null ? null : this.firstAt - this.startedAt;
    }

    /** Tokens per second after the first one, or null while that cannot be told. */
    get tokensPerSecond() {
        const ms = this.lastAt - this.firstAt;
        return this.tokenCount > 1 && ms > 0 ? ((this.tokenCount - 1) * 1000) / ms : null;
    }
}

export class Conversation {
    /** { question: { text, pictures }, answer } each. */
    turns = [];

    get last() {
        return this.turns.at(-1);
    }

    /** The pictures of the turns before the given one; they are sent again with each question. */
    picturesBefore(index = this.turns.length) {
        return this.turns.slice(0, index).flatMap((turn) => turn.question.pictures);
    }

    /** Adds a turn, in place of the last one if that is edited. */
    ask(question, answer, { replacesLast = false } = {}) {
        if (replacesLast) this.turns.pop();
        this.turns.push({ question, answer });
        return this.last;
    }

    clear() {
        this.turns = [];
    }

    /** The messages of a request for the last turn's answer. */
    messages(system) {
        const messages = system ? [{ role: "system", content: system }] : [];
        for (const { question, answer } of this.turns) {
            messages.push({ role: "user", content: content(question) });
            if (answer !== this.last.answer && answer.text) messages.push({ role: "assistant", content: answer.text });
        }
        return messages;
    }
}

function content({ text, pictures }) {
    if (pictures.length === 0) return text;
    const images = pictures.map((picture) => ({ type: "image_url", image_url: { url: picture.dataUrl } }));
    return text ? [...images, { type: "text", text }] : images;
}

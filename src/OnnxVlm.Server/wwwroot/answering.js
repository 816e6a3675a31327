// Asks for one answer at a time, shows it as it comes, and keeps what is shown.

import { ApiError, streamChat } from "./api.js";
import { forgetUploads, upload, urlOf } from "./attachments/uploads.js";
import { Chat } from "./chats/chat.js";
import { Pace } from "./pace.js";

export class Answering {
    #running = null; // { controller, turn } of the answer that is coming

    /** @param show { begins(), update(turn), ends(turn) }: what the page does meanwhile */
    constructor({ store, settings, show }) {
        Object.assign(this, { store, settings, show });
    }

    get isRunning() {
        return this.#running !== null;
    }

    stop() {
        this.#running?.controller.abort();
    }

    /** Answers a turn's question. */
    async run(chat, turn, fields) {
        const { answer } = turn;
        const controller = new AbortController();
        const running = { controller, turn };
        const pace = new Pace(() => {
            const piece = answer.takePiece();
            if (piece && !running.isForgotten) this.store.append(turn, piece); // first, so that nothing is shown that a reload loses
            this.show.update(turn);
        });
        this.stop();
        this.#running = running;
        this.show.begins();
        const release = hold(turn);
        try {
            await this.store.saveTurn(chat, turn);
            for await (const chunk of this.#stream(chat, turn, fields, controller.signal)) {
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
            if (!running.isForgotten) await this.store.saveTurn(chat, turn);
            release();
            if (this.#running === running) {
                this.#running = null;
                this.show.ends(turn);
            }
        }
    }

    /** Stops an answer whose chat is gone, and keeps nothing of it. */
    forget() {
        if (this.#running) this.#running.isForgotten = true;
        this.stop();
    }

    // Pictures go ahead. Where the server has forgotten one meanwhile, all go once more.
    async *#stream(chat, turn, fields, signal) {
        const { apiKey, system } = this.settings;
        const pictures = Chat.picturesOf([...chat.before(turn), turn]);
        for (let isSecond = false; ; isSecond = true) {
            await upload(pictures, { apiKey, signal });
            const messages = chat.messages(turn, system, urlOf);
            const body = { ...fields, messages, stream: true, stream_options: { include_usage: true }, return_progress: true };
            try {
                yield* streamChat(body, { apiKey, signal });
                return;
            } catch (error) {
                if (isSecond || error.code !== "upload_not_found") throw error;
                forgetUploads();
            }
        }
    }
}

const nameOf = (turn) => `onnxvlm-answer-${turn.id}`;

// While a tab answers, others know by a lock that it does. (Browsers have locks only with https and on this machine.)
function hold(turn) {
    let release = () => {};
    navigator.locks?.request(nameOf(turn), () => new Promise((resolve) => { release = resolve; }));
    return () => release();
}

/** Waits until no tab answers this turn any more. */
export async function untilAnswered(turn) {
    await navigator.locks?.request(nameOf(turn), () => {});
}

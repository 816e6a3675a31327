// When a growing answer is drawn: with the next frame, but so that drawing takes a fifth of the time at most, however long the answer is.

const share = 5;

/** Draws at a bearable rate: new Pace(draw), request() whenever there is something new, flush() at the end. */
export class Pace {
    #draw;
    #frame = 0;
    #notBefore = 0;

    constructor(draw) {
        this.#draw = draw;
    }

    request() {
        this.#frame ||= requestAnimationFrame(() => this.#onFrame());
    }

    /** Draws now, if something is left to draw. */
    flush() {
        cancelAnimationFrame(this.#frame);
        this.#frame = 0;
        this.#draw();
    }

    #onFrame() {
        this.#frame = 0;
        const start = performance.now();
        if (start < this.#notBefore) {
            this.request();
            return;
        }
        this.#draw();
        const end = performance.now();
        this.#notBefore = end + (share - 1) * (end - start);
    }
}

// Where a message is written: the text, the pictures of it, and the button that sends or stops.

import { button, h } from "./dom.js";
import { describe, drawPreview, excess, PictureError, readPicture } from "./pictures.js";

const $ = (id) => document.getElementById(id);

export class Composer {
    #form = $("composer");
    #text = $("message");
    #list = $("pictures");
    #note = $("note");
    #pictures = [];
    #isEditing = false;
    #isRunning = false;

    /**
     * @param earlierPictures (isEditing) → the pictures that a request would carry besides these
     * @param onSend ({ text, pictures }, isEditing) → whether it was sent
     */
    constructor({ earlierPictures, onSend, onStop, onEditLast, onEnlarge }) {
        Object.assign(this, { earlierPictures, onSend, onEditLast, onEnlarge });
        this.#form.addEventListener("submit", (event) => {
            event.preventDefault();
            this.#send();
        });
        this.#text.addEventListener("input", () => this.#fit());
        this.#text.addEventListener("keydown", (event) => this.#key(event));
        $("stop").addEventListener("click", onStop);
        $("cancel-edit").addEventListener("click", () => this.cancelEdit());
        $("attach").addEventListener("click", () => $("files").click());
        $("files").addEventListener("change", async () => {
            await this.add([...$("files").files]);
            $("files").value = "";
        });
        this.#acceptDrops();
        document.addEventListener("paste", (event) => {
            const files = [...event.clipboardData.files];
            if (files.length === 0) return;
            event.preventDefault();
            this.add(files);
        });
    }

    /** Attaches pictures; what is not accepted is said in the note, and the others are attached. */
    async add(files) {
        this.clearNote();
        const problems = [];
        for (const file of files) {
            try {
                const picture = await readPicture(file);
                const problem = excess([...this.earlierPictures(this.#isEditing), ...this.#pictures, picture]);
                if (problem) throw new PictureError(problem);
                this.#pictures.push(picture);
            } catch (error) {
                if (!(error instanceof PictureError)) throw error;
                if (!problems.includes(error.message)) problems.push(error.message);
            }
        }
        this.#showPictures();
        if (problems.length > 0) this.note(problems.join(" "));
        this.#text.focus();
    }

    /** Puts a message that was sent back, to be changed. */
    edit({ text, pictures }) {
        this.#isEditing = true;
        this.#fill(text, [...pictures]);
    }

    get isEditing() {
        return this.#isEditing;
    }

    cancelEdit() {
        this.#isEditing = false;
        this.#fill("", []);
    }

    /** Shows one line, with something to do about it if given: { label, run }. */
    note(message, action) {
        this.#note.replaceChildren(h("span", {}, message), ...(action ? [h("button", { type: "button", onclick: () => {
            this.clearNote();
            action.run();
        } }, action.label)] : []));
        this.#note.hidden = false;
    }

    clearNote() {
        this.#note.hidden = true;
        this.#note.replaceChildren();
    }

    focus() {
        this.#text.focus();
    }

    set isRunning(value) {
        const hadFocus = [$("send"), $("stop")].includes(document.activeElement);
        this.#isRunning = value;
        $("send").hidden = value;
        $("stop").hidden = !value;
        if (hadFocus) this.#text.focus();
    }

    #send() {
        const message = { text: this.#text.value.trim(), pictures: this.#pictures };
        if (this.#isRunning || (message.text === "" && message.pictures.length === 0)) return;
        this.clearNote();
        if (!this.onSend(message, this.#isEditing)) return;
        this.cancelEdit();
    }

    #key(event) {
        if (event.isComposing) return;
        if (event.key === "Enter" && !event.shiftKey) {
            event.preventDefault();
            this.#send();
        } else if (event.key === "ArrowUp" && this.#text.value === "" && this.#pictures.length === 0 && !this.#isRunning) {
            event.preventDefault();
            this.onEditLast();
        }
    }

    #fill(text, pictures) {
        $("editing").hidden = !this.#isEditing;
        this.#text.value = text;
        this.#pictures = pictures;
        this.#showPictures();
        this.#fit();
        this.#text.focus();
    }

    // As high as the text; the style sheet sets the limit.
    #fit() {
        this.#text.style.height = "auto";
        this.#text.style.height = `${this.#text.scrollHeight}px`;
    }

    #showPictures() {
        this.#list.hidden = this.#pictures.length === 0;
        this.#list.replaceChildren(...this.#pictures.map((picture) => h("li", {},
            h("button", { type: "button", class: "thumbnail", "aria-label": `Enlarge ${picture.name}`, title: `${picture.name}: ${describe(picture)}`,
                onclick: () => this.onEnlarge(picture) }, drawPreview(picture)),
            button(`Remove ${picture.name}`, "close", () => {
                this.#pictures = this.#pictures.filter((other) => other !== picture);
                this.#showPictures();
                this.clearNote();
                this.#text.focus();
            }, { wordless: true, class: "remove" }))));
    }

    #acceptDrops() {
        const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
        let depth = 0; // dragenter and dragleave come for every element on the way
        const show = (change) => {
            depth = Math.max(0, depth + change);
            $("drop").hidden = depth === 0;
        };
        document.addEventListener("dragenter", (event) => hasFiles(event) && show(1));
        document.addEventListener("dragleave", (event) => hasFiles(event) && show(-1));
        document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
        document.addEventListener("drop", (event) => {
            show(-depth);
            if (!hasFiles(event)) return;
            event.preventDefault();
            this.add([...event.dataTransfer.files]);
        });
    }
}

// Where a message is written: the text, what is attached to it, and the button that sends or stops.

import { isPdf, pageNumbers, readPdf } from "./attachments/pdf.js";
import { AttachmentError, describe, drawPreview, excess, limits, readPicture } from "./attachments/pictures.js";
import { readText } from "./attachments/texts.js";
import { button, h, icon } from "./dom.js";
import { ask } from "./question.js";

const $ = (id) => document.getElementById(id);

export class Composer {
    #form = $("composer");
    #text = $("message");
    #list = $("pictures");
    #note = $("note");
    #pictures = [];
    #files = [];
    #edited = null;
    #isRunning = false;

    /**
     * @param countPictures (edited turn or null) → how many pictures a request would carry besides those attached here
     * @param onSend ({ text, files, pictures }, edited turn or null) → whether it was sent
     * @param onAttach (picture) → keeps it
     * @param onDraft ({ text, files, pictures }) → keeps what is written here, until it is sent
     */
    constructor({ countPictures, onSend, onStop, onEditLast, onEnlarge, onAttach, onDraft }) {
        Object.assign(this, { countPictures, onSend, onEditLast, onEnlarge, onAttach, onDraft });
        this.#form.addEventListener("submit", (event) => {
            event.preventDefault();
            this.#send();
        });
        this.#text.addEventListener("input", () => {
            this.#fit();
            this.#keepDraft();
        });
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

    /** Attaches files; what is not accepted is said in the note, and the others are attached. */
    async add(files) {
        this.clearNote();
        const problems = [];
        for (const file of files) {
            try {
                await this.#attach(file);
            } catch (error) {
                if (!(error instanceof AttachmentError)) throw error;
                if (!problems.includes(error.message)) problems.push(error.message);
            }
        }
        this.#showAttachments();
        this.#keepDraft();
        if (problems.length > 0) this.note(problems.join(" "));
        this.#text.focus();
    }

    /** Puts a message that was sent back, to be changed. */
    edit(turn) {
        this.#edited = turn;
        this.#fill(turn.question);
    }

    get isEditing() {
        return this.#edited !== null;
    }

    cancelEdit() {
        this.#edited = null;
        this.#fill({ text: "", files: [], pictures: [] });
    }

    /** Puts back what was written before a reload. */
    restore({ text = "", files = [], pictures = [] }) {
        if (this.#text.value || (!text && files.length + pictures.length === 0)) return;
        this.#fill({ text, files, pictures });
    }

    /** Sends this text with what is attached. */
    send(text) {
        this.#text.value = text;
        this.#send();
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

    async #attach(file) {
        const picture = await readPicture(file);
        const room = () => limits.count - this.countPictures(this.#edited) - this.#pictures.length;
        if (picture) await this.#addPicture(picture);
        else if (await isPdf(file)) for (const page of await readPdf(file, (name, count) => choosePages(name, count, room()))) await this.#addPicture(page);
        else {
            const text = await readText(file);
            if (!text) throw new AttachmentError(`${file.name} is no picture that this browser can read, no PDF, and no text in UTF-8.`);
            this.#files.push(text);
        }
    }

    async #addPicture(picture) {
        const problem = excess(this.countPictures(this.#edited) + this.#pictures.length + 1);
        if (problem) throw new AttachmentError(problem);
        this.#pictures.push(picture);
        await this.onAttach(picture);
    }

    #send() {
        const message = { text: this.#text.value.trim(), files: this.#files, pictures: this.#pictures };
        if (this.#isRunning || (message.text === "" && message.files.length + message.pictures.length === 0)) return;
        this.clearNote();
        if (!this.onSend(message, this.#edited)) return;
        this.cancelEdit();
    }

    #key(event) {
        if (event.isComposing) return;
        if (event.key === "Enter" && !event.shiftKey) {
            event.preventDefault();
            this.#send();
        } else if (event.key === "ArrowUp" && this.#text.value === "" && this.#files.length + this.#pictures.length === 0 && !this.#isRunning) {
            event.preventDefault();
            this.onEditLast();
        }
    }

    #fill({ text, files, pictures }) {
        $("editing").hidden = !this.isEditing;
        this.#text.value = text;
        this.#files = [...files];
        this.#pictures = [...pictures];
        this.#showAttachments();
        this.#fit();
        this.#keepDraft();
        this.#text.focus();
    }

    #keepDraft() {
        this.onDraft({ text: this.#text.value, files: this.#files, pictures: this.#pictures });
    }

    // As high as the text; the style sheet sets the limit.
    #fit() {
        this.#text.style.height = "auto";
        this.#text.style.height = `${this.#text.scrollHeight}px`;
    }

    #showAttachments() {
        this.#list.hidden = this.#pictures.length + this.#files.length === 0;
        this.#list.replaceChildren(
            ...this.#pictures.map((picture) => h("li", {},
                h("button", { type: "button", class: "thumbnail", "aria-label": `Enlarge ${picture.name}`, title: `${picture.name}: ${describe(picture)}`,
                    onclick: () => this.onEnlarge(picture) }, drawPreview(picture)),
                this.#removeButton(picture))),
            ...this.#files.map((file) => h("li", { class: "file" }, icon("file"), file.name, this.#removeButton(file))));
    }

    #removeButton(attachment) {
        return button(`Remove ${attachment.name}`, "close", () => {
            this.#pictures = this.#pictures.filter((other) => other !== attachment);
            this.#files = this.#files.filter((other) => other !== attachment);
            this.#showAttachments();
            this.#keepDraft();
            this.clearNote();
            this.#text.focus();
        }, { wordless: true, class: "remove" });
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

// Which pages of a PDF are attached; a PDF of one page is not asked about.
async function choosePages(name, count, room) {
    if (count === 1) return [1];
    const text = await ask({
        title: name, label: `Pages, 1 to ${count}, such as 1-3, 5`, value: `1-${Math.max(1, Math.min(count, room, 4))}`, confirm: "Attach",
        check: (value) => {
            const numbers = pageNumbers(value, count);
            if (numbers === null) return `Give pages from 1 to ${count}, such as 1-3, 5.`;
            return numbers.length > room ? `There is room for ${Math.max(0, room)} more pictures.` : null;
        },
    });
    return text === null ? [] : pageNumbers(text, count);
}

// Shows the turns of a chat. Every question can be edited, which makes another version of it; retry is offered at the last answer.

import { drawPreview } from "./attachments/pictures.js";
import { AnswerView } from "./answer-view.js";
import { button, h, icon } from "./dom.js";

export class Transcript {
    #turns = document.getElementById("turns");
    #scroller = document.querySelector("main");
    #views = new Map();
    #isAtEnd = true;

    /** @param actions { onRetry(turn), onEdit(turn), onChoose(turn), onEnlarge(picture) } */
    constructor(actions) {
        this.actions = actions;
        this.#scroller.addEventListener("scroll", () => {
            const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
            this.#isAtEnd = scrollHeight - scrollTop - clientHeight < 48;
        });
        // As the answer or the message that is being written grows, the end stays in sight if it was.
        const observer = new ResizeObserver(() => this.#isAtEnd && this.#scrollToEnd());
        observer.observe(this.#turns);
        observer.observe(this.#scroller);
    }

    /** Shows a chat; turns that are shown already stay as they are. */
    show(chat) {
        const path = chat.path;
        let count = 0;
        while (count < path.length && this.#views.has(path[count]) && this.#turns.children[count] === this.#views.get(path[count]).element) count++;
        while (this.#turns.children.length > count) this.#turns.lastElementChild.remove();
        const shown = new Set(path.slice(0, count));
        for (const turn of this.#views.keys()) if (!shown.has(turn)) this.#views.delete(turn);
        for (const turn of path.slice(count)) this.#add(chat, turn);
        if (count < path.length) this.#scrollToEnd();
    }

    /** Shows what has come of an answer since, unless another chat or version is shown. */
    update(turn) {
        this.#views.get(turn)?.answer.update(turn.answer);
    }

    #add(chat, turn) {
        const answer = new AnswerView(() => this.actions.onRetry(turn));
        const element = h("article", { class: "turn", "data-turn": turn.id }, this.#question(chat, turn), answer.element);
        this.#views.set(turn, { element, answer });
        this.#turns.append(element);
        answer.update(turn.answer);
    }

    #scrollToEnd() {
        this.#scroller.scrollTop = this.#scroller.scrollHeight;
    }

    #question(chat, turn) {
        const { text, files, pictures } = turn.question;
        return h("section", { class: "question", "aria-label": "You" },
            pictures.length > 0 && h("div", { class: "question-pictures" }, pictures.map((picture) => h("button", {
                type: "button", class: "thumbnail", "aria-label": `Enlarge ${picture.name}`, title: picture.name, onclick: () => this.actions.onEnlarge(picture),
            }, drawPreview(picture)))),
            files.map((file) => h("details", { class: "file" }, h("summary", {}, icon("file"), file.name), h("pre", { tabindex: 0 }, file.text))),
            text && h("p", { class: "bubble" }, text),
            h("div", { class: "actions" }, this.#versions(chat, turn), button("Edit", "edit", () => this.actions.onEdit(turn), { class: "quiet" })));
    }

    // "2 of 3", with buttons that go to the version before and after.
    #versions(chat, turn) {
        const versions = chat.versions(turn);
        if (versions.length < 2) return null;
        const index = versions.indexOf(turn);
        const step = (label, name, other) => button(label, name, () => this.actions.onChoose(other), { wordless: true, class: "quiet", disabled: !other });
        return h("div", { class: "versions", role: "group", "aria-label": "Versions" },
            step("Previous version", "previous", versions[index - 1]),
            h("span", {}, `${index + 1} of ${versions.length}`),
            step("Next version", "next", versions[index + 1]));
    }
}

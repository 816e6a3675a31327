// A dialog that asks something: for a line of text, or only for a yes.

import { h } from "./dom.js";

let count = 0;

/**
 * Asks, and gives the text ("" where no label is given) or null.
 * @param check (text) → one line that says what is wrong with it, or null
 * @param details nodes above the field
 */
export function ask({ title, label, value = "", confirm, details = [], check = () => null }) {
    return new Promise((resolve) => {
        const id = `question-${++count}`;
        const input = label && h("input", { value, autocomplete: "off", "aria-describedby": `${id}-problem` });
        const problem = h("p", { class: "problem", role: "status", id: `${id}-problem`, hidden: true });
        let answer = null;
        const dialog = h("dialog", { class: "question-dialog", "aria-labelledby": `${id}-title`, onclose: () => {
            dialog.remove();
            resolve(answer);
        } },
        h("form", { method: "dialog", novalidate: true, onsubmit: (event) => {
            const wrong = label ? check(input.value) : null;
            problem.textContent = wrong ?? "";
            problem.hidden = !wrong;
            if (wrong) event.preventDefault();
            else answer = label ? input.value : "";
        } },
        h("h2", { id: `${id}-title` }, title), details,
        label && h("label", { class: "field" }, label, input), problem,
        h("div", { class: "question-buttons" },
            h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"),
            h("button", { type: "submit", class: "confirm" }, confirm))));
        document.body.append(dialog);
        dialog.showModal();
        input?.select();
    });
}

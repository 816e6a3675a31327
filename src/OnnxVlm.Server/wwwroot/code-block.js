// A block of code with its language, a button that copies it, and colours.

import { button, h } from "./dom.js";
import { highlight } from "./highlight.js";

export function codeBlock(code, language = "") {
    return h("div", { class: "code-block" },
        h("div", { class: "code-head" }, h("span", {}, language), copyButton(() => code)),
        h("pre", { tabindex: 0, role: "region", "aria-label": language ? `Code, ${language}` : "Code" }, h("code", {}, highlight(code, language))));
}

/** A button that copies a text; null where the browser gives no access to the clipboard, as without https away from this machine. */
export function copyButton(text) {
    if (!navigator.clipboard) return null;
    const copy = button("Copy", "copy", async () => {
        await navigator.clipboard.writeText(text());
        copy.lastChild.data = "Copied";
        setTimeout(() => { copy.lastChild.data = "Copy"; }, 1500);
    }, { class: "quiet" });
    return copy;
}

// A block of code with its language, a button that copies it, and colours.

import { button, h } from "../dom.js";
import { hljs } from "../vendor/text.js";
import { clean } from "./clean.js";

// Characters of a code and of a line of it that are coloured: highlight.js takes time in the order of the square for some.
const longestColoured = 10_000;
const longLine = /[^\n]{500}/;

export function codeBlock(code, language = "") {
    return h("div", { class: "code-block" },
        h("div", { class: "code-head" }, h("span", {}, language), copyButton(() => code)),
        h("pre", { tabindex: 0, role: "region", "aria-label": language ? `Code, ${language}` : "Code" }, h("code", {}, coloured(code, language))));
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

function coloured(code, language) {
    if (code.length > longestColoured || longLine.test(code) || !hljs.getLanguage(language)) return code;
    return clean(hljs.highlight(code, { language, ignoreIllegals: true }).value);
}

// Shows Markdown as DOM nodes. markdown-it reads it, with HTML in it as text; DOMPurify turns what comes out into nodes, so that no other code of the page
// has to do with HTML. A picture becomes a
// link (nothing is ever fetched), and only http, https and mailto addresses are links.

import { MarkdownIt } from "../vendor/text.js";
import { clean } from "./clean.js";
import { codeBlock } from "./code-block.js";
import { showFormula } from "./formula.js";
import { mayBecomeFormula, readFormulas } from "./formula-syntax.js";
import { orderHeadings } from "./headings.js";
import { readTasks } from "./tasks.js";

const deepest = 20; // quotes and lists inside each other; what is deeper stays text

const parser = new MarkdownIt("default", { html: false, breaks: true, linkify: true, maxNesting: deepest });
parser.validateLink = (address) => /^(https?:\/\/|mailto:)/i.test(address);
parser.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });
parser.use(readFormulas).use(readTasks).use(orderHeadings);

const { escapeHtml } = parser.utils;
Object.assign(parser.renderer.rules, {
    table_open: () => '<div class="table" tabindex="0" role="region" aria-label="Table"><table>',
    table_close: () => "</table></div>",
    th_open: (tokens, i) => `<th${alignment(tokens[i])}>`,
    td_open: (tokens, i) => `<td${alignment(tokens[i])}>`,
    image: (tokens, i) => `<a href="${escapeHtml(tokens[i].attrGet("src"))}">${escapeHtml(tokens[i].content || "picture")}</a>`,
    code_block: (tokens, i) => code(tokens[i].content, ""),
    fence: (tokens, i) => {
        const language = tokens[i].info.trim().split(/\s/, 1)[0];
        return language === "math" ? `<div class="formula display">${escapeHtml(tokens[i].content.trim())}</div>\n` : code(tokens[i].content, language);
    },
});

// What defines the address of links, which may stand anywhere before it.
const definition = /^ {0,3}\[[^\]\n]+\]:/m;

/** A text that may grow: what stands before its last block is read and shown once. */
export class MarkdownView {
    #container;
    #settledLength = 0; // characters of the text whose blocks can no longer change
    #settledCount = 0; // elements that show them
    #settledHeading; // the level of the last heading in them

    constructor(container) {
        this.#container = container;
    }

    /**
     * Shows the text, which is the last one or begins with it.
     * @param isComplete whether no more will come
     */
    update(text, isComplete = true) {
        const lines = text.replace(/\r\n?/g, "\n");
        if (isComplete && definition.test(lines)) {
            this.#settledLength = this.#settledCount = 0;
            this.#settledHeading = undefined;
        }
        const rest = lines.slice(this.#settledLength);
        const tokens = parser.parse(rest, { heading: this.#settledHeading });
        const blocks = [...nodes(parser.renderer.render(tokens, parser.options, {})).children];
        while (this.#container.children.length > this.#settledCount) this.#container.lastElementChild.remove();
        this.#container.append(...blocks);
        if (!isComplete) this.#settle(rest, tokens);
    }

    // All blocks before the last one that can be told from its first line, unless a formula may still be closed.
    #settle(text, tokens) {
        const blocks = tokens.filter((token) => token.level === 0 && token.map);
        const ends = [...text.matchAll(/\n/g)].map((match) => match.index); // of the lines that are whole
        const last = blocks.findLastIndex(({ map }) => map[0] < ends.length);
        const open = blocks.findIndex(({ type, map: [line] }) => type === "paragraph_open" && mayBecomeFormula(text, line === 0 ? 0 : ends[line - 1] + 1));
        const count = open < 0 ? last : Math.min(open, last);
        if (count < 1) return;
        this.#settledCount += count;
        const line = blocks[count].map[0];
        this.#settledLength += ends[line - 1] + 1;
        const heading = tokens.findLast(({ type, map }) => type === "heading_open" && map[0] < line);
        if (heading) this.#settledHeading = Number(heading.tag[1]);
    }
}

function nodes(html) {
    const fragment = clean(html);
    for (const link of fragment.querySelectorAll("a")) Object.assign(link, { target: "_blank", rel: "noopener noreferrer" });
    for (const { parentNode: pre, textContent, className } of fragment.querySelectorAll("pre > code")) {
        pre.replaceWith(codeBlock(textContent.replace(/\n$/, ""), className.replace("language-", "")));
    }
    for (const formula of fragment.querySelectorAll(".formula")) showFormula(formula);
    return fragment;
}

// markdown-it writes a style, which the content security policy forbids.
function alignment(cell) {
    const [, side] = /text-align:(left|center|right)/.exec(cell.attrGet("style") ?? "") ?? [];
    return side ? ` class="align-${side}"` : "";
}

function code(text, language) {
    return `<pre><code class="language-${escapeHtml(language)}">${escapeHtml(text)}</code></pre>\n`;
}

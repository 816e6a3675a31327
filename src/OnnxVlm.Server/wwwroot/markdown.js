// Shows Markdown as DOM nodes: headings, lists, quotes, tables, code, emphasis, links. HTML in it stays text, a picture becomes a link
// (nothing is ever fetched), and only http, https and mailto addresses are links.

import { h } from "./dom.js";
import { codeBlock } from "./code-block.js";

const shown = new WeakMap(); // the source of each block that is shown, so that a growing text redraws only what changed

/** Makes the container show the text; blocks that it shows already stay as they are. */
export function showMarkdown(container, text) {
    const blocks = readBlocks(text.split(/\r\n|\r|\n/));
    blocks.forEach((block, i) => {
        const old = container.children[i];
        if (old && shown.get(old) === block.source) return;
        const node = block.show();
        shown.set(node, block.source);
        if (old) old.replaceWith(node);
        else container.append(node);
    });
    while (container.children.length > blocks.length) container.lastElementChild.remove();
}

// ---- blocks: { source, show() } each. Each line is looked at a bounded number of times, and no pattern can go back over what another part of it has taken: the time is linear in the text.

const fence = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)/;
const heading = /^ {0,3}(#{1,6})\s(.*)$/;
const rule = /^ {0,3}([-*_])(?:\s*\1){2,}\s*$/;
const quote = /^ {0,3}>\s?/;
const marker = /^( {0,3})([-*+]|\d{1,9}[.)])(\s+|$)/;
const ruleCell = /^:?-+:?$/;

const deepest = 12; // quotes and lists inside each other; what is deeper stays text

function readBlocks(lines, depth = 0) {
    const blocks = [];
    let i = 0;
    while (i < lines.length) {
        if (lines[i].trim() === "") {
            i++;
            continue;
        }
        const [length, show] = readBlock(lines, i, depth);
        blocks.push({ source: lines.slice(i, i + length).join("\n"), show });
        i += length;
    }
    return blocks;
}

// How many lines the block at `start` has, and how to show it.
function readBlock(lines, start, depth) {
    const line = lines[start];
    let match;
    if ((match = fence.exec(line))) return readFence(lines, start, match);
    if ((match = heading.exec(line))) {
        const [, marks, text] = match;
        return [1, () => h(`h${Math.min(6, marks.length + 2)}`, {}, inline(withoutMarks(text.trim())))];
    }
    if (rule.test(line)) return [1, () => h("hr")];
    if (depth < deepest && quote.test(line)) {
        const length = countWhile(lines, start, (l) => quote.test(l));
        const inner = lines.slice(start, start + length).map((l) => l.replace(quote, ""));
        return [length, () => h("blockquote", {}, nodes(inner, depth + 1))];
    }
    if (depth < deepest && marker.test(line)) return readList(lines, start, depth);
    if (isTable(lines, start)) return readTable(lines, start);
    const length = Math.max(1, countWhile(lines, start, (l, i) => l.trim() !== "" && (i === start || !interrupts(lines, i))));
    const text = lines.slice(start, start + length).map((l) => l.trim()).join("\n");
    return [length, () => h("p", {}, inline(text))];
}

// A heading may end with the marks that it begins with.
function withoutMarks(text) {
    let end = text.length;
    while (end > 0 && text[end - 1] === "#") end--;
    return text.slice(0, end).trimEnd();
}

function readFence(lines, start, [, marks, language]) {
    const closing = new RegExp(`^ {0,3}${marks[0]}{${marks.length},}\\s*$`);
    const length = countWhile(lines, start + 1, (l) => !closing.test(l));
    const code = lines.slice(start + 1, start + 1 + length).join("\n");
    return [Math.min(length + 2, lines.length - start), () => codeBlock(code, language)];
}

function readList(lines, start, depth) {
    const ordered = isOrdered(lines[start]);
    const items = []; // lines of each item, without their indentation
    let i = start;
    let width = 0;
    for (; i < lines.length; i++) {
        const match = marker.exec(lines[i]);
        const indentation = lines[i].search(/\S|$/);
        if (lines[i].trim() === "") {
            const blanks = countWhile(lines, i, (l) => l.trim() === "");
            const next = lines[i + blanks];
            const goesOn = next !== undefined && (next.search(/\S/) >= width || (marker.test(next) && isOrdered(next) === ordered));
            if (!goesOn) break;
            for (let blank = 0; blank < blanks; blank++) items.at(-1).push("");
            i += blanks - 1;
        } else if (match && indentation < Math.max(width, 1) && isOrdered(lines[i]) === ordered && !rule.test(lines[i])) {
            width = Math.min(match[0].length, match[1].length + match[2].length + 4);
            items.push([lines[i].slice(match[0].length)]);
        } else if (indentation >= width) items.at(-1).push(lines[i].slice(width));
        else if (lines[i - 1].trim() !== "" && !interrupts(lines, i)) items.at(-1).push(lines[i].trim());
        else break;
    }
    const attributes = ordered ? { start: parseInt(lines[start].trim(), 10) } : {};
    return [i - start, () => h(ordered ? "ol" : "ul", attributes, items.map((item) => h("li", {}, unwrapped(nodes(item, depth + 1)))))];
}

function readTable(lines, start) {
    const length = countWhile(lines, start, (l) => l.includes("|"));
    const [head, , ...rows] = lines.slice(start, start + length).map(cells);
    // A row has the cells that are written, and no more than the head.
    const row = (tag, texts) => h("tr", {}, texts.slice(0, head.length).map((text) => h(tag, {}, inline(text))));
    return [length, () => h("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Table" },
        h("table", {}, h("thead", {}, row("th", head)), h("tbody", {}, rows.map((r) => row("td", r)))))];
}

function cells(line) {
    return line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function isTable(lines, i) {
    return lines[i].includes("|") && i + 1 < lines.length && lines[i + 1].includes("|") && cells(lines[i + 1]).every((cell) => ruleCell.test(cell));
}

function isOrdered(line) {
    return /^\s*\d/.test(line);
}

function interrupts(lines, i) {
    return [fence, heading, rule, quote, marker].some((pattern) => pattern.test(lines[i])) || isTable(lines, i);
}

function countWhile(lines, start, condition) {
    let i = start;
    while (i < lines.length && condition(lines[i], i)) i++;
    return i - start;
}

function nodes(lines, depth) {
    return readBlocks(lines, depth).map((block) => block.show());
}

// A list item's first paragraph is shown as plain text, so that simple lists are tight.
function unwrapped([first, ...others]) {
    return first?.tagName === "P" ? [...first.childNodes, ...others] : [first, ...others].filter(Boolean);
}

// ---- inline: the lengths are bounded, so that the time is linear in the text

const spans = new RegExp([
    String.raw`\\(?<escaped>[!-/:-@[-${"`"}{-~])`,
    "(?<!`)(?<ticks>`+)(?<code>[^`](?:.{0,1998}?[^`])?)\\k<ticks>(?!`)",
    String.raw`!?\[(?<label>[^\[\]]{0,500})\]\((?<target>[^()\s]{1,2000})(?:\s+"[^"]{0,500}")?\)`,
    String.raw`(?<address>https?:\/\/[^\s<>"'${"`"}]{1,2000}[^\s<>"'${"`"}.,;:!?)\]*_])`,
    String.raw`\*\*\*(?<both>[^\s*](?:.{0,998}?[^\s*])?)\*\*\*`,
    String.raw`\*\*(?<strong>\S(?:.{0,1998}?\S)?)\*\*`,
    String.raw`(?<!\w)__(?<strong2>\S(?:.{0,1998}?\S)?)__(?!\w)`,
    String.raw`\*(?<em>[^\s*](?:.{0,998}?[^\s*])?)\*`,
    String.raw`(?<!\w)_(?<em2>[^\s_](?:.{0,998}?[^\s_])?)_(?!\w)`,
    String.raw`~~(?<del>\S(?:.{0,998}?\S)?)~~`,
    String.raw`(?<newline>\n)`,
].join("|"), "gs");

function inline(text) {
    const result = [];
    let end = 0;
    for (const match of text.matchAll(spans)) {
        if (match.index > end) result.push(text.slice(end, match.index));
        result.push(span(match));
        end = match.index + match[0].length;
    }
    if (end < text.length) result.push(text.slice(end));
    return result;
}

function span({ 0: source, groups: g }) {
    if (g.escaped) return g.escaped;
    if (g.code) return h("code", {}, g.code.trim());
    if (g.target) return link(g.target, inline(g.label || g.target), source);
    if (g.address) return link(g.address, [g.address], source);
    if (g.both) return h("strong", {}, h("em", {}, inline(g.both)));
    if (g.strong ?? g.strong2) return h("strong", {}, inline(g.strong ?? g.strong2));
    if (g.em ?? g.em2) return h("em", {}, inline(g.em ?? g.em2));
    if (g.del) return h("del", {}, inline(g.del));
    return h("br");
}

function link(address, children, source) {
    return /^(https?:\/\/|mailto:)/i.test(address) ? h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, ...children) : source;
}

// Finds LaTeX in Markdown: $…$ and \(…\) in a line, $$…$$, \[…\] and \begin{…}…\end{…} over several. What is found is kept as it is, and what is not stays
// Markdown: prices keep their dollars, and a
// bracket that is never closed keeps its backslash. Searches are bounded, so that the time is linear in the text.

const longestInline = 2_000; // characters
const longestBlock = 10_000;
const mostLines = 100;

/** A plugin of markdown-it; formulas become elements of class formula that hold their source. */
export function readFormulas(parser) {
    const { escapeHtml } = parser.utils;
    parser.inline.ruler.before("escape", "formula", inlineRule);
    parser.block.ruler.before("fence", "formula_block", blockRule, { alt: ["paragraph", "blockquote", "list"] });
    parser.renderer.rules.formula = (tokens, i) => `<span class="${tokens[i].meta.isDisplay ? "formula display" : "formula"}">${escapeHtml(tokens[i].content)}</span>`;
    parser.renderer.rules.formula_block = (tokens, i) => `<div class="formula display">${escapeHtml(tokens[i].content)}</div>\n`;
}

/** Whether what begins at this place of a growing text becomes a formula if it is closed soon. */
export function mayBecomeFormula(text, start) {
    return closing(text.slice(start, start + 40)) !== null && text.length - start <= longestBlock;
}

// ---- in a line

function inlineRule(state, silent) {
    const { src, pos } = state;
    const found = src[pos] === "$" ? dollars(src, pos) : src[pos] === "\\" ? brackets(src, pos) : null;
    if (!found) return false;
    if (!silent) {
        const token = state.push(found.isText ? "text" : "formula", "", 0);
        token.content = src.slice(pos, found.end);
        token.meta = { isDisplay: found.isDisplay };
    }
    state.pos = found.end;
    return true;
}

function dollars(src, pos) {
    const rest = src.slice(pos, pos + longestInline);
    if (rest.startsWith("$$")) {
        const end = rest.indexOf("$$", 2);
        return end > 2 && rest.slice(2, end).trim() ? { end: pos + end + 2, isDisplay: true } : { end: pos + 2, isText: true };
    }
    // The dollar of a price stands before a number and another price, behind a word, or alone.
    if (/[\w$]/.test(src[pos - 1] ?? "") || /^\$\s/.test(rest)) return null;
    let end = rest.indexOf("$", 1);
    while (end > 0 && rest[end - 1] === "\\") end = rest.indexOf("$", end + 1);
    const inner = rest.slice(1, end);
    if (end < 0 || /\s$/.test(inner) || /^[\w$](?!h\b)/.test(rest.slice(end + 1, end + 3)) || inner.includes("`") || isProse(inner)) return null;
    return { end: pos + end + 1, isDisplay: false };
}

// "5 and 10", as in "between $5 and 10$": a number and words, and nothing that only LaTeX has.
function isProse(text) {
    return /\n\s*\n/.test(text) || (/[a-z]{2,}/i.test(text) && /\s/.test(text) && !/[\\^_={}+<>|]/.test(text));
}

function brackets(src, pos) {
    const close = { "(": "\\)", "[": "\\]" }[src[pos + 1]];
    if (!close) return null;
    const end = src.slice(pos, pos + longestInline).indexOf(close, 2);
    // Never closed, or a bracket that was only escaped: \[not a link\](address).
    if (end < 0 || src[pos + end + 2] === "(") return { end: pos + 2, isText: true };
    return { end: pos + end + 2, isDisplay: close === "\\]" };
}

// ---- over several lines

const environment = /^\\begin\{((?:equation|align|alignat|gather|multline|cases|[bpvBV]?matrix|array|CD)\*?)\}/;

function blockRule(state, startLine, endLine, silent) {
    const first = lineOf(state, startLine);
    const close = closing(first);
    if (!close || state.sCount[startLine] - state.blkIndent >= 4) return false;
    const lines = [];
    let length = 0;
    for (let line = startLine; line < Math.min(endLine, startLine + mostLines); line++) {
        if (line > startLine && state.sCount[line] < state.blkIndent && !state.isEmpty(line)) return false;
        const text = lineOf(state, line);
        lines.push(text);
        length += text.length;
        if (length > longestBlock) return false;
        const end = text.indexOf(close, line === startLine ? 2 : 0);
        if (end < 0) continue;
        if (text.slice(end + close.length).trim() !== "") return false; // it goes on in the line, which is then read as a paragraph
        if (silent) return true;
        const token = state.push("formula_block", "div", 0);
        token.content = lines.join("\n").trim();
        token.map = [startLine, line + 1];
        state.line = line + 1;
        return true;
    }
    return false;
}

function closing(line) {
    if (line.startsWith("$$")) return "$$";
    if (line.startsWith("\\[")) return "\\]";
    const [, name] = environment.exec(line) ?? [];
    return name ? `\\end{${name}}` : null;
}

function lineOf(state, line) {
    return state.src.slice(state.bMarks[line] + state.tShift[line], state.eMarks[line]);
}

// Shows LaTeX. KaTeX is loaded with the first formula; until then, and where it does not understand one, the source is shown as it was written.

let loading = null;
let katex = null;

/** Shows the formula whose source the element holds. */
export function showFormula(element) {
    if (element.classList.contains("display")) {
        for (const [name, value] of Object.entries({ tabindex: "0", role: "group", "aria-label": "Formula" })) element.setAttribute(name, value);
    }
    if (katex) draw(element);
    else load().then(() => draw(element), () => {}); // without it the source stays
}

function load() {
    loading ??= import("../vendor/katex/katex.js").then((module) => {
        const link = document.createElement("link");
        Object.assign(link, { rel: "stylesheet", href: "vendor/katex/katex.css" });
        document.head.append(link);
        katex = module.default;
    });
    return loading;
}

function draw(element) {
    const displayMode = element.classList.contains("display");
    try {
        const options = { displayMode, throwOnError: true, strict: "ignore", trust: false, maxSize: 40, maxExpand: 1000 };
        const tree = katex.__renderToDomTree(withoutDelimiters(element.textContent), options);
        dropStyles(tree);
        element.replaceChildren(tree.toNode());
    } catch {
        element.classList.add("failed"); // it is no LaTeX, or more than KaTeX knows: the source stays
    }
}

function withoutDelimiters(source) {
    const [, dollars, brackets] = /^\$\$?([^]*?)\$?\$$|^\\[([]([^]*)\\[)\]]$/.exec(source) ?? [];
    return dollars ?? brackets ?? source;
}

// KaTeX sets styles through the DOM, which is allowed, but for a few that MathML gets as attributes.
function dropStyles(node) {
    if (node.attributes) delete node.attributes.style;
    for (const child of node.children ?? []) dropStyles(child);
}

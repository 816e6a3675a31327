// Builds DOM nodes. Text always becomes a text node, so nothing that a person or a model wrote is ever read as HTML.

/**
 * Makes an element: h("button", { class: "plain", onclick: send }, icon("send"), "Send").
 * An attribute that is true is set empty, one that is false or null is left out; `on…` is a listener. Children that are null or false are left out; an array
 * stands for what is
 * in it, since an argument each is too many for a long text.
 */
export function h(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
        else if (value !== false && value != null) node.setAttribute(name, value === true ? "" : value);
    }
    for (const child of children.flat()) if (child != null && child !== false) node.append(child);
    return node;
}

/** A picture of icons.svg, which assistive technology does not read. */
export function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "icon");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
    use.setAttribute("href", `icons.svg#${name}`);
    svg.append(use);
    return svg;
}

/** A button that shows an icon, and words too unless they are only its name. */
export function button(label, iconName, onclick, { wordless = false, ...attributes } = {}) {
    const naming = wordless ? { "aria-label": label, title: label } : {};
    return h("button", { type: "button", onclick, ...naming, ...attributes }, icon(iconName), !wordless && label);
}

// The only place where text becomes HTML. DOMPurify does it under a Trusted Types policy of its own, which the content security policy names.

import { DOMPurify } from "../vendor/text.js";

const tags = ["a", "blockquote", "br", "code", "div", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"];
const attributes = ["aria-label", "class", "href", "role", "start", "tabindex"];

/** The nodes of a piece of HTML, of which only what Markdown makes stays. */
export function clean(html) {
    return DOMPurify.sanitize(html, { ALLOWED_TAGS: tags, ALLOWED_ATTR: attributes, ALLOW_ARIA_ATTR: false, ALLOW_DATA_ATTR: false, RETURN_DOM_FRAGMENT: true });
}

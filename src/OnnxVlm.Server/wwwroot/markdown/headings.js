// The headings of an answer stand below those of the page, and none is deeper than the one before it allows, whatever the model wrote: screen readers go by
// their order.

const above = 2; // the page's own heading of an answer

/** A plugin of markdown-it. The level of the heading before the text is `heading` of its environment. */
export function orderHeadings(parser) {
    parser.core.ruler.push("headings", ({ tokens, env }) => {
        let last = env.heading ?? above;
        for (const token of tokens) {
            if (token.type === "heading_open") last = Math.min(Number(token.tag[1]) + above, last + 1, 6);
            if (token.type === "heading_open" || token.type === "heading_close") token.tag = `h${last}`;
        }
    });
}

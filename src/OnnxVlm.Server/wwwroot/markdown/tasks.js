// Task lists: an item that begins with [ ] or [x] gets a box in its place.

/** A plugin of markdown-it. */
export function readTasks(parser) {
    parser.core.ruler.after("inline", "tasks", ({ tokens, Token }) => {
        for (let i = 2; i < tokens.length; i++) {
            if (tokens[i].type !== "inline" || tokens[i - 1].type !== "paragraph_open" || tokens[i - 2].type !== "list_item_open") continue;
            const [text] = tokens[i].children;
            const [mark] = (text?.type === "text" && /^\[[ xX]\] /.exec(text.content)) || [];
            if (!mark) continue;
            text.content = text.content.slice(mark.length);
            const box = new Token("task", "span", 0);
            box.meta = { isDone: mark[1] !== " " };
            tokens[i].children.unshift(box);
            tokens[i - 2].attrJoin("class", "task-item");
        }
    });
    parser.renderer.rules.task = (tokens, i) => tokens[i].meta.isDone
        ? '<span class="task done" role="img" aria-label="Done"></span>'
        : '<span class="task" role="img" aria-label="To do"></span>';
}

// The panel with all chats: open, search, rename, export, delete, import.

import { button, h } from "../dom.js";
import { ask } from "../question.js";

const $ = (id) => document.getElementById(id);
const day = 24 * 60 * 60 * 1000;

export class ChatList {
    #panel = $("chats-panel");
    #list = $("chats");
    #search = $("search-chats");
    #shownId = null;
    #unfoldedId = null;

    /**
     * @param store keeps the chats
     * @param actions { onOpen(id), onRename(id, title), onDelete(id), onExport(ids, format), onImport(files) }
     */
    constructor(store, actions) {
        Object.assign(this, { store, actions });
        this.#search.addEventListener("input", () => this.refresh());
        $("import-chats").addEventListener("click", () => $("import-files").click());
        $("import-files").addEventListener("change", async () => {
            await actions.onImport([...$("import-files").files]);
            $("import-files").value = "";
        });
        $("export-chats").addEventListener("click", async () => actions.onExport((await store.list()).map(({ id }) => id), "json"));
    }

    /** The chat that the page shows. */
    set shownId(id) {
        this.#shownId = id;
        this.refresh();
    }

    /** Shows the list anew, if it is open. */
    async refresh() {
        if (!this.#panel.open) return;
        const words = this.#search.value.trim();
        const [chats, found] = await Promise.all([this.store.list(), words ? this.store.search(words) : null]);
        if (words !== this.#search.value.trim()) return; // more was typed meanwhile
        const shown = found ? chats.filter(({ id }) => found.has(id)) : chats;
        const focused = this.#list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
        this.#list.replaceChildren(...shown.map((chat) => this.#row(chat)));
        if (focused) this.#list.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
        $("no-chats").textContent = words ? "Nothing found." : "Chats are kept in this browser, and appear here.";
        $("no-chats").hidden = shown.length > 0;
        $("export-chats").disabled = chats.length === 0;
    }

    #row({ id, title, changed }) {
        const isUnfolded = id === this.#unfoldedId;
        return h("li", {},
            h("div", { class: "chat-row" },
                h("button", {
                    type: "button", class: "chat-title", "data-key": id, "aria-current": id === this.#shownId && "true", title, onclick: () => this.actions.onOpen(id),
                }, h("span", {}, title || "Chat"), h("small", {}, when(changed))),
                button(`More about ${title}`, "more", () => this.#unfold(isUnfolded ? null : id), {
                    wordless: true, "data-key": `${id} more`, "aria-expanded": String(isUnfolded),
                })),
            isUnfolded && h("div", { class: "chat-actions" },
                button("Rename", "edit", () => this.#rename(id, title), { class: "quiet" }),
                button("JSON", "download", () => this.actions.onExport([id], "json"), { class: "quiet", "aria-label": "Export as JSON" }),
                button("Markdown", "download", () => this.actions.onExport([id], "markdown"), { class: "quiet", "aria-label": "Export as Markdown" }),
                button("Delete", "trash", () => this.#delete(id, title), { class: "quiet" })));
    }

    #unfold(id) {
        this.#unfoldedId = id;
        this.refresh();
    }

    async #rename(id, title) {
        const check = (text) => (text.trim() ? null : "Give it a name.");
        const name = await ask({ title: "Rename the chat", label: "Name", value: title, confirm: "Rename", check });
        if (name !== null) this.actions.onRename(id, name.trim().slice(0, 200));
    }

    async #delete(id, title) {
        const answer = await ask({ title: "Delete this chat?", details: [h("p", {}, `“${title}” is gone then, with its pictures.`)], confirm: "Delete" });
        if (answer !== null) this.actions.onDelete(id);
    }
}

function when(time) {
    const date = new Date(time);
    return Date.now() - time < day ? date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : date.toLocaleDateString();
}

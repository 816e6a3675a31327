// The panels at the sides: beside the conversation where there is room, else over it.

const isWide = matchMedia("(min-width: 60rem)");

/** Joins a panel with the button that opens it and the one that closes it. */
export class Panel {
    #dialog;
    #opener;

    constructor(dialog, opener, closer, onOpen = () => {}) {
        this.#dialog = dialog;
        this.#opener = opener;
        this.onOpen = onOpen;
        opener.addEventListener("click", () => (dialog.open ? dialog.close() : this.open()));
        closer.addEventListener("click", () => dialog.close());
        dialog.addEventListener("close", () => {
            opener.setAttribute("aria-expanded", "false");
            opener.focus();
        });
    }

    get isOpen() {
        return this.#dialog.open;
    }

    open() {
        if (this.isOpen) return;
        if (isWide.matches) this.#dialog.show();
        else this.#dialog.showModal();
        this.#opener.setAttribute("aria-expanded", "true");
        this.onOpen();
    }

    close() {
        this.#dialog.close();
    }

    /** Where the panel covers the page, what it was opened for is done. */
    closeIfOver() {
        if (this.#dialog.matches(":modal")) this.close();
    }
}

// Runs before the page is drawn: the colours are the system's, unless the reader has chosen others.
try {
    const theme = localStorage.getItem("theme");
    if (theme) document.documentElement.dataset.theme = theme;
} catch {
    // Without storage the system decides.
}

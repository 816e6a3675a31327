// Colours code by what all languages share: comments, strings, numbers, common keywords, and the keys of JSON.

const keywords = new Set(
    ("abstract and as assert async await base bool boolean break byte case catch char class const continue def default del delete do double elif else "
    + "enum except export extends extern false final finally float fn for foreach from func function global goto if impl implements import in include int "
    + "interface internal is lambda let long match mod mut namespace new nil none not null object or out override package params pass private protected "
    + "public raise readonly record ref return sealed select self short static string struct super switch template this throw throws trait true try type "
    + "typeof uint union unsafe use using var virtual void volatile when where while with yield None True False").split(" "));

const hashComments = new Set(["bash", "py", "python", "r", "rb", "ruby", "sh", "shell", "toml", "yaml", "yml", "dockerfile", "makefile", "perl"]);

const strings = String.raw`"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|` + "`(?:\\\\.|[^`\\\\])*`";
const slashes = new RegExp(String.raw`(?<comment>\/\/.*|\/\*[\s\S]*?\*\/|<!--[\s\S]*?-->)|(?<string>${strings})|(?<number>\b\d[\w.]*)|(?<word>[A-Za-z_]\w*)`, "g");
const hashes = new RegExp(String.raw`(?<comment>#.*)|(?<string>${strings})|(?<number>\b\d[\w.]*)|(?<word>[A-Za-z_]\w*)`, "g");

/** The nodes of a piece of code: text, and spans of class code-comment, code-string, code-key, code-number and code-keyword. */
export function highlight(code, language = "") {
    const fragment = document.createDocumentFragment();
    const pattern = hashComments.has(language.toLowerCase()) ? hashes : slashes;
    let end = 0;
    for (const match of code.matchAll(pattern)) {
        const kind = kindOf(match.groups, code, match.index + match[0].length);
        if (!kind) continue;
        const span = document.createElement("span");
        span.className = `code-${kind}`;
        span.textContent = match[0];
        fragment.append(code.slice(end, match.index), span);
        end = match.index + match[0].length;
    }
    fragment.append(code.slice(end));
    return fragment;
}

function kindOf({ comment, string, number, word }, code, end) {
    if (comment) return "comment";
    if (string) return string.startsWith('"') && /^\s*:/.test(code.slice(end, end + 8)) ? "key" : "string";
    if (number) return "number";
    return keywords.has(word) ? "keyword" : null;
}

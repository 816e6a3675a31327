"""A byte-level BPE tokenizer whose merges all begin with a space: trainer, encoder, and Hugging Face files.

Reading text out of an image is easiest when the answer is spelled character by character. So merges are learned only for pieces
that begin with a space: " does" in a question is one token, while the first word of an answer, digits and lines are single bytes.
"""

import collections
import functools
import json

import regex

# The pre-tokenizer of Qwen2: contractions, words with at most one leading mark or space, single digits, marks, white space.
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|image_start|>", "<|image_end|>", "<|image|>", "<|image_row_end|>"]

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def byte_letters():
    """GPT-2's printable stand-in for each byte, in the order of the vocabulary: {byte: letter}."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    letters = {byte: chr(byte) for byte in plain}
    for byte in range(256):
        if byte not in letters:
            letters[byte] = chr(0x100 + len(letters) - len(plain))
    return letters


LETTERS = byte_letters()
SPACE = LETTERS[ord(" ")]


class Tokenizer:
    """merges: (left, right) pairs in order of priority. Ids: 256 bytes, merges, then special tokens."""

    def __init__(self, merges):
        self.merges = [tuple(merge) for merge in merges]
        self.ranks = {merge: rank for rank, merge in enumerate(self.merges)}
        tokens = [*LETTERS.values(), *(left + right for left, right in self.merges), *SPECIAL_TOKENS]
        self.tokens = tokens
        self.ids = {token: i for i, token in enumerate(tokens)}
        self.special_start = len(tokens) - len(SPECIAL_TOKENS)
        self.vocab_size = -(-len(tokens) // 32) * 32
        self._encode_piece = functools.lru_cache(maxsize=65536)(self._encode_piece)

    @staticmethod
    def load(path):
        with open(path, encoding="utf-8") as file:
            return Tokenizer([merge.split(" ") for merge in json.load(file)["model"]["merges"]])

    def encode(self, text):
        """Returns the token ids of plain text; text that spells a special token stays text."""
        return [i for piece in regex.findall(PATTERN, text) for i in self._encode_piece(piece)]

    def decode(self, ids):
        """Returns the text of ids, without special tokens; bytes that are no UTF-8 become U+FFFD."""
        letters = "".join(self.tokens[i] for i in ids if i < self.special_start)
        bytes_of = {letter: byte for byte, letter in LETTERS.items()}
        return bytes(bytes_of[letter] for letter in letters).decode("utf-8", errors="replace")

    def _encode_piece(self, piece):
        parts = [LETTERS[byte] for byte in piece.encode("utf-8")]
        while len(parts) > 1:
            rank, at = min((self.ranks.get(pair, len(self.ranks)), i) for i, pair in enumerate(zip(parts, parts[1:])))
            if rank == len(self.ranks):
                break
            parts[at:at + 2] = [parts[at] + parts[at + 1]]
        return tuple(self.ids[part] for part in parts)

    def save(self, folder):
        """Writes tokenizer.json and tokenizer_config.json in Hugging Face's form."""
        added = [{"id": self.ids[token], "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                  "special": True} for token in SPECIAL_TOKENS]
        split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Isolated", "invert": False}
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
        _write_json(folder / "tokenizer.json", {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, byte_level]},
            "post_processor": None,
            "decoder": byte_level,
            "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "", "end_of_word_suffix": "",
                      "fuse_unk": False, "byte_fallback": False,
                      "vocab": {token: i for i, token in enumerate(self.tokens[:self.special_start])},
                      "merges": [f"{left} {right}" for left, right in self.merges]},
        })
        _write_json(folder / "tokenizer_config.json", {
            "tokenizer_class": "Qwen2Tokenizer", "add_prefix_space": False, "add_bos_token": False, "bos_token": None,
            "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": None, "errors": "replace",
            "clean_up_tokenization_spaces": False, "split_special_tokens": False, "model_max_length": 2048,
            "additional_special_tokens": SPECIAL_TOKENS[1:],
            "added_tokens_decoder": {str(token["id"]): {key: token[key] for key in token if key != "id"} for token in added},
            "chat_template": CHAT_TEMPLATE,
        })


def train(texts, merge_count):
    """Learns merge_count merges from texts; only pieces that begin with a space take part, and only from their left end."""
    counts = collections.Counter(
        tuple(LETTERS[byte] for byte in piece.encode("utf-8"))
        for text in texts for piece in regex.findall(PATTERN, text) if piece.startswith(" ") and len(piece) > 1)
    words = {parts: count for parts, count in counts.items()}
    merges = []
    while len(merges) < merge_count:
        pairs = collections.Counter()
        for parts, count in words.items():
            if len(parts) > 1:
                pairs[parts[:2]] += count
        if not pairs:
            raise ValueError(f"The corpus holds only {len(merges)} merges; {merge_count} were asked for. Add texts to corpus.py.")
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        words = {((parts[0] + parts[1], *parts[2:]) if parts[:2] == best else parts): count for parts, count in words.items()}
    return Tokenizer(merges)


def _write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

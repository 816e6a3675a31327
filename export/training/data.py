"""From samples to batches: chat layout, padding, and the worker processes that draw samples.

A batch is a list of micro-batches; each holds sequences of similar length, so that hardly a token is padding.
"""

import multiprocessing
import random
from queue import Full

import numpy as np

from fonts import split_fonts
from image_rule import PATCH, fit_image, fitted_size, to_patches
from tasks import draw_sample
from tokenizer import Tokenizer

MEAN, STD = 0.5, 0.5


class Encoder:
    """Turns samples into token ids and patches by the chat layout of the model."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        names = ("<|im_start|>", "<|im_end|>", "<|image_start|>", "<|image_end|>", "<|image|>", "<|image_row_end|>")
        self.start, self.end, self.image_start, self.image_end, self.image, self.row_end = (tokenizer.ids[name] for name in names)
        self.newline = tokenizer.encode("\n")

    def encode(self, sample, with_answer=True):
        """Returns (ids, weights, [(patches, rows, columns)], [(position, token, is hint)]). Without the answer, ids end where it would begin.

        weights: 0 for what is read, 1 / sqrt(answer's length) for each token of an answer: one digit that was counted weighs more than a
        letter of a long line, and less than the whole line. The last list names image tokens and the letter that ends in them, see _letter_places,
        and tokens of questions and what they are to say.
        """
        images = [to_patches(fit_image(image)) for image in sample.images]
        ids, weights, marks = [], [], []

        def add(tokens, answer=False):
            ids.extend(tokens)
            weights.extend([len(tokens) ** -0.5 if answer else 0.0] * len(tokens))

        if sample.system:
            add([self.start, *self.tokenizer.encode("system\n" + sample.system), self.end, *self.newline])
        for turn, (question, answer) in enumerate(sample.turns):
            add([self.start, *self.tokenizer.encode("user\n")])
            if turn == 0:
                marks += self._letter_places(sample, images, len(ids) + 1)
                for _, rows, columns in images:
                    add([self.image_start, *([self.image] * columns + [self.row_end]) * rows, self.image_end])
            marks += [(len(ids) + len(self.tokenizer.encode(question[:end])) - 1, self.tokenizer.encode(name)[0], True) for at, end, name in sample.hints if at == turn]
            add([*self.tokenizer.encode(question), self.end, *self.newline, self.start, *self.tokenizer.encode("assistant\n")])
            if with_answer or turn + 1 < len(sample.turns):
                add([*self.tokenizer.encode(answer), self.end], answer=True)
                add(self.newline)
        return ids, weights, images, marks

    def _letter_places(self, sample, images, first):
        """Returns [(index of an image token, letter token, False)]: the patch of the line's lowest row in which each letter ends.

        There, all of the letter has been seen in reading order; where two small letters end in one patch, it is to name both.
        first: index of the first token after <|image_start|>.
        """
        places = []
        for letter, right, bottom, shift in sample.letters:
            _, rows, columns = images[0]
            height, width = sample.images[0].shape[:2]
            fitted_width, fitted_height = fitted_size(width, height)
            right, bottom = right * fitted_width / width, bottom * fitted_height / height
            row, column = min(rows - 1, int(bottom - 1) // PATCH), min(columns - 1, int(right - 1) // PATCH + shift)
            places.append((first + row * (columns + 1) + max(0, column), self.tokenizer.encode(letter)[0], False))
        return places

    def collate(self, encoded):
        """Pads encoded samples into one micro-batch of numpy arrays; see UnifiedDecoder.forward. targets int64 [M] and about_image
        bool [M] (does the sample have an image?) and weights float32 [M] belong to keep, letter_targets int64 [L + K] to letter_at, then hint_at."""
        length = max(len(ids) for ids, *_ in encoded)
        table = np.full((len(encoded), length), self.tokenizer.ids["<|endoftext|>"], np.int64)
        weights = np.zeros((len(encoded), length), np.float32)
        for row, (ids, of_tokens, *_) in enumerate(encoded):
            table[row, :len(ids)] = ids
            weights[row, :len(ids)] = of_tokens
        keep = np.flatnonzero(weights[:, 1:].ravel())                  # an answer token at t is predicted at t - 1
        keep = keep // (length - 1) * length + keep % (length - 1)
        about_image = np.array([len(images) > 0 for _, _, images, _ in encoded])[keep // length]
        images = [image for _, _, images, _ in encoded for image in images]
        patches = np.concatenate([patches for patches, _, _ in images]) if images else np.zeros((0, PATCH * PATCH * 3), np.uint8)
        marks = [(row * length + at, token, is_hint) for row, (*_, of_row) in enumerate(encoded) for at, token, is_hint in of_row]
        marks = np.array(sorted(marks, key=lambda mark: mark[2]), np.int64).reshape(-1, 3)
        places = [np.indices((rows, columns)).reshape(2, -1) for _, rows, columns in images]
        rows, columns = np.concatenate(places, axis=1) if places else np.zeros((2, 0), np.int64)
        return {"ids": table, "patches": patches, "patch_at": np.flatnonzero(table.ravel() == self.image), "patch_rows": rows,
                "patch_columns": columns, "keep": keep, "targets": table.ravel()[keep + 1], "weights": weights.ravel()[keep + 1],
                "about_image": about_image, "letter_at": marks[marks[:, 2] == 0, 0], "hint_at": marks[marks[:, 2] == 1, 0], "letter_targets": marks[:, 1]}


def micro_batches(encoder, samples, max_tokens):
    """Sorts samples by length and packs them into micro-batches of at most max_tokens padded tokens."""
    encoded = sorted((encoder.encode(sample) for sample in samples), key=lambda item: len(item[0]), reverse=True)
    packs = []
    while encoded:
        count = max(1, max_tokens // len(encoded[0][0]))
        packs.append(encoder.collate(encoded[:count]))
        encoded = encoded[count:]
    return packs


class SampleStream:
    """Worker processes that draw batches from the mixture; `difficulty` and `batch_size` are shared and may change at any time."""

    def __init__(self, tokenizer, seed, difficulty, batch_size, max_tokens, workers=1):
        context = multiprocessing.get_context("spawn")
        self.difficulty = context.Value("d", difficulty)
        self.batch_size = context.Value("i", batch_size)
        self._queue = context.Queue(maxsize=8)
        for worker in range(workers):
            args = (tokenizer.merges, seed * 1000 + worker, self.difficulty, self.batch_size, max_tokens, self._queue)
            context.Process(target=_draw_forever, args=args, daemon=True).start()

    def next(self):
        """Returns the micro-batches of one step."""
        return self._queue.get()


def _draw_forever(merges, seed, difficulty, batch_size, max_tokens, queue):
    encoder, fonts, rng = Encoder(Tokenizer(merges)), split_fonts(held_out=False), random.Random(seed)
    while True:
        samples = [draw_sample(rng, fonts, difficulty.value) for _ in range(batch_size.value)]
        batch = micro_batches(encoder, samples, max_tokens)
        while multiprocessing.parent_process().is_alive():      # a worker must not outlive a trainer that was killed
            try:
                queue.put(batch, timeout=10)
                break
            except Full:
                continue
        else:
            return

"""Greedy decoding and scores. As a program: answers DIR/cases.jsonl with the PyTorch model and prints a table by group.

Usage: python3 evaluate.py --model ../../onnx-models/nano/hf --data ../../tests/data/ocr
"""

import argparse
import collections
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from data import MEAN, STD, Encoder
from samples import Sample


def to_tensors(pack):
    """A micro-batch of numpy arrays -> tensors; the uint8 patches are normalized."""
    tensors = {name: torch.from_numpy(array) for name, array in pack.items()}
    tensors["patches"] = (tensors["patches"].float() / 255 - MEAN) / STD
    return tensors


@torch.no_grad()
def answer_all(model, encoder, samples, max_new_tokens=96, batch_size=24):
    """Greedily answers the last question of each sample; returns a list of texts. Recomputes the prefix each step: simple, not fast."""
    encoded = [encoder.encode(sample, with_answer=False) for sample in samples]
    order = sorted(range(len(samples)), key=lambda i: len(encoded[i][0]))
    answers = [None] * len(samples)
    for start in range(0, len(order), batch_size):
        rows = order[start:start + batch_size]
        for row, tokens in zip(rows, _answer_batch(model, encoder, [encoded[i] for i in rows], max_new_tokens)):
            answers[row] = encoder.tokenizer.decode(tokens)
    return answers


def _answer_batch(model, encoder, encoded, max_new_tokens):
    answers, open_rows = [[] for _ in encoded], list(range(len(encoded)))
    for _ in range(max_new_tokens):
        now = [(encoded[i][0] + answers[i], [0.0] * len(encoded[i][0] + answers[i]), encoded[i][2], []) for i in open_rows]
        batch = to_tensors(encoder.collate(now))
        length = batch["ids"].shape[1]
        last = torch.tensor([row * length + len(ids) - 1 for row, (ids, *_) in enumerate(now)])
        logits = model(batch["ids"], batch["patches"], batch["patch_at"], batch["patch_rows"], batch["patch_columns"], last)
        for i, token in zip(list(open_rows), logits.argmax(-1).tolist()):
            if token == encoder.end:
                open_rows.remove(i)
            else:
                answers[i].append(token)
        if not open_rows:
            break
    return answers


@torch.no_grad()
def score_all(model, encoder, samples, max_tokens=6000):
    """Scores the last answer of each sample in one pass over the right answer, fifty times faster than answering.

    1 when each token of it is the most probable one: then, and only then, a greedy answer is the same text. For "cer" the share of such tokens.
    """
    encoded = []
    for sample in samples:
        ids, weights, images, _ = encoder.encode(sample)
        is_answer = [weight > 0 for weight in weights]
        end = len(ids) - is_answer[::-1].index(True)
        start = end - (is_answer[:end][::-1] + [False]).index(False)
        encoded.append((ids, [float(start <= at < end) for at in range(len(ids))], images, []))
    order = sorted(range(len(samples)), key=lambda i: len(encoded[i][0]), reverse=True)
    scores = [None] * len(samples)
    while order:
        rows, order = order[:(count := max(1, max_tokens // len(encoded[order[0]][0])))], order[count:]
        batch = to_tensors(encoder.collate([encoded[i] for i in rows]))
        logits = model(batch["ids"], batch["patches"], batch["patch_at"], batch["patch_rows"], batch["patch_columns"], batch["keep"])
        right, row_of = (logits.argmax(-1) == batch["targets"]).float(), batch["keep"] // batch["ids"].shape[1]
        for row, i in enumerate(rows):
            share = right[row_of == row].mean().item()
            scores[i] = share if samples[i].metric == "cer" else float(share == 1)
    return scores


def score(metric, answer, expected):
    """1 for a right answer; for "cer" the share of right characters, 1 - edit distance / length, never below 0.

    Code is compared as text here; `onnxvlm eval` compiles and runs it.
    """
    if metric == "cer":
        return max(0.0, 1 - edit_distance(answer, expected) / max(1, len(expected)))
    if metric == "contains":
        return float(expected.lower() in answer.lower())
    if metric == "number":
        numbers = [re.findall(r"-?\d+(?:\.\d+)?", text) for text in (answer, expected)]
        return float(all(numbers) and float(numbers[0][-1]) == float(numbers[1][-1]))
    if metric == "json":
        try:
            return float(json.loads(answer) == json.loads(expected))
        except json.JSONDecodeError:
            return 0.0
    return float(answer == expected)


def edit_distance(a, b):
    """Levenshtein distance of two strings."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def load_cases(folder):
    """Reads cases.jsonl as [(case, Sample)]."""
    pairs = []
    archive = zipfile.ZipFile(folder / "images.zip") if (folder / "images.zip").exists() else None
    for line in (folder / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        if case.get("turns") or case["metric"] == "code":                # `onnxvlm eval` answers these
            continue
        images = [np.asarray(Image.open(archive.open(name) if archive else folder / name).convert("RGB")) for name in case["images"]]
        pairs.append((case, Sample(case["group"], [(case["prompt"], case["expected"])], images, metric=case["metric"])))
    return pairs


def main():
    from export_hf import load_model                        # here, because export_hf and train both import this module
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--errors", type=int, default=0, help="print this many wrong answers")
    args = parser.parse_args()
    model, tokenizer = load_model(args.model)
    cases = load_cases(args.data)
    answers = answer_all(model, Encoder(tokenizer), [sample for _, sample in cases])
    groups = collections.defaultdict(list)
    for (case, _), answer in zip(cases, answers):
        exact = answer == case["expected"]
        groups[case["group"]].append((score(case["metric"], answer, case["expected"]), exact))
        if not exact and args.errors > 0:
            args.errors -= 1
            print(f"{case['images']} expected {case['expected']!r} got {answer!r}")
    for name, results in [*sorted(groups.items()), ("all", [result for results in groups.values() for result in results])]:
        scores, exact = zip(*results)
        print(f"{name:14} {len(results):5}  score {np.mean(scores):.4f}  exact {np.mean(exact):.4f}")


if __name__ == "__main__":
    main()

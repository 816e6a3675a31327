"""Trains the unified decoder on freshly rendered samples, data-parallel over CPU cores, for a given number of hours.

- one single-threaded process per core; gradients are summed with gloo (faster here than one process with many threads)
- Muon for the matrices (the patch projection at a lower rate), AdamW for embeddings and norms
- bfloat16 factors in the products of the linear layers where the processor has them; weights, sums and all else stay float32
- the learning rate follows the clock: constant, then a decay to zero over the last third, so a busy machine only costs samples
- the curriculum widens (longer strings, more fonts, more colours) whenever the loss is low enough
- begins from nothing, or with --init from the weights of a Hugging Face folder, with more layers if --layers says so
- resumes from RUN/checkpoint.pt; RUN/log.jsonl holds loss and held-out scores

Usage: see train.sh, which also chooses the fastest BLAS kernels.
"""

import argparse
import collections
import json
import random
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn.functional as F

import corpus
import tokenizer as bpe
from data import Encoder, SampleStream
from evaluate import score_all, to_tensors
from export_hf import load_model
from fonts import split_fonts
from grow import deepen
from model import Linear, ModelConfig, UnifiedDecoder
from muon import Muon
from tasks import MIXTURE

MERGES = 1273                       # 256 bytes + merges + 7 special tokens = 1536
MATRIX_LR, PATCH_LR, ADAM_LR = 0.012, 0.002, 1e-3
WARMUP_STEPS = 50
DECAY_START = 0.65                  # share of the hours after which the learning rate falls
FIRST_DIFFICULTY = 0.05             # one to three characters in six families
LETTER_WEIGHT, HINT_WEIGHT = 0.25, 0.75         # of a letter named in the image and of a hint, against 1 / sqrt(length) of an answer's token
EASY_LOSS = 1.0                     # nats per answer token below which the curriculum widens
CURRICULUM_STEP = 0.0015            # 700 good steps from the first letters to the full task
CURRICULUM_SHARES = 0.10, 0.45      # shares of the hours between which the task widens, come what may
MAX_TOKENS = 1500                   # padded tokens of a micro-batch: small enough for the cache
SEED = 7


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True, help="folder of the checkpoint and the log")
    parser.add_argument("--hours", type=float, required=True, help="training time in all, earlier sessions included")
    parser.add_argument("--batch", type=int, default=128, help="samples a step once the curriculum is complete; half of it before")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--checkpoint-minutes", type=float, default=5)
    parser.add_argument("--eval-minutes", type=float, default=10)
    parser.add_argument("--eval-samples", type=int, default=420)
    parser.add_argument("--init", type=Path, help="a Hugging Face folder whose weights and vocabulary to begin with")
    parser.add_argument("--layers", type=int, help="with --init: more layers than the folder has; new ones begin as the identity")
    parser.add_argument("--difficulty", type=float, default=FIRST_DIFFICULTY, help="where the curriculum begins")
    parser.add_argument("--rate", type=float, default=1.0, help="factor of the learning rates")
    parser.add_argument("--decay-start", type=float, default=DECAY_START, help="share of the hours after which the learning rate falls; 1 keeps it")
    parser.add_argument("--smoke", action="store_true", help="a tiny model, to see that everything runs")
    args = parser.parse_args()
    args.run.mkdir(parents=True, exist_ok=True)
    rendezvous = args.run.resolve() / "rendezvous"
    rendezvous.unlink(missing_ok=True)
    args.half_products = half_products_pay()
    mp.spawn(train, args=(args, rendezvous), nprocs=args.processes)


def train(rank, args, rendezvous):
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    Linear.half_products = args.half_products
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=args.processes)
    torch.manual_seed(SEED)
    saved = torch.load(args.run / "checkpoint.pt") if (args.run / "checkpoint.pt").exists() else None
    model, tokenizer = create_model(args, saved)
    # Adam's step of equal size per weight shakes the patch projection, whose inputs are all alike on a plain background; Muon's does not.
    parameters = dict(model.named_parameters())
    patch_projection = [parameters.pop("patch_embed.weight")]
    matrices = [parameters.pop(name) for name in list(parameters) if "_proj" in name]
    rates = [MATRIX_LR, PATCH_LR, ADAM_LR]
    optimizers = [Muon(matrices, MATRIX_LR, weight_decay=0.05, half_products=args.half_products), Muon(patch_projection, PATCH_LR),
                  torch.optim.AdamW(parameters.values(), ADAM_LR, betas=(0.9, 0.98), weight_decay=0.0)]

    state = {"step": 0, "samples": 0, "seconds": 0.0, "difficulty": args.difficulty, "loss": 4.0, "letter_loss": 4.0}
    if saved:
        model.load_state_dict(saved["model"])
        for optimizer, values in zip(optimizers, saved["optimizers"]):
            optimizer.load_state_dict(values)
        state.update(saved["state"])
    share = lambda: args.batch // (1 if state["difficulty"] >= 1 else 2) // args.processes
    stream = SampleStream(tokenizer, SEED + state["step"] * args.processes + rank, state["difficulty"], share(), MAX_TOKENS)
    encoder, held_out = Encoder(tokenizer), held_out_samples(args.eval_samples)

    started, earlier = time.time(), state["seconds"]
    next_checkpoint, next_eval = time.time() + 60 * args.checkpoint_minutes, time.time() + 60 * args.eval_minutes
    while True:
        numbers = accumulate_gradients(model, stream.next())
        # One sum over all processes carries the gradients and the few numbers that everybody must agree on; rank 0 owns the clock.
        state["seconds"] = earlier + time.time() - started
        clock = torch.tensor([state["seconds"], time.time() > next_checkpoint, time.time() > next_eval]) * float(rank == 0)
        _, image_loss, image_count, letter_loss, letter_count, seconds, save_now, eval_now = all_reduce_gradients(
            model, [*numbers, *clock.tolist()])
        progress = seconds / 3600 / args.hours
        state["loss"] += 0.05 * (image_loss / max(1, image_count) - state["loss"])
        state["letter_loss"] += 0.05 * (letter_loss / max(1, letter_count) - state["letter_loss"])
        for optimizer, rate in zip(optimizers, rates):
            optimizer.param_groups[0]["lr"] = args.rate * rate * learning_rate(state["step"], progress, args.decay_start)
            optimizer.step()
        state["step"] += 1
        state["samples"] += share() * args.processes
        if state["loss"] < EASY_LOSS:
            state["difficulty"] += CURRICULUM_STEP
        by_clock = (progress - CURRICULUM_SHARES[0]) / (CURRICULUM_SHARES[1] - CURRICULUM_SHARES[0])
        state["difficulty"] = min(1.0, max(state["difficulty"], by_clock))
        stream.difficulty.value, stream.batch_size.value = state["difficulty"], share()

        done = progress >= 1
        if rank == 0 and (state["step"] % 20 == 0 or done):
            write_log(args.run, {**state, "lr": optimizers[0].param_groups[0]["lr"]})
        if save_now or done:
            next_checkpoint = time.time() + 60 * args.checkpoint_minutes
            if rank == 0:
                save_checkpoint(args.run, model, optimizers, state, tokenizer)
        if eval_now or done:
            scores = evaluate_shared(model, encoder, held_out, rank, args.processes)
            next_eval = time.time() + 60 * args.eval_minutes
            if rank == 0:
                write_log(args.run, {**state, "scores": scores})
        if done:
            return


def half_products_pay():
    """Whether this processor multiplies bfloat16 matrices of the training's shape clearly faster than float32 ones, conversion included."""
    torch.set_num_threads(1)
    x, weight = torch.randn(MAX_TOKENS, 256), torch.randn(704, 256)
    seconds = {}
    for name, multiply in (("float32", lambda: F.linear(x, weight)), ("bfloat16", lambda: F.linear(x.bfloat16(), weight.bfloat16()).float())):
        times = []
        for _ in range(20):
            start = time.perf_counter()
            multiply()
            times.append(time.perf_counter() - start)
        seconds[name] = min(times)
    print(f"a product takes {1e3 * seconds['float32']:.1f} ms in float32, {1e3 * seconds['bfloat16']:.1f} ms in bfloat16", flush=True)
    return seconds["float32"] > 1.2 * seconds["bfloat16"]


def accumulate_gradients(model, packs):
    """Adds the gradients of the summed loss of all micro-batches.

    Returns (weight of all answer tokens, loss and answer tokens of samples with an image, loss and count of named letters).
    """
    model.zero_grad(set_to_none=False)
    weight, image_loss, image_count, letter_loss, letter_count = 0.0, 0.0, 0, 0.0, 0
    for pack in packs:
        batch = to_tensors(pack)
        targets, letter_targets, about_image, weights = (batch.pop(name) for name in ("targets", "letter_targets", "about_image", "weights"))
        logits, letters = model(**batch)
        losses = F.cross_entropy(logits, targets, reduction="none")
        letter_losses, hint_losses = F.cross_entropy(letters, letter_targets, reduction="none").split([len(batch["letter_at"]), len(batch["hint_at"])])
        (losses @ weights + LETTER_WEIGHT * letter_losses.sum() + HINT_WEIGHT * hint_losses.sum()).backward()
        weight += weights.sum().item()
        image_loss += losses[about_image].sum().item()
        image_count += int(about_image.sum())
        letter_loss += letter_losses.sum().item()
        letter_count += len(letter_losses)
    return weight, image_loss, image_count, letter_loss, letter_count


def all_reduce_gradients(model, numbers):
    """Sums gradients and numbers over the processes; numbers[0], the weight of the tokens, then divides the gradients."""
    parameters = [p for p in model.parameters()]
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    flat = torch.cat([parameter.grad.view(-1) for parameter in parameters] + [torch.tensor(numbers, dtype=torch.float32)])
    dist.all_reduce(flat)
    numbers = flat[-len(numbers):].tolist()
    at = 0
    for parameter in parameters:
        parameter.grad = (flat[at:at + parameter.numel()] / numbers[0]).view_as(parameter)
        at += parameter.numel()
    return numbers


def create_model(args, saved):
    """Returns (model, tokenizer). A run goes on with the vocabulary it began with, whatever corpus.py says by now."""
    if saved:
        return UnifiedDecoder(ModelConfig(**saved["config"])), bpe.Tokenizer(saved["merges"])
    if args.init:
        model, tokenizer = load_model(args.init)
        return deepen(model, args.layers) if args.layers else model, tokenizer
    tokenizer = bpe.train(corpus.texts(), MERGES)
    size = dict(hidden_size=64, intermediate_size=160, num_hidden_layers=5, num_attention_heads=2, num_key_value_heads=1,
                head_dim=32) if args.smoke else {}
    return UnifiedDecoder(ModelConfig(vocab_size=tokenizer.vocab_size, **size)), tokenizer


def learning_rate(step, progress, decay_start):
    """1 after a short warm-up; falls linearly to 0 over the last part of the hours, from decay_start on."""
    return min(1.0, (step + 1) / WARMUP_STEPS) * (1.0 if progress < decay_start else max(0.0, (1 - progress) / max(1e-9, 1 - decay_start)))


def held_out_samples(count):
    """The same samples at each evaluation, as many of each task: fonts, colours and words that training never draws, the full task."""
    rng, fonts = random.Random(1234), split_fonts(held_out=True)
    return [MIXTURE[i % len(MIXTURE)][1](rng, fonts, 1.0, True) for i in range(count)]


def evaluate_shared(model, encoder, samples, rank, processes):
    """Each process scores its part of the samples; returns {group: mean score}."""
    mine = samples[rank::processes]
    results = [(sample.group, value) for sample, value in zip(mine, score_all(model, encoder, mine))]
    gathered = [None] * processes
    dist.all_gather_object(gathered, results)
    groups = collections.defaultdict(list)
    for group, value in (pair for part in gathered for pair in part):
        groups[group].append(value)
    return {group: round(float(np.mean(values)), 4) for group, values in sorted(groups.items())}


def save_checkpoint(run, model, optimizers, state, tokenizer):
    """Writes beside the old checkpoint, then renames, so that an interruption never leaves a broken file."""
    torch.save({"model": model.state_dict(), "optimizers": [optimizer.state_dict() for optimizer in optimizers], "state": state,
                "config": model.config.to_dict(), "merges": tokenizer.merges}, run / "checkpoint.new")
    (run / "checkpoint.new").replace(run / "checkpoint.pt")


def write_log(run, record):
    with open(run / "log.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps({key: round(value, 6) if isinstance(value, float) else value for key, value in record.items()}) + "\n")


if __name__ == "__main__":
    main()

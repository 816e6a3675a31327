"""Writes a training checkpoint as a Hugging Face folder, and reads such a folder back into the PyTorch model.

Usage: python3 export_hf.py --run runs/nano --output ../../onnx-models/nano/hf
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from data import MEAN, STD
from image_rule import MAX_ENLARGEMENT, MAX_PATCHES, MAX_SIDE, PATCH
from model import ModelConfig, UnifiedDecoder
from tokenizer import Tokenizer


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--average", type=Path, nargs="*", default=[], help="earlier checkpoints of the run, to average the weights with")
    args = parser.parse_args()
    checkpoint = torch.load(args.run / "checkpoint.pt")
    models = [checkpoint["model"], *(torch.load(path)["model"] for path in args.average)]
    weights = {name: torch.stack([model[name] for model in models]).mean(0) for name in models[0]}
    tokenizer = Tokenizer(checkpoint["merges"])
    args.output.mkdir(parents=True, exist_ok=True)
    tokenizer.save(args.output)
    write_json(args.output / "config.json", hf_config(checkpoint["config"], tokenizer))
    write_json(args.output / "preprocessor_config.json", {
        "image_processor_type": "UnifiedDecoderImageProcessor", "do_resize": True, "resample": 2, "patch_size": PATCH,
        "max_patches": MAX_PATCHES, "max_patch_rows": MAX_SIDE, "max_patch_columns": MAX_SIDE,
        "max_enlargement": MAX_ENLARGEMENT, "image_mean": [MEAN] * 3, "image_std": [STD] * 3, "padding": "edge"})
    write_json(args.output / "generation_config.json", {
        "eos_token_id": tokenizer.ids["<|im_end|>"], "pad_token_id": tokenizer.ids["<|endoftext|>"], "do_sample": False})
    write_safetensors(args.output / "model.safetensors", {"model." + name: tensor.numpy() for name, tensor in weights.items()})
    print(f"step {checkpoint['state']['step']}: {args.output}")


def hf_config(config, tokenizer):
    """config: ModelConfig as a dict. Returns config.json."""
    return {
        "architectures": ["UnifiedDecoderForCausalLM"], "model_type": "unified_decoder", **config, "hidden_act": "silu",
        "attention_bias": False, "tie_word_embeddings": True, "torch_dtype": "bfloat16", "bos_token_id": None,
        "eos_token_id": tokenizer.ids["<|im_end|>"], "pad_token_id": tokenizer.ids["<|endoftext|>"],
        "image_token_id": tokenizer.ids["<|image|>"], "image_row_end_token_id": tokenizer.ids["<|image_row_end|>"],
        "image_start_token_id": tokenizer.ids["<|image_start|>"], "image_end_token_id": tokenizer.ids["<|image_end|>"]}


def load_model(folder):
    """Returns (UnifiedDecoder in float32, Tokenizer) of a Hugging Face folder."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    model = UnifiedDecoder(ModelConfig(**{name: config[name] for name in ModelConfig.__dataclass_fields__}))
    tensors = read_safetensors(folder / "model.safetensors")
    model.load_state_dict({name.removeprefix("model."): torch.from_numpy(tensor) for name, tensor in tensors.items()})
    return model, Tokenizer.load(folder / "tokenizer.json")


def write_safetensors(path, tensors):
    """Writes float32 arrays as bfloat16, rounded to nearest even. The header is padded with spaces to a multiple of 8 bytes."""
    header, blobs, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, tensor in sorted(tensors.items()):
        bits = np.ascontiguousarray(tensor, np.float32).view(np.uint32)
        blob = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()
        header[name] = {"dtype": "BF16", "shape": list(tensor.shape), "data_offsets": [offset, offset + len(blob)]}
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(blobs))


def read_safetensors(path):
    """Returns {name: float32 array} of a bfloat16 file."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            bits = np.frombuffer(body[begin:end], "<u2").astype(np.uint32) << 16
            tensors[name] = bits.view(np.float32).reshape(entry["shape"])
    return tensors


def write_json(path, value):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

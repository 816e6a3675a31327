"""Writes a set of cases for `onnxvlm eval`: a folder with cases.jsonl and images.zip."""

import json
import random
import shutil
import zipfile


def write_cases(folder, groups, count, seed, save):
    """Writes `count` cases of each group, each group from a random stream of its own.

    groups: {name: draw(rng) -> (case without id, images and group; image or None)}; the metric is exact where a case names none. save: (image, path) -> None.
    """
    shutil.rmtree(folder / "images", ignore_errors=True)
    (folder / "images").mkdir(parents=True)
    lines = []
    for group, draw in groups.items():
        rng = random.Random(f"{seed} {group}")
        for i in range(count):
            case, image = draw(rng)
            case = {"id": f"{group}-{i + 1:03}", "images": [], **case, "metric": case.get("metric", "exact"), "group": group}
            if image is not None:
                case["images"] = [f"images/{case['id']}.png"]
                save(image, folder / case["images"][0])
            lines.append(json.dumps(case, ensure_ascii=False) + "\n")
    (folder / "cases.jsonl").write_text("".join(lines), encoding="utf-8")
    store_images(folder)


def store_images(folder):
    """Puts folder/images into folder/images.zip, uncompressed and without dates, so that the same images give the same bytes."""
    with zipfile.ZipFile(folder / "images.zip", "w", zipfile.ZIP_STORED) as archive:
        for path in sorted((folder / "images").iterdir()):
            entry = zipfile.ZipInfo(f"images/{path.name}")
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    shutil.rmtree(folder / "images")

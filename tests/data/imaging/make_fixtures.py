"""Writes the fixtures of the imaging tests with Pillow, the reference for resizing and decoding. Run: python3 make_fixtures.py [folder of Fuyu reference cases]

resize.json          sizes, filter and SHA-256 of Pillow's result for noise images (see noise(); the tests compute the same noise)
sizes.json           sizes and what two resize rules make of them, computed with Python's numbers
smart_sizes.json     sizes and limits, and what the rule of NEO makes of them
decode/<name>        tiny files in the forms that a decoder meets; <name>.rgb is what Pillow decodes, uint8 [16, 24, 3]
forms/<name>         more forms of files, of another picture with odd sides; forms.json has the SHA-256 of what Pillow decodes as RGB and as RGBA
opaque-text.png      HELLO in black on white; transparent-text.png the same on a transparent ground, all its colours black
orientation/<n>.jpg  a 24x16 picture stored with EXIF orientation n; upright.rgb is the upright picture
fuyu/<name>          image.png and the patches of Hugging Face's FuyuImageProcessor brought back to uint8 (patches.u8, [rows * columns, 2700])
"""
import hashlib, io, json, math, os, random, struct, sys, zlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

here = os.path.dirname(os.path.abspath(__file__))
os.chdir(here)


def noise(w, h, seed=0):
    v = (np.arange(w * h * 3, dtype=np.uint64) + seed) * 2654435761 & 0xFFFFFFFF
    v ^= v >> 15
    v = v * 2246822519 & 0xFFFFFFFF
    return (v >> 24).astype(np.uint8).reshape(h, w, 3)


def resize_cases():
    rng = random.Random(7)
    sizes = [(2000, 1200, 1800, 1080), (200, 1, 77, 1), (1, 200, 1, 33), (5, 5, 5, 9), (5, 5, 9, 5), (3, 3, 1, 1), (1, 1, 40, 30), (4, 4, 300, 4), (640, 4, 256, 8)]
    sizes += [tuple(rng.randint(1, m) for m in (160, 120, 160, 120)) for _ in range(60)]
    sizes += [tuple(rng.randint(1, m) for m in (900, 700, 60, 40)) for _ in range(12)]
    for i, (w, h, nw, nh) in enumerate(sizes):
        for name, resample in (("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)):
            out = np.asarray(Image.fromarray(noise(w, h, i)).resize((nw, nh), resample))
            yield {"width": w, "height": h, "seed": i, "new_width": nw, "new_height": nh, "filter": name, "sha256": hashlib.sha256(out.tobytes()).hexdigest()}


def fit(w, h, p=8, max_patches=256, rows=32, columns=32):
    up = lambda v: -(-v // p)
    if up(w) <= columns and up(h) <= rows and up(w) * up(h) <= max_patches:
        return w, h
    s = min(columns * p / w, rows * p / h, math.sqrt(max_patches * p * p / (w * h)))
    return max(p, math.floor(w * s / p) * p), max(p, math.floor(h * s / p) * p)


def shrink_to_box(w, h, box_w=1920, box_h=1080):
    if w <= box_w and h <= box_h:
        return w, h
    s = min(box_h / h, box_w / w)
    return max(1, int(w * s)), max(1, int(h * s))


def size_cases():
    rng = random.Random(11)
    sizes = [(4, 4), (128, 128), (129, 128), (128, 129), (256, 64), (257, 64), (8, 256), (8, 264), (800, 4), (1920, 1080), (1921, 1080), (1920, 1081), (4000, 3000)]
    sizes += [(rng.randint(4, m), rng.randint(4, m)) for m in (140, 400, 2500, 8000) for _ in range(60)]
    for w, h in sizes:
        yield {"width": w, "height": h, "fit": fit(w, h), "shrink_to_box": shrink_to_box(w, h)}


def smart_resize(w, h, p, fewest, most):
    columns, rows = max(1, round(w / p)), max(1, round(h / p))
    if columns * rows * p * p > most:
        s = math.sqrt(w * h / most)
        columns, rows = max(1, math.floor(w / s / p)), max(1, math.floor(h / s / p))
    elif columns * rows * p * p < fewest:
        s = math.sqrt(fewest / (w * h))
        columns, rows = math.ceil(w * s / p), math.ceil(h * s / p)
    return columns * p, rows * p


def smart_size_cases():
    rng = random.Random(13)
    for p, fewest, most in ((32, 65536, 4194304), (32, 4096, 262144), (24, 1, 4096), (32, 65536, 65536)):
        sizes = [(p, p), (p // 2, p // 2), (3 * p // 2, 5 * p // 2), (4000, 3000), (2000, 10), (7, 1400), (2048, 2048), (2049, 2048)]
        sizes += [(rng.randint(1, m), rng.randint(1, m)) for m in (60, 300, 2500, 8000) for _ in range(20)]
        for w, h in sizes:
            if max(w, h) / min(w, h) <= 200:
                yield {"width": w, "height": h, "patch": p, "min_pixels": fewest, "max_pixels": most, "size": smart_resize(w, h, p, fewest, most)}


def png(w, h, depth, colour, rows, interlaced=False, extra=b""):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    raw = b"".join(b"\0" + r for r in rows)
    header = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def picture():
    """24x16: a gradient with a red disc and a dark corner, so that every turn looks different."""
    y, x = np.mgrid[0:16, 0:24]
    p = np.stack([x * 10, y * 15, 255 - x * 5 - y * 5], -1)
    p[(x - 17) ** 2 + (y - 5) ** 2 < 14] = (230, 30, 20)
    p[(x < 6) & (y < 4)] = (10, 20, 30)
    return p.astype(np.uint8)


def decode_cases():
    p = picture()
    im = Image.fromarray(p)
    alpha = Image.fromarray(np.tile(np.linspace(0, 255, 24).astype(np.uint8), (16, 1)))
    rgba = im.copy(); rgba.putalpha(alpha)
    la = im.convert("L"); la.putalpha(alpha)
    def save(image, kind, **kw):
        b = io.BytesIO(); image.save(b, kind, **kw); return b.getvalue()
    yield "rgb.png", save(im, "PNG")
    yield "grey.png", save(im.convert("L"), "PNG")
    yield "palette.png", save(im.quantize(32), "PNG")
    yield "bilevel.png", save(im.convert("1"), "PNG")
    yield "rgba.png", save(rgba, "PNG")
    yield "grey_alpha.png", save(la, "PNG")
    wide = p.astype(np.uint16) * 257
    yield "rgb16.png", png(24, 16, 16, 2, [r.astype(">u2").tobytes() for r in wide])
    yield "grey16.png", png(24, 16, 16, 0, [r.astype(">u2").tobytes() for r in wide[:, :, 1]])
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    yield "interlaced.png", png(24, 16, 8, 2, [r.tobytes() for x, y, dx, dy in passes for r in p[y::dy, x::dx]], True)
    yield "baseline.jpg", save(im, "JPEG", quality=90, subsampling=0)
    yield "subsampled.jpg", save(im, "JPEG", quality=90, subsampling=2)
    yield "progressive.jpg", save(im, "JPEG", quality=90, progressive=True)
    yield "grey.jpg", save(im.convert("L"), "JPEG", quality=90)
    yield "cmyk.jpg", save(im.convert("CMYK"), "JPEG", quality=95)
    yield "picture.gif", save(im.quantize(32), "GIF")
    yield "picture.bmp", save(im, "BMP")
    yield "lossy.webp", save(im, "WEBP", quality=90)
    yield "lossless.webp", save(im, "WEBP", lossless=True)


def waves(w=47, h=31):
    """A picture with odd sides and much colour."""
    y, x = np.mgrid[0:h, 0:w]
    p = np.stack([128 + 100 * np.sin(x / 7 + y / 5), 128 + 100 * np.cos(x / 3 - y / 11), (x * 3 + y * 7) % 256], -1)
    return p.clip(0, 255).astype(np.uint8)


def bmp(w, h, bits, data, compression=0, header=40, masks=b"", palette=b"", top_down=False):
    info = struct.pack("<IiiHHIIiiII", header, w, -h if top_down else h, 1, bits, compression, len(data), 2835, 2835, len(palette) // 4, 0)
    body = info + masks + bytes(max(0, header - 40 - len(masks))) + palette
    return b"BM" + struct.pack("<IHHI", 14 + len(body) + len(data), 0, 0, 14 + len(body)) + body + data


def form_cases():
    p = waves()
    h, w = p.shape[:2]
    y, x = np.mgrid[0:h, 0:w]
    im, soft, hard = Image.fromarray(p), (x * 5 + y).clip(0, 255).astype(np.uint8), ((x > 20) * 255).astype(np.uint8)
    def save(image, kind, **kw):
        b = io.BytesIO(); image.save(b, kind, **kw); return b.getvalue()
    def with_alpha(alpha):
        image = im.copy(); image.putalpha(Image.fromarray(alpha)); return image
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    def interlaced(array, depth, colour):
        return png(w, h, depth, colour, [r.tobytes() for x, y, dx, dy in passes for r in array[y::dy, x::dx]], True)
    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        yield f"{name}.jpg", save(im, "JPEG", quality=85, subsampling=subsampling)
        yield f"{name}_progressive.jpg", save(im, "JPEG", quality=85, subsampling=subsampling, progressive=True)
    yield "cmyk.jpg", save(im.convert("CMYK"), "JPEG", quality=90)
    yield "cmyk_progressive.jpg", save(im.convert("CMYK"), "JPEG", quality=90, progressive=True)
    palette = im.quantize(16)
    yield "palette4.png", save(palette, "PNG", bits=4)
    yield "palette2.png", save(im.quantize(4), "PNG", bits=2)
    yield "palette1.png", save(im.quantize(2), "PNG", bits=1)
    yield "palette_alpha.png", save(palette, "PNG", transparency=bytes([0, 100, 200]))
    yield "rgb_transparent.png", save(im, "PNG", transparency=tuple(int(v) for v in p[3, 3]))
    yield "grey_transparent.png", save(im.convert("L"), "PNG", transparency=100)
    yield "rgba.png", save(with_alpha(soft), "PNG")
    yield "grey_alpha.png", save(with_alpha(soft).convert("LA"), "PNG")
    deep, deep_alpha = p.astype(np.uint16) * 257, soft.astype(np.uint16) * 257
    yield "rgba16.png", png(w, h, 16, 6, [r.astype(">u2").tobytes() for r in np.dstack([deep, deep_alpha])])
    yield "grey_alpha16.png", png(w, h, 16, 4, [r.astype(">u2").tobytes() for r in np.dstack([deep[:, :, 1], deep_alpha])])
    yield "rgb16.png", png(w, h, 16, 2, [r.astype(">u2").tobytes() for r in p.astype(np.uint16) * 256 + np.arange(p.size).reshape(p.shape) * 37 % 256])
    yield "interlaced_rgba.png", interlaced(np.dstack([p, soft]), 8, 6)
    yield "interlaced_grey.png", interlaced(p[:, :, :1].copy(), 8, 0)
    yield "interlaced_rgba16.png", interlaced(np.dstack([deep, deep_alpha]).astype(">u2"), 16, 6)
    for name, alpha in (("soft", soft), ("hard", hard)):
        yield f"lossy_{name}.webp", save(with_alpha(alpha), "WEBP", quality=80)
        yield f"lossless_{name}.webp", save(with_alpha(alpha), "WEBP", lossless=True)
    yield "exact.webp", save(with_alpha(soft), "WEBP", lossless=True, exact=True)
    yield "lossy.webp", save(im, "WEBP", quality=50)
    yield "animated.webp", save(with_alpha(soft), "WEBP", save_all=True, append_images=[with_alpha(hard)], duration=50)
    yield "transparent.gif", save(palette, "GIF", transparency=3)
    yield "interlaced.gif", save(palette, "GIF", interlace=1)
    yield "animated.gif", save(palette, "GIF", save_all=True, append_images=[im.transpose(0).quantize(16)])
    yield "grey.gif", save(im.convert("L"), "GIF")
    for name, options in (("framed.gif", {}), ("framed_transparent.gif", {"transparency": 3})):
        framed = bytearray(save(palette, "GIF", **options))
        framed[6], framed[8] = 60, 40                  # the frame covers only part of the screen
        yield name, bytes(framed)
    for mode in ("1", "L", "RGB"):
        yield f"{mode}.bmp", save(im.convert(mode), "BMP")
    yield "palette.bmp", save(palette, "BMP")
    bgra = np.dstack([p[:, :, ::-1], soft])
    yield "rgb32.bmp", bmp(w, h, 32, bgra[::-1].tobytes())
    yield "bitfields32.bmp", bmp(w, h, 32, bgra[::-1].tobytes(), 3, 40, struct.pack("<III", 0xFF0000, 0xFF00, 0xFF))
    yield "bitfields32_alpha.bmp", bmp(w, h, 32, bgra[::-1].tobytes(), 3, 108, struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000))
    yield "top_down.bmp", bmp(w, h, 24, b"".join(r.tobytes() + bytes(-3 * w % 4) for r in p[:, :, ::-1]), top_down=True)
    indices, colours = np.asarray(palette), palette.getpalette()[:48]
    runs = b"".join(b"".join(bytes([1, int(v)]) for v in r) + b"\0\0" for r in indices[::-1]) + b"\0\1"
    yield "runs.bmp", bmp(w, h, 8, runs, 1, palette=b"".join(bytes([colours[i + 2], colours[i + 1], colours[i], 0]) for i in range(0, 48, 3)))


def write_forms():
    os.makedirs("forms", exist_ok=True)
    cases = []
    for name, data in form_cases():
        open(f"forms/{name}", "wb").write(data)
        image = Image.open(io.BytesIO(data))
        digest = lambda mode: hashlib.sha256(np.asarray(image.convert(mode)).tobytes()).hexdigest()
        # Around a frame that does not fill the screen, Pillow has the first colour, a viewer nothing.
        cases.append({"name": name, "width": image.width, "height": image.height, "rgb": digest("RGB"), "rgba": None if name == "framed.gif" else digest("RGBA")})
    open("forms.json", "w").write("[\n" + ",\n".join(map(json.dumps, cases)) + "\n]\n")


def write_texts():
    image = Image.new("L", (128, 48), 255)
    ImageDraw.Draw(image).text((10, 8), "HELLO", font=ImageFont.truetype("DejaVuSansCondensed-Bold.ttf", 28), fill=0)
    image.convert("RGB").save("opaque-text.png")
    clear = Image.new("RGBA", image.size, (0, 0, 0, 0))
    clear.putalpha(image.point(lambda value: 255 - value))
    clear.save("transparent-text.png")


def expected(name, data):
    image = Image.open(io.BytesIO(data))
    if name == "grey16.png":                       # Pillow keeps 16 bits and would clip
        return np.repeat(picture()[:, :, 1:2], 3, 2)
    return np.asarray(image.convert("RGB"))


def main():
    open("resize.json", "w").write("[\n" + ",\n".join(map(json.dumps, resize_cases())) + "\n]\n")
    open("sizes.json", "w").write("[\n" + ",\n".join(map(json.dumps, size_cases())) + "\n]\n")
    open("smart_sizes.json", "w").write("[\n" + ",\n".join(map(json.dumps, smart_size_cases())) + "\n]\n")
    os.makedirs("decode", exist_ok=True)
    for name, data in decode_cases():
        open(f"decode/{name}", "wb").write(data)
        open(f"decode/{name}.rgb", "wb").write(expected(name, data).tobytes())
    open("decode/damaged.png", "wb").write(png(24, 16, 8, 2, [b"\x09" * 73] * 16))  # a filter type that does not exist
    write_forms()
    write_texts()
    os.makedirs("orientation", exist_ok=True)
    upright = Image.fromarray(picture())
    open("orientation/upright.rgb", "wb").write(picture().tobytes())
    undo = [None, Image.FLIP_LEFT_RIGHT, Image.ROTATE_180, Image.FLIP_TOP_BOTTOM, Image.TRANSPOSE, Image.ROTATE_90, Image.TRANSVERSE, Image.ROTATE_270]
    for n, turn in enumerate(undo, 1):
        stored = upright if turn is None else upright.transpose(turn)
        exif = Image.Exif(); exif[0x0112] = n
        stored.save(f"orientation/{n}.jpg", quality=95, subsampling=0, exif=exif)
        if n == 6:
            stored.save("orientation/6.png", exif=exif)
            stored.save("orientation/6.webp", exif=exif, lossless=True)
    if len(sys.argv) > 1:
        for name in ("w31h29", "gray_w64h50", "palette_w50h61"):
            os.makedirs(f"fuyu/{name}", exist_ok=True)
            source = f"{sys.argv[1]}/{name}"
            open(f"fuyu/{name}/image.png", "wb").write(open(f"{source}/image.png", "rb").read())
            patches = (np.load(f"{source}/patches.npy").astype(np.float64) * 0.5 + 0.5) * 255
            assert np.abs(patches - np.round(patches)).max() < 1e-3
            open(f"fuyu/{name}/patches.u8", "wb").write(np.round(patches).astype(np.uint8).tobytes())


main()

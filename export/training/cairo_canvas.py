"""Draws the scenes, charts and texts of the sets by another generator: cairo, with layouts, margins and colours of its own. Needs Debian's python3-cairo."""

import math

import cairo

from fonts import split_fonts

PALETTE = {"red": "#dc143d", "orange": "#ff8c1a", "yellow": "#ffde1a", "green": "#219933", "blue": "#2659d9", "purple": "#802699"}
THEMES = [("#ffffff", "#000000"), ("#ffffff", "#000000"), ("#ffffff", "#202060"), ("#1a1a26", "#f2f2f2"), ("#f5f0d9", "#26194d")]    # paper, ink
KINDS = ["circle", "square", "triangle", "star"]


def paint_scene(rng):
    """Up to six shapes in the cells of a 4 x 3 grid. Returns (surface, [(kind, colour, x, y)])."""
    surface, context = create(112, 88, rng.choice(["#ffffff", "#ededed", "#1a1a1f"]))
    kinds, scene = KINDS[:rng.randint(1, 4)], []
    for cell in rng.sample(range(12), rng.randint(1, 6)):
        kind, colour, radius = rng.choice(kinds), rng.choice([*PALETTE]), rng.uniform(8.5, 11)
        x, y = 14 + cell % 4 * 28 + rng.uniform(-2, 2), 15 + cell // 4 * 29 + rng.uniform(-2, 2)
        trace_shape(context, kind, x, y, radius)
        set_ink(context, PALETTE[colour])
        context.fill()
        scene.append((kind, colour, x, y))
    return surface, scene


def trace_shape(context, kind, x, y, radius):
    if kind == "circle":
        context.arc(x, y, radius, 0, 2 * math.pi)
    elif kind == "square":
        context.rectangle(x - 0.85 * radius, y - 0.85 * radius, 1.7 * radius, 1.7 * radius)
    else:
        corners = 3 if kind == "triangle" else 10
        for i in range(corners):
            angle, length = 2 * math.pi * i / corners - math.pi / 2, radius * (0.42 if kind == "star" and i % 2 else 1)
            context.line_to(x + length * math.cos(angle), y + length * math.sin(angle))
        context.close_path()


def paint_bars(rng, labels, values):
    paper, ink = rng.choice(THEMES)
    longest = max(map(len, labels))
    surface, context = create(max(120, 24 + len(labels) * (8 * longest + 6)), 104, paper)
    colours = rng.sample([*PALETTE], len(labels)) if rng.random() < 0.5 else [rng.choice([*PALETTE])] * len(labels)
    left, bottom, unit, step = 20, 86, 7.6, (surface.get_width() - 24) / len(labels)
    set_ink(context, ink, 1)
    stroke(context, [(left, 6), (left, bottom), (surface.get_width() - 3, bottom)])
    face(context, 9, draw_family(rng))
    for tick in (0, 5, 10):
        write(context, left - 4, bottom - tick * unit + 3, str(tick), ink, align=1)
        stroke(context, [(left - 2, bottom - tick * unit + 0.5), (left, bottom - tick * unit + 0.5)])
    context.set_font_size(13)
    for i, (label, value, colour) in enumerate(zip(labels, values, colours)):
        context.rectangle(left + i * step + 0.18 * step, bottom - value * unit, 0.64 * step, value * unit)
        set_ink(context, PALETTE[colour])
        context.fill()
        write(context, left + (i + 0.5) * step, bottom + 13, label, ink, align=0.5)
    return surface


def paint_text(rng, lines, size):
    """Lines of text; a pair stands at the left and the right edge."""
    paper, ink = rng.choice(THEMES)
    _, context = create(4, 4, paper)
    family, weight, margin = draw_family(rng), rng.choice([0, 0, 1]), 8
    face(context, size, family, weight)
    ascent, _, step, _, _ = context.font_extents()
    pairs = [line if isinstance(line, tuple) else (line, "") for line in lines]
    width = max(context.text_extents(f"{left}   {right}".strip()).x_advance for left, right in pairs) + 2 * margin + 4
    surface, context = create(width, step * 1.05 * len(lines) + 2 * margin - 2, paper)
    face(context, size, family, weight)
    for i, (left, right) in enumerate(pairs):
        y = margin - 1 + ascent + i * step * 1.05
        write(context, margin, y, left, ink)
        write(context, surface.get_width() - margin, y, right, ink, align=1)
    return surface


def create(width, height, paper):
    surface = cairo.ImageSurface(cairo.FORMAT_RGB24, round(width), round(height))
    context = cairo.Context(surface)
    set_ink(context, paper)
    context.paint()
    return surface, context


def set_ink(context, colour, width=1):
    """colour: "#rrggbb"; width of lines in px."""
    context.set_source_rgb(*(int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)))
    context.set_line_width(width)


def stroke(context, points):
    for point in points:
        context.line_to(*point)
    context.stroke()


def draw_family(rng):
    return rng.choice(sorted(split_fonts(held_out=True)))


def face(context, size, family, weight=0):
    context.select_font_face(family, cairo.FONT_SLANT_NORMAL, weight)
    context.set_font_size(size)


def write(context, x, y, text, colour, align=0.0):
    """align: 0 begins at x, 0.5 is centred, 1 ends there."""
    set_ink(context, colour)
    context.move_to(x - align * context.text_extents(text).x_advance, y)
    context.show_text(text)

"""The npm packages that hold the drawings, and which file shows which concept."""

import json
import re
import subprocess
import tarfile
from pathlib import Path

# A vendor's main style bears its name; further styles of a vendor are named vendor_style.
STYLES = ("noto", "twemoji", "openmoji", "fluent", "fluent_flat")

# Exact versions: a build from other versions would not give the shipped bytes.
PACKAGES = {
    "noto": "emoji-datasource-google@16.0.0",
    "twemoji": "emoji-datasource-twitter@16.0.0",
    "fluent": "fluentui-emoji@1.3.0",
    "openmoji": "openmoji@17.0.0",
    "emojibase": "emojibase-data@17.0.0",
}

# What the Fluent package calls a concept when its file is not the slug of the CLDR name.
FLUENT_FILES = {
    "smiling face with open hands": "hugging-face",
    "face with crossed-out eyes": "knocked-out-face",
    "enraged face": "pouting-face",
    "merperson": "person-merpeople",
    "merman": "man-merpeople",
    "mermaid": "woman-merpeople",
    "people with bunny ears": "person-with-bunny-ears",
    "men with bunny ears": "man-with-bunny-ears",
    "women with bunny ears": "woman-with-bunny-ears",
    "people wrestling": "person-wrestling",
    "men wrestling": "man-wrestling",
    "women wrestling": "woman-wrestling",
    "black bird": "blackbird",
    "phoenix": "phoenix-bird",
    "stuffed flatbread": "stuffedbread",
    "keycap: *": "keycap-asterisk",
    "keycap: #": "keycap-hashtag",
    "red triangle pointed up": "red-triangle",
    "person: blond hair": "person-blonde-hair",
    "woman: blond hair": "woman-blonde-hair",
    "man: blond hair": "man-blonde-hair",
    "deaf person": "person-deaf",
    "deaf man": "man-deaf",
    "deaf woman": "woman-deaf",
}

# Drawings that show another concept than their file says (checked by eye).
WRONG = {
    ("noto", "1f1e8-1f1f6"),  # flag of Sark: Saudi Arabia's
    ("fluent_flat", "1f533"),  # white square button: a plain black square
}


def fetch(folder: Path) -> dict[str, Path]:
    """Unpacks every package of PACKAGES under `folder` with npm; returns name -> its root."""
    roots = {}
    for name, package in PACKAGES.items():
        root = folder / package
        if not root.exists():
            packed = subprocess.run(
                ["npm", "pack", "--silent", "--pack-destination", str(folder), package],
                check=True,
                capture_output=True,
                text=True,
            )
            with tarfile.open(folder / packed.stdout.split()[-1]) as archive:
                archive.extractall(root, filter="data")
        roots[name] = root / "package"
    return roots


def codepoints(text: str) -> str:
    """Normalises a code point sequence: lower case, joined by '-', without FE0F."""
    return "-".join(part for part in text.lower().split("-") if part != "fe0f")


def fluent_slug(label: str) -> str:
    """The Fluent package's file name (without suffix) for a CLDR label."""
    if label in FLUENT_FILES:
        return FLUENT_FILES[label]
    plain = label.lower().replace("\u2019", "").replace("ñ", "n")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _sheet_files(root: Path, name: str) -> dict[str, Path]:
    entries = json.loads((root / "emoji.json").read_text(encoding="utf-8"))
    return {
        codepoints(entry["unified"]): root / "img" / name / "64" / entry["image"]
        for entry in entries
        if entry[f"has_img_{name}"]
    }


def _fluent_files(root: Path, style: str, labels: dict[str, str]) -> dict[str, Path]:
    # Gender-neutral roles ("mage") are "person-mage" in the package; "-default" is the drawing
    # without a skin tone.
    found = {}
    for code, label in labels.items():
        slug = fluent_slug(label)
        for stem in (slug, f"{slug}-default", f"person-{slug}", f"person-{slug}-default"):
            path = root / "icons" / style / f"{stem}.svg"
            if path.exists():
                found[code] = path
                break
    return found


def drawing_files(roots: dict[str, Path], labels: dict[str, str]) -> dict[str, dict[str, Path]]:
    """Finds the drawings: style -> code points -> file, for the concepts of `labels`.

    A style has its vendor's name, except for Fluent, which has two: `fluent` (shaded) and
    `fluent_flat`.
    """
    entries = json.loads((roots["openmoji"] / "data" / "openmoji.json").read_text("utf-8"))
    openmoji = {codepoints(entry["hexcode"]): entry["hexcode"] for entry in entries}
    svg = roots["openmoji"] / "color" / "svg"
    files = {
        "noto": _sheet_files(roots["noto"], "google"),
        "twemoji": _sheet_files(roots["twemoji"], "twitter"),
        "openmoji": {code: svg / f"{name}.svg" for code, name in openmoji.items()},
        "fluent": _fluent_files(roots["fluent"], "modern", labels),
        "fluent_flat": _fluent_files(roots["fluent"], "flat", labels),
    }
    return {
        style: {
            code: path
            for code, path in found.items()
            if code in labels and (style, code) not in WRONG
        }
        for style, found in files.items()
    }

"""Builds the emoji data set: packages -> concepts -> drawings -> splits -> shards."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from clipbench_tf.data.emoji.build import drawings, packages, splits, writer
from clipbench_tf.data.emoji.build.captions import TEMPLATES, captions
from clipbench_tf.data.emoji.build.concepts import Concept, read_concepts
from clipbench_tf.data.emoji.build.splits import Drawing

DESCRIPTION = "Emoji drawings of four vendors, captioned with their Unicode names and keywords."
# A concept needs a drawing to train on and one to test on, from different vendors.
LEAST_VENDORS = 2


@dataclass
class Plan:
    """What will be written: concepts, their pictures, the split of each drawing."""

    concepts: list[Concept]  # in label order
    pictures: dict[Drawing, Image.Image]
    splits: dict[Drawing, str]
    redundant: dict[str, str]  # dropped class name -> kept class name
    leaks: list[Drawing] = field(default_factory=list)


def plan(cache: Path) -> Plan:
    """Fetches the packages into `cache`, draws everything and decides the splits."""
    roots = packages.fetch(cache)
    concepts = {concept.code: concept for concept in read_concepts(roots)}
    files = packages.drawing_files(roots, {code: c.label for code, c in concepts.items()})
    styles = {code: {s for s, found in files.items() if code in found} for code in concepts}
    vendors = {code: {splits.vendor_of(s) for s in found} for code, found in styles.items()}
    concepts = {code: c for code, c in concepts.items() if len(vendors[code]) >= LEAST_VENDORS}
    pictures = {
        (style, code): drawings.render(found[code])
        for style, found in files.items()
        for code in found
        if code in concepts
    }
    twins = splits.find_twins({key: np.asarray(image) for key, image in pictures.items()})
    preference = {code: (len(c.label), i) for i, (code, c) in enumerate(concepts.items())}
    redundant = splits.redundant_concepts(twins, vendors, preference)
    kept = {code: c for code, c in concepts.items() if code not in redundant}
    groups = splits.join_groups({code: c.base for code, c in kept.items()}, twins)
    assigned = splits.assign(groups, styles, splits.ambiguous_drawings(kept, twins))
    leaks = splits.drop_leaks(assigned, twins)
    for drawing in leaks:
        del assigned[drawing]
    return Plan(
        concepts=sorted(kept.values(), key=lambda concept: concept.name.lower()),
        pictures=pictures,
        splits=assigned,
        redundant={concepts[a].name: concepts[b].name for a, b in redundant.items()},
        leaks=leaks,
    )


def write(made: Plan, folder: Path) -> None:
    """Writes the shards of every vendor and split, dataset.json and checksums.json."""
    records: dict[tuple[str, str], dict[str, bytes]] = {}
    for label, concept in enumerate(made.concepts):
        for style in packages.STYLES:
            split = made.splits.get((style, concept.code))
            if split is None:
                continue
            key = f"{style}/{concept.code}"
            image = drawings.encode_png(made.pictures[style, concept.code])
            example = writer.serialize(key, image, captions(concept, style), label)
            records.setdefault((splits.vendor_of(style), split), {})[key] = example
    entries: dict[str, dict[str, object]] = {}
    names: list[str] = []
    for split in writer.SHARDS:
        parts = {vendor: found for (vendor, s), found in records.items() if s == split}
        files = [
            f"{vendor}/{name}"
            for vendor in sorted(parts)
            for name in writer.write_shards(folder / vendor, split, parts[vendor])
        ]
        entries[split] = {"files": files, "examples": sum(map(len, parts.values()))}
        names += files
    description = {
        "name": "emoji",
        "description": DESCRIPTION,
        "classes": [concept.name for concept in made.concepts],
        "templates": list(TEMPLATES),
        "splits": entries,
    }
    writer.write_json(folder / "dataset.json", description)
    sums = writer.checksums(folder, [*names, "dataset.json"])
    writer.write_json(folder / "checksums.json", sums)


def summary(made: Plan) -> str:
    """Counts per style and split, and what was left out, as text."""
    counts = Counter((style, split) for (style, _), split in made.splits.items())
    lines = [f"{len(made.concepts)} concepts, chance {1 / len(made.concepts):.4%}"]
    for style in packages.STYLES:
        row = ", ".join(f"{split} {counts[style, split]}" for split in writer.SHARDS)
        lines.append(f"  {style}: {row}")
    lines.append(f"{len(made.leaks)} training drawings dropped: same picture as a held-out one")
    lines.append(f"{len(made.redundant)} concepts dropped: drawn as another one by most vendors")
    lines += [f"  {dropped} = {kept}" for dropped, kept in made.redundant.items()]
    return "\n".join(lines)

"""The report of a plan as text."""

from clipbench_tf.planning.costs.workload import Workload
from clipbench_tf.planning.data_set import Pairs
from clipbench_tf.planning.plan import PICTURES_PER_CORE, Plan
from clipbench_tf.planning.remedies import Remedy

_GB, _TERA = 1e9, 1e12


def text(name: str, plan: Plan, pairs: Pairs, remedy: Remedy | None, recipe: str) -> str:
    """The whole report; `recipe` is the length of the run, such as "32 epochs"."""
    work, time = plan.work, plan.time
    lines = [
        f"{name} on {work.replicas} x {plan.device.name}, {work.dtype}",
        f"  data     {pairs.examples:,} pairs, from {pairs.source}",
        f"  recipe   {recipe}, {plan.steps:,} steps of {work.gathered:,} pairs",
        f"  device   {work.batch} pairs, {work.image_views} image and {work.text_views} text "
        f"views, {work.text_length} text positions{_computed(work)}{_options(plan)}",
        "",
        *_parts(plan),
        "",
        *_memory(plan),
        "",
        "  a step takes (a model, not a measurement; see clipbench_tf/planning/costs/step_time.py)",
        f"    products {time.products:7.3f} s, passes over memory {time.passes:.3f} s, optimizer "
        f"{time.optimizer:.3f} s, communication {time.communication:.3f} s",
        f"    together {time.total:7.3f} s, {plan.pairs_per_second:,.0f} pairs/s; the whole recipe "
        f"{_days(plan.days)}",
        "",
        *notes(plan, remedy),
    ]
    return "\n".join(lines)


def _computed(work: Workload) -> str:
    """How many of the text positions are no padding."""
    if work.text_positions >= work.text_length:
        return ""
    return f" ({work.text_positions:.0f} on average without padding)"


def notes(plan: Plan, remedy: Remedy | None) -> list[str]:
    """Sentences on the numbers: whether the step fits, what limits it, what is left out."""
    lines = _fit(plan, remedy)
    share = plan.time.communication / plan.time.total
    if share > 0.5:
        lines.append(
            f"  The network is the limit: {share:.0%} of a step. Faster links between nodes, or "
            f"fewer devices with more pairs each, would help most."
        )
    elif plan.work.replicas > 1:
        lines.append(
            f"  Communication is {share:.0%} of a step, if none of it overlaps with computation."
        )
    lines += [
        f"  The input takes {plan.cores:.1f} CPU cores for each device, at {PICTURES_PER_CORE:.0f} "
        f"pictures a second and core with",
        "  two views (JPEGs of 500 x 375, AMD EPYC). With fewer cores, the input is the limit.",
    ]
    lines += [f"  Not counted, as the plan has no costs for it: {part}." for part in plan.left_out]
    return lines


def _fit(plan: Plan, remedy: Remedy | None) -> list[str]:
    need, room = plan.memory.total / _GB, plan.room / _GB
    if plan.fits:
        return [f"  It fits: {need:.1f} of {room:.1f} GB that one {plan.device.name} can use."]
    lines = [f"  IT DOES NOT FIT: {need:.1f} GB, but one {plan.device.name} can use {room:.1f} GB."]
    if remedy is None:
        lines.append("  No change that was tried makes it fit; use a device with more memory.")
        return lines
    after = remedy.plan
    lines.append(
        f"  The first change that fits, with {after.memory.total / _GB:.1f} GB, "
        f"{after.time.total:.3f} s a step, and {_days(after.days)} for the recipe:"
    )
    return [*lines, *(f"    {flag}" for flag in remedy.flags)]


def _parts(plan: Plan) -> list[str]:
    head = ("", "parameters", "TFLOP forward", "backward", "MB received")
    rows = [
        (
            name,
            f"{plan.parameters[name]:,}",
            f"{costs.forward / _TERA:.3f}",
            f"{costs.backward / _TERA:.3f}",
            f"{plan.received[name] / 1e6:.1f}" if name in plan.received else "",
        )
        for name, costs in plan.costs.items()
    ]
    rows += [
        (name, "", "", "", f"{received / 1e6:.1f}")
        for name, received in plan.received.items()
        if name not in plan.costs
    ]
    rows.append(
        (
            "all",
            f"{plan.parameters['total']:,}",
            f"{sum(c.forward for c in plan.costs.values()) / _TERA:.3f}",
            f"{sum(c.backward for c in plan.costs.values()) / _TERA:.3f}",
            f"{sum(plan.received.values()) / 1e6:.1f}",
        )
    )
    lines = _table([head, *rows])
    return ["  each device, each step", *lines, f"    {plan.trainable:,} parameters are trained."]


def _memory(plan: Plan) -> list[str]:
    kept = plan.memory
    rows = [
        ("weights", kept.weights),
        ("copies of weights in the compute dtype", kept.narrow_weights),
        ("gradients", kept.gradients),
        ("gradients packed for the exchange", kept.exchanged),
        ("AdamW's moments", kept.optimizer),
        ("two batches", kept.batch),
        ("activations of the towers", kept.activations),
        ("activations of the objectives", kept.objectives),
        ("temporary buffers", kept.working),
        ("all", kept.total),
    ]
    return [
        "  memory of a device, at most",
        *_table([(label, f"{size / _GB:.3f} GB") for label, size in rows]),
    ]


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    """Aligned lines: the first column to the left, the others to the right."""
    sizes = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "    "
        + row[0].ljust(sizes[0])
        + "".join(f"  {cell:>{size}}" for cell, size in zip(row[1:], sizes[1:], strict=True))
        for row in rows
    ]


def _options(plan: Plan) -> str:
    work = plan.work
    chosen = [f"{work.chunks} chunks"] if work.chunks > 1 else []
    chosen += ["image blocks recomputed"] if work.recompute_images else []
    chosen += ["text blocks recomputed"] if work.recompute_texts else []
    return "".join(f", {choice}" for choice in chosen)


def _days(days: float) -> str:
    return f"{days:.1f} days" if days >= 1 else f"{24 * days:.1f} hours"

"""Splits a run into calls of `Model.fit`."""


def segments(step: int, total: int, interval: int) -> list[tuple[int, int, int]]:
    """What is left to train, as arguments for `fit`: first epoch, last epoch, steps of each.

    An epoch of Keras is here the interval between two evaluations. A run that was stopped
    inside one ends it first; the last one may be short.
    """
    parts = []
    while step < total:
        epoch, inside = divmod(step, interval)
        whole = (total - step) // interval
        if inside or not whole:
            steps, count = min(interval - inside, total - step), 1
        else:
            steps, count = interval, whole
        parts.append((epoch, epoch + count, steps))
        step += steps * count
    return parts

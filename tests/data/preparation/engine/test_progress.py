"""The line of progress: on a terminal only, with what is left."""

import io
import time

from clipbench_tf.data.preparation.engine.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show(stream: io.StringIO) -> str:
    numbers = iter([10.0, 20.0, 30.0])
    calls: list[float] = []

    def done() -> float:
        calls.append(next(numbers, 40.0))
        return calls[-1]

    with Progress("Pairs", 1000, done, period=0.001, stream=stream):
        for _ in range(1000):
            if len(calls) > 2 or not stream.isatty():
                break
            time.sleep(0.01)
    return stream.getvalue()


def test_a_terminal_sees_the_line_which_is_removed_at_the_end():
    written = show(Terminal())
    assert "\rPairs: 20 of 1,000, " in written
    assert written.endswith("\r\x1b[K")


def test_what_is_no_terminal_gets_nothing():
    assert show(io.StringIO()) == ""


def test_the_time_left_follows_from_what_was_done_since_the_start():
    progress = Progress("Pairs read", 20_000, lambda: 0.0)
    found = progress.line(12_000, 4_000, 10.0)
    assert found == "Pairs read: 12,000 of 20,000, 400 a second, 0:00:20 left"
    assert progress.line(5, 0, 10.0) == "Pairs read: 5 of 20,000"

import io
import threading
from types import SimpleNamespace

import pytest
import tensorflow as tf

from clipbench_tf.callbacks.progress import Progress, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def screen(self):
        """The lines as a terminal shows them."""
        lines = []
        for line in self.getvalue().split("\n"):
            cells = []
            for part in line.split("\r"):
                cells[: len(part)] = part
            lines.append("".join(cells).rstrip())
        return lines


class Run:
    """Drives a Progress over `total` steps, a quarter of a second each."""

    def __init__(self, stream, total=200, speed=512.0):
        self.now = 0.0
        self.iterations = tf.Variable(0, dtype=tf.int64)
        throughput = SimpleNamespace(pairs_per_second=speed, seconds_left=lambda n: n / 4)
        self.progress = Progress(
            total, throughput, stream=stream, clock=lambda: self.now, tick=None
        )
        optimizer = SimpleNamespace(iterations=self.iterations)
        self.progress.set_model(SimpleNamespace(optimizer=optimizer))
        self.progress.on_train_begin()

    def steps(self, count):
        for _ in range(count):
            self.now += 0.25
            self.iterations.assign_add(1)
            self.progress.on_train_batch_end(0, {"loss": 2.0})


@pytest.fixture(autouse=True)
def width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    return monkeypatch


def test_a_pipe_gets_a_line_every_half_minute_and_at_the_end():
    stream = io.StringIO()
    run = Run(stream)
    run.steps(200)
    run.progress.on_train_end()
    assert stream.getvalue().splitlines() == [
        "step 0/200  compiling the training step ...",
        "compiled the training step in 0 s",
        "step 1/200 (0%)  loss 2.0000  512 pairs/s  0:50 left",
        "step 121/200 (60%)  loss 2.0000  512 pairs/s  0:20 left",
        "step 200/200 (100%)  loss 2.0000  512 pairs/s  0:00 left",
    ]


def test_a_pipe_is_told_less_and_less_often_how_long_compiling_takes():
    stream = io.StringIO()
    run = Run(stream)
    for second in range(1, 131):
        run.now = float(second)
        run.progress.report_compiling()
    run.steps(1)
    assert stream.getvalue().splitlines()[:-1] == [
        "step 0/200  compiling the training step ...",
        *(f"step 0/200  compiling the training step: {s} s" for s in (15, 30, 60, 120)),
        "compiled the training step in 130 s",
    ]


def test_a_terminal_counts_the_seconds_of_compiling_in_place():
    stream = Terminal()
    run = Run(stream)
    for second in range(1, 43):
        run.now = float(second)
        run.progress.report_compiling()
    assert stream.screen()[0].endswith("compiling the training step: 42 s")
    run.steps(1)
    assert len(stream.screen()) == 2
    assert stream.screen()[0] == "compiled the training step in 42 s"


def test_another_thread_looks_at_the_clock_until_the_first_step_has_been_taken():
    stream, seen = Terminal(), threading.Event()
    throughput = SimpleNamespace(pairs_per_second=None, seconds_left=lambda n: None)
    progress = Progress(9, throughput, stream=stream, tick=1e-4)
    look = progress.report_compiling
    progress.report_compiling = lambda: (look(), seen.set())
    progress.set_model(SimpleNamespace(optimizer=SimpleNamespace(iterations=tf.Variable(0))))
    progress.on_train_begin()
    assert seen.wait(60.0)
    progress.stop_reporting()
    before = stream.getvalue()
    assert "compiling the training step: 0 s" in before
    assert not progress._reporter.is_alive()


def test_a_terminal_has_one_line_drawn_anew():
    stream = Terminal()
    run = Run(stream)
    run.steps(100)
    compiled, line = stream.screen()
    assert compiled == "compiled the training step in 0 s"
    start, bar, end = "step 99/200 (50%)  [", "=" * 10 + " " * 10, "]  loss 2.0000  512 pairs/s"
    assert line == f"{start}{bar}{end}  0:25 left"
    assert len(line) < 80
    run.steps(100)
    run.progress.on_train_end()
    _, last, below = stream.screen()
    assert last.startswith("step 200/200 (100%)  [====") and below == ""


@pytest.mark.parametrize("columns", [20, 50, 60, 200])
def test_a_line_never_wraps(width, columns):
    width.setenv("COLUMNS", str(columns))
    stream = Terminal()
    Run(stream).steps(5)
    line = stream.screen()[-1]
    assert line.startswith("step 5/200") and len(line) < columns


def test_results_stand_above_the_line():
    stream = Terminal()
    run = Run(stream)
    run.steps(99)
    run.progress.write(99, {"zero_shot/test/top1": 0.09712, "zero_shot/test/top5": 0.25})
    _, above, line = stream.screen()
    assert above == "step 99: zero_shot/test/top1 0.09712  zero_shot/test/top5 0.25"
    assert line.startswith("step 99/200")


def test_a_second_fit_goes_on_with_the_same_line():
    stream = Terminal()
    run = Run(stream)
    run.steps(4)
    run.progress.on_train_end()
    run.progress.on_train_begin()
    run.steps(4)
    assert len(stream.screen()) == 2
    assert stream.screen()[1].startswith("step 7/200")


def test_no_speed_before_it_is_known():
    stream = io.StringIO()
    run = Run(stream, speed=None)
    run.progress._throughput.seconds_left = lambda n: None
    run.steps(1)
    assert stream.getvalue().splitlines()[2] == "step 1/200 (0%)  loss 2.0000"


def test_duration():
    assert [duration(s) for s in (0.4, 41.7, 727, 12310)] == ["0:00", "0:42", "12:07", "3:25:10"]


def test_a_stream_that_takes_nothing_ends_no_training():
    stream = open("/dev/full", "w", encoding="utf-8")  # noqa: SIM115, as it cannot be closed well
    run = Run(stream)
    run.steps(200)
    run.progress.on_train_end()
    assert int(run.iterations) == 200
    with pytest.raises(OSError, match="No space"):
        stream.close()  # so it was full indeed

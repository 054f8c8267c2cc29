import io

import pytest

from clipbench_tf.assessment.progress import Progress, duration


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def shown(stream: io.StringIO, steps: list[tuple[float, int]], total: int = 1000) -> Progress:
    clock = Clock()
    progress = Progress(stream=stream, clock=clock)
    for seconds, done in steps:
        clock.now += seconds
        progress.show("pictures", done, total)
    return progress


def test_a_file_gets_a_line_every_30_seconds_with_speed_and_time_left():
    stream = io.StringIO()
    shown(stream, [(0, 0), (10, 100), (30, 400), (10, 500), (20, 700)])
    assert stream.getvalue().splitlines() == [
        "  pictures: 400 of 1,000 (40%), 10.0/s, 1:00 left",
        "  pictures: 700 of 1,000 (70%), 10.0/s, 0:30 left",
    ]


def test_a_terminal_has_one_line_that_a_message_replaces():
    stream = Terminal()
    progress = shown(stream, [(0, 0), (0.4, 40), (0.4, 80)])
    progress.say("done")
    assert stream.getvalue() == (
        "\r  pictures: 80 of 1,000 (8%), 100.0/s, 0:09 left\x1b[K\r\x1b[Kdone\n"
    )


def test_what_was_done_before_does_not_count_as_speed():
    stream = io.StringIO()
    shown(stream, [(0, 800), (40, 840)])
    assert stream.getvalue() == "  pictures: 840 of 1,000 (84%), 1.0/s, 2:40 left\n"


def test_what_takes_longer_than_a_second_has_its_time():
    stream = io.StringIO()
    shown(stream, [(0, 0), (100, 5)], total=15)
    assert stream.getvalue() == "  pictures: 5 of 15 (33%), 20.0 s each, 3:20 left\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (42, "0:42"), (727, "12:07"), (12310, "3:25:10")]
)
def test_durations_read_as_on_a_clock(seconds, text):
    assert duration(seconds) == text


def test_what_the_check_raises_ends_what_is_shown():
    asked = []

    def check() -> None:
        asked.append(True)
        if len(asked) == 3:
            raise SystemExit(130)

    progress = Progress(stream=io.StringIO(), check=check)
    progress.show("pictures", 1, 10)
    progress.show("pictures", 2, 10)
    with pytest.raises(SystemExit):
        progress.show("pictures", 3, 10)

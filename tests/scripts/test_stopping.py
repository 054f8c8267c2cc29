"""A signal is heeded where the command asks for it, and a second one at once."""

import signal

import pytest

from clipbench_tf.commands.shared.stopping import heeded


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_waits_and_the_second_does_not(number):
    before = signal.getsignal(number)
    with pytest.raises(SystemExit) as second, heeded() as check:
        check()
        signal.raise_signal(number)
        with pytest.raises(SystemExit) as first:
            check()
        signal.raise_signal(signal.SIGTERM)
    assert first.value.code == 128 + number
    assert second.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(number) is before

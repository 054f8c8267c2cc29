"""What a run says and does where a loss is not finite, and whom it blames."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from clipbench_tf.callbacks.non_finite import NonFinite, NonFiniteError
from clipbench_tf.checkpoints.checkpoints import Checkpoints
from tests.method.small_method import batch, compiled

BAD = 2  # the example with a NaN pixel


class Stream:
    """Batches of four whose pictures are floats; the second batch has one that is no number."""

    batch_size = 4

    def batches(self, start: int = 0, **place) -> tf.data.Dataset:
        samples = []
        for number in range(start // 4, 4):
            sample = batch(seed=number, start=4 * number)
            images = sample["images"].numpy().astype(np.float32)
            if number == 1:
                images[BAD, 0, 3, 3, 1] = np.nan
            samples.append({**sample, "images": tf.constant(images)})
        return tf.data.Dataset.from_generator(
            lambda: iter(samples),
            output_signature={k: tf.TensorSpec(v.shape, v.dtype) for k, v in samples[0].items()},
        )

    def keys(self, positions: np.ndarray, **place) -> list[str]:
        return [f"key/{position}" for position in positions]


def trained(tmp_path, skips: int, said: list[str]):
    """A method that `fit` has taken over the four batches, and its callback's words."""
    method = compiled()
    checkpoints = Checkpoints(tmp_path, method)
    checkpoints.save()
    guard = NonFinite(Stream(), checkpoints, skips, said.append)
    method.fit(Stream().batches(), steps_per_epoch=4, callbacks=[guard], shuffle=False, verbose=0)
    return method


def test_a_nan_pixel_stops_the_run_and_names_step_worker_key_and_checkpoint(tmp_path):
    with pytest.raises(NonFiniteError) as caught:
        trained(tmp_path, 0, [])
    message = str(caught.value)
    assert message.startswith("Step 2, worker 0: loss/image_text not finite; ")
    assert f"examples without finite features: key/{4 + BAD}." in message
    assert "ckpt-0" in message
    assert "skip_non_finite" in message


def test_a_step_may_be_skipped_and_is_counted(tmp_path):
    said: list[str] = []
    method = trained(tmp_path, 1, said)
    [message] = said
    assert "The step is skipped on all workers, 1 by now." in message
    assert float(method.skipped_steps.numpy()) == 1
    assert int(method.optimizer.iterations.numpy()) == 3
    assert all(np.isfinite(v.numpy()).all() for v in method.variables)


def test_finite_features_leave_the_whole_batch_under_suspicion(tmp_path):
    method = compiled()
    guard = NonFinite(Stream(), SimpleNamespace(step=lambda: 6, latest="none"), 0)
    guard.set_model(method)
    guard.on_train_begin()
    with pytest.raises(NonFiniteError, match=r"all features are finite, of: key/0, key/1"):
        guard.on_train_batch_end(0, {"loss": 1.0, "loss/image_text": 1.0, "skipped_steps": 1.0})

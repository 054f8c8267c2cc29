"""The sides of the tokenizer's benchmark give the same ids in every repetition."""

from clipbench_tf.benchmarks.ours import tokenizer as ours
from clipbench_tf.benchmarks.peers import tokenizer as peers


def test_all_sides_give_the_same_ids() -> None:
    job = ours.ids(captions=300)  # a full batch and one that is not
    for _ in range(3):
        job.run()
    answers = {job.answer(), peers.ids(300).answer()}
    answers |= {peers.ids(300, cold=True).answer(), peers.ids(300, cleaned=True).answer()}
    assert len(answers) == 1


def test_the_augmented_job_runs_on() -> None:
    job = ours.augmented(captions=300)
    job.run()
    job.run()


def test_the_peer_cleans_where_it_is_to() -> None:
    texts = ["a &amp;amp; b", "l&#39;eau", "schÃ¶n "]
    clean = peers.PythonTokenizer(peers._cleaning())
    plain = peers.PythonTokenizer()
    assert (clean(texts) == plain(["a & b", "l'eau", "schön"])).all()
    assert (plain(texts) != clean(texts)).any(axis=1).all()

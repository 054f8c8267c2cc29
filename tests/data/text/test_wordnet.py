"""Synonyms from WordNet's files, on a WordNet of six synsets."""

from clipbench_tf.data.text.wordnet import synonym_table

NOUNS = """\
  1 This line and its like are the licence at the head of every file.
00000001 05 n 03 dog 0 domestic_dog 0 Canis_familiaris 0 002 @ 00000002 n 0000 | a pet; "the dog"
00000002 05 n 02 cad 0 dog 1 000 | someone who is morally reprehensible
00000003 05 n 02 dog 2 mongrel 3 000 | (offensive) a term of abuse
00000004 05 n 02 T-shirt 0 2x4 0 000 | a shirt
00000005 05 n 02 the 0 article 0 000 | a word
"""
VERBS = "00000006 38 v 02 chase 0 dog 0 001 @ 00000007 v 0000 02 + 08 00 + 21 00 | go after\n"
ADJECTIVES = "00000007 00 s 02 large(a) 0 big 0 000 | above average\n"


def test_the_members_of_all_synsets_of_the_base_forms() -> None:
    data = {"noun": NOUNS, "verb": VERBS, "adj": ADJECTIVES, "adv": ""}
    lines = {part: text.splitlines() for part, text in data.items()}
    words = [
        "dog",
        "dogs",
        "dogged",
        "chasing",
        "larger",
        "bigs",
        "tshirt",
        "the",
        "mongrel",
        "cat",
    ]
    pets = ["cad", "canis familiaris", "chase", "domestic dog"]
    assert synonym_table(lines, words) == {
        "chasing": ["chase", "dog"],
        "dog": pets,
        "dogs": sorted([*pets, "dog"]),
        "larger": ["big", "large"],
    }

"""What people write as numbers, and how far long work is."""

from claims import refused

from graftlab.work.progress import part, steps
from graftlab.work.texts import parse_length, parse_numbers, parse_range


def test_numbers_are_listed_or_a_range_and_lengths_in_cells_or_pixels():
    several = {"-3,0,3": [-3, 0, 3], ".5": [0.5], "-3:3": [-3, -1.5, 0, 1.5, 3], "1:0": [1, 0.75, 0.5, 0.25, 0]}
    assert {text: parse_numbers(text, "--gains") for text in several} == several
    assert parse_range("-3:3", "--gains") == parse_range("-3,3", "--gains") == (-3, 3)
    assert parse_range("0.7", "--psi") == (0.7, 0.7)
    assert (parse_length("1.5", "--fade", 8), parse_length("20px", "--fade", 8)) == (1.5, 2.5)


def test_other_texts_are_refused():
    for text in ("", "much", "1:2:3", "px"):
        for parse in (parse_numbers, parse_range, lambda text, option: parse_length(text, option, 8)):
            refused(f"--amounts takes .*not '{text}'", parse, text, "--amounts")


def test_parts_of_work_count_in_the_whole():
    seen = []
    for before, each in ((0, 1), (3, 2)):
        report = part(lambda *figures: seen.append(figures), before, 7, each)
        assert list(steps("ab", report, 2)) == ["a", "b"]
    assert seen == [(1, 7, ""), (2, 7, ""), (5, 7, ""), (7, 7, "")]

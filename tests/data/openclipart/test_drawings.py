"""Pictures of handmade SVGs: size, background, trimmed pages, and what cannot be drawn."""

import numpy as np
import pytest

pytest.importorskip("resvg_py", reason="pip install '.[data]'")

from clipbench_tf.data.openclipart import drawings
from tests.data.openclipart.svgs import svg


@pytest.fixture
def draw(tmp_path):
    """Draws a text, with no fonts."""

    def drawn(text: str, size: int = 64):
        path = tmp_path / "drawing.svg"
        path.write_text(text, encoding="utf-8")
        return drawings.render(path, size=size, fonts=tmp_path)

    return drawn


def test_the_longer_side_has_the_size_asked_for_and_the_ground_is_white(draw):
    body = '<circle cx="20" cy="10" r="10" fill="blue"/><rect y="9" width="40" height="2"/>'
    picture = draw(svg(body, page='width="40" height="20"'))
    assert (picture.mode, picture.size) == ("RGB", (64, 32))
    assert picture.getpixel((1, 1)) == (255, 255, 255)
    assert picture.getpixel((32, 8)) == (0, 0, 255)


def test_an_empty_page_around_a_small_drawing_is_cut_off_without_loss_of_detail(draw):
    # Bars 8 wide, 8 apart, on a page of 1000: half a pixel each, were the page drawn at 64.
    bars = [f'<rect x="{x}" y="900" width="8" height="24"/>' for x in (700, 716)]
    picture = np.asarray(draw(svg("".join(bars), page='width="1000" height="1000"')))
    assert picture.shape == (64, 64, 3)
    assert (picture[10:54, 3:17] < 40).all() and (picture[10:54, 47:61] < 40).all()
    assert (picture[10:54, 27:37] > 215).all()


def test_white_parts_of_a_drawing_are_not_cut_off_with_the_page(draw):
    flag = '<rect x="10" y="10" width="16" height="5" fill="white"/>'
    flag += '<rect x="10" y="15" width="16" height="5" fill="red"/>'
    picture = np.asarray(draw(svg(flag, page='width="32" height="32"')), np.int32)
    assert picture.shape == (40, 64, 3)
    assert (picture[2:16] >= 240).all()
    assert (np.abs(picture[24:36, 4:60] - (255, 0, 0)) < 16).all()


@pytest.mark.parametrize(
    "body",
    ["", '<rect width="40" height="40" fill="white"/>', '<rect x="90" width="9" height="9"/>'],
)
def test_a_drawing_that_shows_nothing_is_none(draw, body):
    assert draw(svg(body)) is None


@pytest.mark.parametrize(
    ("page", "shape"),
    [
        ('width="1000000000" height="500000000" viewBox="0 0 40 20"', (32, 64)),
        ('width="1" height="100000" viewBox="0 0 1 100000"', (64, 1)),
        ('width="10cm" height="5cm" viewBox="0 0 40 20"', (32, 64)),
        ('width="0.001" height="0.001" viewBox="0 0 40 40"', (64, 64)),
        ("", (64, 64)),
    ],
)
def test_huge_thin_and_tiny_pages_make_pictures_of_the_same_size(draw, page, shape):
    body = '<rect width="100000" height="100000" fill="red"/>' if page else None
    picture = draw(svg(body, page=page) if body else svg(page=page))
    assert np.asarray(picture).shape[:2] == shape


@pytest.mark.parametrize(
    "text", ["", "no XML", svg(page='width="0" height="5"'), svg()[:-20], svg(page='width="-1"')]
)
def test_what_resvg_cannot_draw_is_a_value_error(draw, text):
    with pytest.raises(ValueError):
        draw(text)


def test_an_entity_bomb_is_no_picture(draw):
    lines = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 12))
    doctype = f'<!DOCTYPE svg [<!ENTITY e0 "ha">{lines}]>'
    with pytest.raises(ValueError, match="entity"):
        draw(svg("<text>&e11;</text>", doctype=doctype))

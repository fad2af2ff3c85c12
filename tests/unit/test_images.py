"""Pictures from folders and files: what is read, and which file is to blame where it cannot be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lepton_ai.core.errors import InvalidInput, NotFound, TooLarge
from lepton_ai.platform.preprocessing import images
from lepton_ai.platform.preprocessing.images import read_images

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "data"
GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)
COLOUR = np.stack([GREY, GREY + 50, GREY + 100], axis=2)


def save(folder: Path, **pictures: NDArray[Any]) -> Path:
    for name, pixels in pictures.items():
        group, number = name.split("_")
        (folder / group).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / group / f"{number}.png")
    return folder


def test_each_folder_is_a_class(tmp_path: Path) -> None:
    x, y, labels = read_images(save(tmp_path, dog_1=GREY, cat_1=GREY + 1, cat_2=GREY + 2))
    assert labels == ("cat", "dog")
    assert y.tolist() == [0, 0, 1]
    assert (x.shape, x.dtype) == ((3, 6, 8, 1), np.uint8)
    assert np.array_equal(x[2, ..., 0], GREY)


def test_one_picture_in_colour_makes_all_so(tmp_path: Path) -> None:
    x, _, _ = read_images(save(tmp_path, cat_1=GREY, dog_1=COLOUR))
    assert x.shape == (2, 6, 8, 3)
    assert np.array_equal(x[0, ..., 2], GREY)
    assert np.array_equal(x[1], COLOUR)


def test_transparency_is_kept_where_all_have_it(tmp_path: Path) -> None:
    clear = np.concatenate([COLOUR, GREY[..., np.newaxis]], axis=2)
    assert read_images(save(tmp_path / "a", cat_1=clear, dog_1=clear))[0].shape == (2, 6, 8, 4)
    assert read_images(save(tmp_path / "b", cat_1=clear, dog_1=COLOUR))[0].shape == (2, 6, 8, 3)


def test_sixteen_bit_greys_are_kept(tmp_path: Path) -> None:
    deep = GREY.astype(np.uint16) * 1000
    x, _, _ = read_images(save(tmp_path, cat_1=deep, dog_1=deep))
    assert x.dtype == np.uint16
    assert np.array_equal(x[0, ..., 0], deep)


def test_pictures_of_a_camera_stand_upright(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    orientation = Image.Exif()
    orientation[0x0112] = 6
    Image.fromarray(np.repeat(np.repeat(COLOUR, 8, 0), 8, 1)).save(tmp_path / "cat" / "1.jpg", exif=orientation)
    assert read_images(tmp_path)[0].shape == (1, 64, 48, 3)


def test_pictures_are_brought_to_a_size_when_asked(tmp_path: Path) -> None:
    folder = save(tmp_path, cat_1=GREY, dog_1=GREY[:4])
    assert read_images(folder, size=(3, 5))[0].shape == (2, 3, 5, 1)


def test_what_is_no_picture_is_passed_over(tmp_path: Path) -> None:
    folder = save(tmp_path, cat_1=GREY, dog_1=GREY)
    for name in (".DS_Store", "readme.txt", "cat/.hidden.png", "cat/notes.txt"):
        (folder / name).write_text("x")
    assert len(read_images(folder)[0]) == 2


@pytest.mark.parametrize("part", ["train", "test"])
def test_npz_of_keras_and_medmnist(part: str) -> None:
    x, y, labels = read_images(EXAMPLES / "pneumoniamnist" / "pneumoniamnist.npz", part=part)
    assert x.shape == ({"train": 2428, "test": 468}[part], 28, 28, 1)
    assert y.shape == x.shape[:1]
    assert labels == (0, 1)


def test_npz_with_texts_for_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.zeros((3, 4, 4, 3)), labels=np.array(["b", "a", "b"]))
    _, y, labels = read_images(tmp_path / "a.npz")
    assert (y.tolist(), labels) == ([1, 0, 1], ("a", "b"))


def test_npz_with_names_of_its_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 4, 4)), y=np.array([2, 0]), classes=np.array(["a", "b", "c"]))
    _, y, labels = read_images(tmp_path / "a.npz")
    assert (y.tolist(), labels) == ([2, 0], ("a", "b", "c"))


def test_too_many_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The limit itself is lowered, as pictures of its size would take the test minutes.
    monkeypatch.setattr(images, "MOST_VALUES", 90)
    with pytest.raises(TooLarge, match="must have at most 90 values in all pictures, got 96"):
        read_images(save(tmp_path, cat_1=GREY, dog_1=GREY))


class TestMistakesAreNamed:
    def fails(self, message: str, source: Path, **options: Any) -> None:
        with pytest.raises(InvalidInput) as error:
            read_images(source, **options)
        assert message in error.value.message

    def test_sizes_that_differ(self, tmp_path: Path) -> None:
        folder = save(tmp_path, cat_1=GREY, dog_1=GREY[:4])
        self.fails("must be of one size, got 6 x 8 in cat/1.png and 4 x 8 in dog/1.png", folder)

    def test_broken_file(self, tmp_path: Path) -> None:
        folder = save(tmp_path, cat_1=GREY, dog_1=np.tile(GREY, (20, 20)))
        whole = (folder / "dog" / "1.png").read_bytes()
        (folder / "dog" / "1.png").write_bytes(whole[: len(whole) // 2])
        self.fails("dog/1.png cannot be read as a picture", folder, size=(6, 8))
        (folder / "dog" / "1.png").write_bytes(b"no picture")
        self.fails("dog/1.png cannot be read as a picture", folder)

    def test_depths_that_differ(self, tmp_path: Path) -> None:
        folder = save(tmp_path, cat_1=GREY.astype(np.uint16), dog_1=COLOUR)
        self.fails("must be of one depth, got 16-bit greys in cat/1.png and RGB in dog/1.png", folder)

    def test_folder_without_classes(self, tmp_path: Path) -> None:
        self.fails("must hold one folder per class, got none", tmp_path)

    def test_empty_class(self, tmp_path: Path) -> None:
        (save(tmp_path, cat_1=GREY) / "dog").mkdir()
        self.fails("must hold PNG or JPEG files, got none in 'dog'", tmp_path)

    def test_folders_one_level_deeper(self, tmp_path: Path) -> None:
        save(tmp_path / "train", cat_1=GREY)
        with pytest.raises(InvalidInput) as error:
            read_images(tmp_path)
        assert "train if its folders are the classes" in (error.value.hint or "")

    def test_npz_without_pictures(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", a=np.zeros(3))
        self.fails("must hold x_train and y_train", tmp_path / "a.npz")

    def test_npz_with_other_shapes(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", x=np.zeros((3, 4)), y=np.zeros(3))
        self.fails("must hold pictures (batch, height, width[, channels]) and one class each", tmp_path / "a.npz")

    def test_npz_with_objects(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "a.npz", x=np.array([None, 1], dtype=object), y=np.zeros(2))
        self.fails("cannot be read", tmp_path / "a.npz")

    def test_other_files(self, tmp_path: Path) -> None:
        (tmp_path / "a.zip").write_bytes(b"PK")
        self.fails("pictures must be a folder or an .npz file, got 'a.zip'", tmp_path / "a.zip")

    def test_nothing_there(self) -> None:
        with pytest.raises(NotFound):
            read_images("nowhere")

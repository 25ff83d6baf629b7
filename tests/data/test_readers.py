"""Readers: what they read, and what they say of files that are not what they should be."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

import own
from data.conftest import shipped_config
from ratchet.config.data_sections import DataConfig
from ratchet.data.cleaning import clean
from ratchet.data.examples import RawExamples
from ratchet.data.readers import arrays, idx, read, table
from ratchet.errors import ConfigError, DataError

LONG = b'1,"' + b"2" * (2**20 + 1)  # a quote that nothing ends


def idx_bytes(array: np.ndarray, code: int = 0x08) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def write_idx(folder: Path, *, packed: bool) -> None:
    for part, n in (("train", 3), ("t10k", 2)):
        images = np.arange(n * 6, dtype=np.uint8).reshape(n, 2, 3)
        for name, array in (("images-idx3", images), ("labels-idx1", np.arange(n, dtype=np.uint8))):
            content = idx_bytes(array)
            if packed:
                (folder / f"{part}-{name}-ubyte.gz").write_bytes(gzip.compress(content))
            else:
                (folder / f"{part}-{name}-ubyte").write_bytes(content)


def config(reader: str) -> DataConfig:
    return shipped_config("digits").model_copy(update={"reader": reader})


@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_are_read_packed_or_not(tmp_path: Path, packed: bool) -> None:
    write_idx(tmp_path, packed=packed)
    raw = idx(tmp_path)
    assert np.shape(raw.x) == (5, 2, 3)
    assert raw.x[1].tolist() == [[6, 7, 8], [9, 10, 11]]
    assert raw.y.tolist() == [0, 1, 2, 0, 1]
    assert raw.published_test is not None
    assert raw.published_test.tolist() == [False, False, False, True, True]


@pytest.mark.parametrize(("code", "dtype"), [(8, "u1"), (9, "i1"), (0xB, "i2"), (0xC, "i4"), (0xD, "f4"), (0xE, "f8")])
def test_every_type_of_idx_is_read(tmp_path: Path, code: int, dtype: str) -> None:
    write_idx(tmp_path, packed=False)
    images = np.arange(-9, 9).astype(dtype).reshape(3, 2, 3)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(images, code))
    np.testing.assert_array_equal(idx(tmp_path).x[:3], images.astype(float))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no idx file: it begins with 0x$"),
        (b"\x93NUMPY", "is no idx file: it begins with 0x934e554d"),
        (idx_bytes(np.zeros((3, 2, 3), np.uint8))[:-1], "holds 33 bytes, but by its header 34"),
        (idx_bytes(np.zeros((3, 2, 3), np.uint8)) + b"x", "holds 35 bytes, but by its header 34"),
        (idx_bytes(np.zeros((3, 2, 3), np.uint8))[:9], "holds 9 bytes"),
        (idx_bytes(np.zeros((4, 2, 3), np.uint8)), "the training part has 4 examples and 3 labels"),
    ],
)
def test_a_file_that_is_no_whole_idx_file_is_told(tmp_path: Path, content: bytes, message: str) -> None:
    write_idx(tmp_path, packed=False)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(config("ratchet.data.readers.idx"), directory=tmp_path)


def test_a_truncated_gz_is_told(tmp_path: Path) -> None:
    write_idx(tmp_path, packed=True)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"cannot read .* type: python src/fetch\.py data=digits"):
        read(config("ratchet.data.readers.idx"), directory=tmp_path)


def test_arrays_with_and_without_a_test_split(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 1, 4)))
    np.save(tmp_path / "y.npy", np.zeros(3, int))
    assert arrays(tmp_path).published_test is None
    np.save(tmp_path / "x_test.npy", np.ones((2, 1, 4)))
    np.save(tmp_path / "y_test.npy", np.zeros(2, int))
    raw = arrays(tmp_path)
    assert raw.published_test is not None
    assert raw.published_test.tolist() == [False, False, False, True, True]


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([{"a": 1}]), allow_pickle=True)
    np.save(tmp_path / "y.npy", np.zeros(1, int))
    with pytest.raises(DataError, match="Object arrays cannot be loaded when allow_pickle=False"):
        read(config("ratchet.data.readers.arrays"), directory=tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.npy", b""),
        ("x.npy", b"\x93NUMPY\x01\x00"),
        ("y.npy", b"not an array"),
    ],
)
def test_a_damaged_array_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 1, 4)))
    np.save(tmp_path / "y.npy", np.zeros(3, int))
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=r"ratchet\.data\.readers\.arrays cannot read"):
        read(config("ratchet.data.readers.arrays"), directory=tmp_path)


def test_a_single_number_is_no_array_of_examples(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.float32(1))
    with pytest.raises(DataError, match=r"x.npy holds a single number"):
        arrays(tmp_path)


@pytest.mark.parametrize(
    ("files", "x", "y", "test"),
    [
        ({"a.csv": "1,2,cat\n3,4,dog\n"}, [[1, 2], [3, 4]], ["cat", "dog"], None),
        ({"a.csv": "length,width,kind\n1,2,cat\n\n"}, [[1, 2]], ["cat"], None),
        ({"a.csv": "\ufeff1,2, cat \r\n"}, [[1, 2]], ["cat"], None),
        ({"a.csv": '1,"2.5e0","big cat"\n'}, [[1, 2.5]], ["big cat"], None),
        ({"a.csv": '1,2,"big\ncat"\n3,4,"a\u2028b"\r\n'}, [[1, 2], [3, 4]], ["big\ncat", "a\u2028b"], None),
        ({"a.csv": "1,2,0\n", "b.csv": "3,4,1\n"}, [[1, 2], [3, 4]], ["0", "1"], None),
        ({"train.csv": "1,2,0\n", "test.csv": "3,4,1\n"}, [[3, 4], [1, 2]], ["1", "0"], [True, False]),
    ],
)
def test_a_table_is_read(
    tmp_path: Path, files: dict[str, str], x: list[list[float]], y: list[str], test: list[bool] | None
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    raw = table(tmp_path)
    assert [row.tolist() for row in raw.x] == x
    assert raw.y.tolist() == y
    assert (None if raw.published_test is None else raw.published_test.tolist()) == test


def test_an_empty_cell_is_not_a_number_and_a_short_row_stays_short(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2,cat\n,4,dog\n5,dog\n")
    raw = table(tmp_path)
    assert np.isnan(raw.x[1][0])
    assert [len(row) for row in raw.x] == [2, 2, 1]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, r"there is no \.csv file"), (b"\xff\xfe1,2\n", "UnicodeDecodeError"), (LONG, "field larger than")],
)
def test_a_table_that_cannot_be_read_is_told(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read(config("ratchet.data.readers.table"), directory=tmp_path)


def test_a_reader_of_one_s_own_is_found_by_its_dotted_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "__path__", [*own.__path__, str(tmp_path)])
    (tmp_path / "my_reader_module.py").write_text(
        "import numpy as np\n"
        "from ratchet.data.examples import RawExamples\n"
        "def mine(directory):\n"
        "    return RawExamples(np.ones((2, 1, 3)), np.array([0, 1]))\n"
        "def needy(directory):\n"
        "    import no_such_package\n"
        "def wrong(directory):\n"
        "    return [1, 2]\n"
    )
    assert isinstance(read(config("own.my_reader_module.mine"), directory=tmp_path), RawExamples)
    with pytest.raises(ConfigError, match="needs a package: No module named 'no_such_package'; type: pip install"):
        read(config("own.my_reader_module.needy"), directory=tmp_path)
    with pytest.raises(DataError, match=r"own.my_reader_module.wrong returned list; allowed: RawExamples"):
        read(config("own.my_reader_module.wrong"), directory=tmp_path)
    with pytest.raises(ConfigError, match=r"has no attribute .main.\); nearest: mine; allowed"):
        read(config("own.my_reader_module.main"), directory=tmp_path)


@pytest.mark.parametrize(
    "path", ["shutil.rmtree", "os.remove", "ratchet.files.write_atomically", "ratchet.data.readers.Path", "owner.x.y"]
)
def test_nothing_but_readers_is_called(path: str, tmp_path: Path) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(ConfigError, match=rf"data.reader={path} is not called; allowed: a function of ratchet.data"):
        read(config(path), directory=tmp_path)
    assert (tmp_path / "kept").exists()


def flowers(folder: Path, *rows: str) -> RawExamples:
    (folder / "a.csv").write_text("1,2,3,setosa\n", encoding="utf-8")
    (folder / "b.csv").write_text("\n".join(rows), encoding="utf-8")
    return table(folder)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (["w,kind,h,species", "1,tall,2,setosa"], "b.csv row 2, column 2 (kind) holds 'tall'; a row is"),
        (["species,w,h,x", "", '"se\ntosa",1,2,3', "a,1,2,3"], "b.csv row 3, column 1 (species) holds 'se\\ntosa'; "),
        (["1,,2,setosa"], "b.csv row 1, column 2 holds nothing; a row is"),
        (["1,inf,2,setosa"], "b.csv row 1, column 2 holds 'inf'; a row is"),
        (["1,2,3,Setosa"], "b.csv row 1"),
    ],
)
def test_an_example_of_a_table_is_found_again_with_its_cell(tmp_path: Path, rows: list[str], said: str) -> None:
    raw = flowers(tmp_path, *rows)
    assert raw.place is not None
    assert raw.place(0) == "a.csv row 1"
    assert raw.place(1).startswith(said)
    assert (raw.place(1) == said) == (said == "b.csv row 1")


def test_a_column_of_text_is_named_where_no_example_is_left(tmp_path: Path) -> None:
    (tmp_path / "flowers.csv").write_text("species,w,h\n" + "setosa,1,0\nvirginica,2,1\n" * 75, encoding="utf-8")
    flower = config("ratchet.data.readers.table").model_copy(update={"shape": [1, 2], "classes": ["no", "yes"]})
    said = r"150 not_finite: .*\(flowers.csv row 2, column 1 \(species\) holds 'setosa'; a row is"
    with pytest.raises(DataError, match=said):
        clean(read(flower, directory=tmp_path), config=flower)


@pytest.mark.parametrize(
    ("rows", "name"),
    [
        (["w;h;species", "1;2;setosa", "1.5;2;setosa"], "semicolons"),
        (["w;h;species", "1,5;2,25;setosa", "1,5;2,0;setosa"], "semicolons"),
        (["1\t2\tsetosa", "3\t4\tvirginica"], "tabs"),
        (["1|2|setosa", "3|4|virginica"], "vertical bars"),
        (["1 2 setosa", "3 4 virginica"], "blanks"),
    ],
)
def test_a_wrong_separator_is_named(tmp_path: Path, rows: list[str], name: str) -> None:
    said = f"the cells of .*b.csv are separated by {name}, such as '.*'; allowed: commas"
    with pytest.raises(DataError, match=said.replace("|", r"\|")):
        flowers(tmp_path, *rows)


def test_text_with_blanks_and_other_separators_is_no_wrong_separator(tmp_path: Path) -> None:
    raw = flowers(tmp_path, "1,2,3,a b;c", "1,New York,3,a b;c", "1,2,3,a|b")
    assert raw.y.tolist() == ["setosa", "a b;c", "a b;c", "a|b"]

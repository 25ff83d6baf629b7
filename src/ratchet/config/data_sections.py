"""conf/data: every key, its type and its range."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveInt,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
)

from ratchet.config.base import LONGEST_NAME, FileName, Fraction, PositiveFloat, Section, WithArguments
from ratchet.config.hints import to_type
from ratchet.config.tables import table_name
from ratchet.tables.targets import MOST_CLASSES
from ratchet.tasks.base import Target


class RawFile(Section):
    """One file of data/raw/<name>/ and the checksum that it must have."""

    name: FileName
    checksum: str = Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")
    # content: what is inside a .gz; pictures, texts: those of a folder, in whatever order
    checksum_of: Literal["file", "content", "pictures", "texts"] = "file"
    source: str | None = None  # the kind of source that has it; null: any

    @model_serializer(mode="wrap")
    def _no_source_of_any(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        return found if self.source is not None else {key: found[key] for key in found if key != "source"}


class GeneratedSource(Section):
    """Files that a function writes: `function(directory: Path) -> None`, named by its dotted path."""

    kind: Literal["generated"]
    function: str


class PackageSource(Section):
    """Files that lie inside an installed Python package."""

    kind: Literal["package"]
    package: str  # its import name
    path: str = "."  # folder inside the package
    requirement: str | None = None  # what to `pip install` when it is absent


class FolderSource(Section):
    """Files in a folder of this machine, copied. A relative path is read from the project's root."""

    kind: Literal["folder"]
    path: str


class DebianSource(Section):
    """Files of a Debian package: read where it is installed, else downloaded by apt-get and unpacked (no root)."""

    kind: Literal["debian"]
    package: str
    path: str  # folder of the files once installed, absolute


class WheelSource(Section):
    """Files inside a wheel, which pip downloads and nobody installs."""

    kind: Literal["wheel"]
    requirement: str  # of one version, such as ISLP==0.6.0
    path: str  # folder of the files inside the wheel
    size: PositiveInt | None = None  # bytes to download, where they are many


class SdistSource(Section):
    """The archive of a package's source, which pip downloads. pip runs its setup, to know what it is."""

    kind: Literal["sdist"]
    requirement: str  # of one version, such as vaderSentiment==3.3.2


class UrlSource(Section):
    """Files under one of several base addresses, tried in order."""

    kind: Literal["urls"]
    mirrors: Annotated[list[str], Field(min_length=1)]
    timeout: PositiveFloat = 30.0  # seconds without a byte


Source = Annotated[
    GeneratedSource | PackageSource | FolderSource | DebianSource | WheelSource | SdistSource | UrlSource,
    Field(discriminator="kind"),
]


class TableConfig(Section):
    """A table's file, and how it is read. Null: it is found out."""

    path: str | None = None  # of the file, relative to the project's root; null: of files
    target: Annotated[list[str], Field(min_length=1)]  # the column to predict; several are labels, of 0 and 1
    ignore: list[str] = []  # columns that are left out
    types: dict[str, Literal["number", "category", "date"]] = {}
    separator: str | None = None
    decimal: str = "."
    thousands: str | None = None
    missing: list[str] = []  # texts that mean a gap, beside the usual ones
    object: str | None = None  # a data frame's name, in an R package's Rdata.rdb
    id: str | None = None  # a column that names a row
    group: str | None = None  # a column: rows of one group are in one split
    time: str | None = None  # a column: the latest rows are the test split, those before them confirm, and so on
    split: str | None = None  # a column that says a row's split
    text: str | None = None  # the column of texts: then nothing else is learnt from
    vocabulary: Annotated[int, Field(ge=2, le=10**6)] = 20000  # words at most, those of train; no matter to a tokenizer
    max_length: Annotated[int, Field(ge=1, le=2**16)] = 256  # tokens kept of a text
    tokenizer: str | None = None  # a folder with tokenizer.json, relative to the project's root; null: words
    tokenizer_checksum: str | None = None  # of that file, sha256

    @model_serializer(mode="wrap")
    def _nothing_of_texts_elsewhere(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        of_texts = ("text", "vocabulary", "max_length", "tokenizer", "tokenizer_checksum")
        return found if self.text is not None else {key: found[key] for key in found if key not in of_texts}


class FolderConfig(Section):
    """A folder of pictures, and how they are stored."""

    path: str | None = None  # relative to the project's root; null: of files
    size: Annotated[int, Field(ge=1, le=1024)] = 64  # pixels of the side
    channels: Literal[1, 3] = 3
    ignore: list[str] = []  # folders of classes that are left out


class PrepareConfig(Section):
    """How raw examples become clean, split, normalised arrays."""

    validation: PositiveInt | Fraction  # a count, or a share of what is not test
    confirm: PositiveInt | Fraction  # likewise; for promotion alone
    test: Literal["published"] | PositiveInt | Fraction  # published: as the data set's makers split it
    seed: NonNegativeInt = 0
    duplicates: Literal["drop", "keep"] = "drop"
    constant_features: Literal["drop", "keep"] = "keep"
    normalise: Literal["feature", "channel", "none"] = "channel"
    fit: Literal["crop", "letterbox"] | None = None  # of a folder of pictures: how one becomes a square

    @model_serializer(mode="wrap")
    def _no_fit_of_other_data(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        return found if self.fit is not None else {key: found[key] for key in found if key != "fit"}


_CLASSES = "a list of names: two classes or more, one label or more, none of a number"


DataName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=LONGEST_NAME)]


class DataModuleConfig(WithArguments):
    """conf/data of a person's LightningDataModule: a class by `_target_`, and the keyword arguments that it takes."""

    name: DataName
    target: str = Field(alias="_target_")
    classes: list[str] = []  # the names that an evaluation shows


class DataConfig(Section):
    """conf/data: all there is to say of a data set."""

    name: DataName
    table: TableConfig | None = None
    folder: FolderConfig | None = None
    layout: Literal["sequence", "image", "table", "text"]
    shape: (
        list[PositiveInt] | None
    )  # [channels, length] or [channels, height, width]; of a table null: prepare finds it
    target_kind: Literal["class", "labels", "number"] = "class"  # of a class, of any number of labels, of a number
    # the classes or labels; of a number none
    classes: Annotated[list[str], Field(json_schema_extra={"words": _CLASSES})]
    files: Annotated[list[RawFile], Field(min_length=1)]
    sources: Annotated[list[Source], Field(min_length=1)]  # tried in order
    reader: str  # dotted path of `reader(directory: Path) -> RawExamples`
    prepare: PrepareConfig
    module: DataModuleConfig | None = Field(default=None, exclude=True)  # then nothing is fetched or prepared

    @property
    def target(self) -> Target:
        """What is to be predicted, but for the mean and the spread of a number, which prepare finds."""
        return Target(self.target_kind, tuple(self.classes) or (self.name,))

    @property
    def typed(self) -> str:
        """What chooses these data on a command line: `data=<name>`, or the words that a person described them by."""
        from ratchet.config.grammar import assignment

        if not (said := self.described()):
            return to_type(f"data={self.name}")
        return to_type(f"data={self.option}", *(assignment(f"data.{key}", value) for key, value in said.items()))

    @property
    def option(self) -> str:
        """The option of conf/data that a person described their own data by; else the name."""
        if not self.described():
            return self.name
        return "text" if self.texts else "table" if self.table else "folder"

    @property
    def texts(self) -> TableConfig | None:
        """The table, where a column of texts is all that is learnt from."""
        return self.table if self.table is not None and self.table.text is not None else None

    def described(self) -> dict[str, Any]:
        """What a person said of their own table or folder, by keys of conf/data/<option>.yaml; nothing for others."""
        own = self.table or self.folder
        if own is None or not own.path:
            return {}
        said = own.model_dump(exclude_defaults=True)
        if self.table is not None:
            said["target"] = self.table.target if len(self.table.target) > 1 else self.table.target[0]
        of_folder = ("target", "text", "id", "split") if self.files[0].checksum_of == "texts" else ()
        said = {key: value for key, value in said.items() if key not in {"tokenizer_checksum", *of_folder}}
        if self.name != table_name({"path": own.path}):
            said["name"] = self.name
        # else it may be taken for another
        if self.table is not None and (self.target_kind == "number" or len(self.classes) > MOST_CLASSES):
            said["target_kind"] = self.target_kind
        return said

    def another_name(self, of_file: bool = True) -> str:
        """What own data can be called where there are others of the name: by their folder, or by their target."""
        own = self.table or self.folder
        assert own is not None
        by = Path(own.path or "").parent.name if of_file or self.table is None else "_".join(self.table.target)
        return table_name({"path": f"{self.name}_{by or 2}"})

    @model_serializer(mode="wrap")
    def _no_folder_of_other_data(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        return found if self.folder is not None else {key: found[key] for key in found if key != "folder"}

    @field_validator("classes")
    @classmethod
    def _as_many_as_the_kind_has(cls, names: list[str], info: ValidationInfo) -> list[str]:
        kind = info.data.get("target_kind", "class")
        if len(names) < {"class": 2, "labels": 1, "number": 0}[kind] or (kind == "number" and names):
            raise ValueError(names)
        return names

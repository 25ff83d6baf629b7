"""data=folder: what a person says of a folder of pictures becomes the whole config of a data set."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from ratchet.config.hints import OverrideError
from ratchet.errors import ConfigError
from ratchet.files import write_atomically
from ratchet.names import listed, nearest, short, suggestion
from ratchet.pictures import Listed, Place, checksum_of, pictures_in, places, stray_picture
from ratchet.pictures.folders import TEXTS
from ratchet.project import Project

SAID: Final = ("path", "size", "channels", "ignore")  # in conf/data/folder.yaml
READER: Final = "ratchet.data.picture_folder.read"  # for the record; a folder is read by its settings
_EXAMPLE: Final = ["data=folder", "data.path=<folder>"]
_SPLITS: Final = ("train", "validation", "confirm", "test")


def completed_folder(data: Mapping[str, Any], *, project: Project) -> dict[str, Any]:
    """The section data with all that follows from the folder: name, checksum, shape, classes.

    Raises ConfigError for a folder that is not there, or whose pictures do not lie in folders of classes.
    """
    path, size, channels = data["path"], data.get("size"), data.get("channels")
    for key, value, most in (("size", size, 1024), ("channels", channels, 3)):
        if type(value) is not int or value < 1 or value > most or (key == "channels" and value == 2):
            allowed = "1 (grey), or 3 (colour)" if key == "channels" else f"a whole number of pixels, 1 to {most}"
            usual = {"size": 64, "channels": 3}[key]
            raise OverrideError(f"data.{key} is {value}; allowed: {allowed}", instead=[[f"data.{key}={usual}"]])
    folder = project.root / Path(str(path)).expanduser()
    if not folder.is_dir():
        raise _no_folder(str(path), folder)
    try:
        found = pictures_in(folder)
    except OSError as error:
        raise ConfigError(f"data.path={path}: {error.filename} cannot be read: {error.strerror}") from error
    ignored = [str(name) for name in data.get("ignore") or []]
    classes = _classes(str(path), folder, found, ignored)
    resolved = folder.resolve()
    _refuse_undecodable(str(resolved), f"{path}: ")
    checksum = _checksum(folder, found, project)
    above = Path(path).parent if folder.name == resolved.name else resolved.parent
    rest = {key: value for key, value in data.items() if key not in {*SAID, "name"}}
    return {
        **rest,
        "name": data["name"],
        "folder": {**{key: data[key] for key in SAID if key in data}, "path": str(path), "ignore": ignored},
        "layout": "image",
        "shape": [channels, size, size],
        "target_kind": "class",
        "classes": classes,
        "files": [{"name": resolved.name, "checksum": f"sha256:{checksum}", "checksum_of": "pictures"}],
        "sources": [{"kind": "folder", "path": str(above)}],
        "reader": READER,
    }


def completed_texts(path: str, table: Mapping[str, Any], *, project: Project) -> dict[str, Any]:
    """What follows from a folder of texts, a folder for each class in it. Raises OverrideError for another one.

    table: the section data.table, as far as a person says it.
    """
    folder = project.root / Path(path).expanduser()
    found = pictures_in(folder, TEXTS)
    for name in found:
        _refuse_undecodable(name, f"{path}: ")
    of = places(found).values()
    classes = sorted({place.label for place in of if place.label is not None})
    if len(classes) < 2:
        said = f"data.path={path}: {len(found):,} texts (.txt), in folders of {len(classes)} classes"
        raise OverrideError(
            f"{said}; allowed: a folder for each of two classes or more", example=["data.path=<folder>"]
        )
    splits = any(place.split for place in of)
    resolved = folder.resolve()
    above = Path(path).parent if folder.name == resolved.name else resolved.parent
    checksum = _checksum(folder, found, project)
    return {
        "table": {**table, "text": "text", "target": ["label"], "id": "file", **({"split": "split"} if splits else {})},
        "layout": "text",
        "shape": None,
        "target_kind": "class",
        "classes": classes,
        "files": [{"name": resolved.name, "checksum": f"sha256:{checksum}", "checksum_of": "texts"}],
        "sources": [{"kind": "folder", "path": str(above)}],
        "reader": "ratchet.data.text_folder.read",
    }


def _no_folder(path: str, folder: Path) -> OverrideError:
    from ratchet.config.grammar import assignment

    if folder.exists():
        inside = [[assignment("data.path", str(Path(path).parent.parent))]]  # of a picture: the folder of its class's
        said = f"data.path={path}: it is a file; allowed: a folder, in it one for each class"
        return OverrideError(
            said, key="data.path", instead=inside if len(Path(path).parts) > 2 else [], example=_EXAMPLE
        )
    above = folder.parent
    here = [each.name for each in above.iterdir() if each.is_dir()] if above.is_dir() else []
    near = nearest(folder.name, here)
    here = [name for name in here if not name.startswith(".") and (near or not (above / "params.yaml").exists())]
    told = f"; {suggestion(folder.name, here)}" if here else ""  # a project's own folders are no data
    from ratchet.config.grammar import assignment

    instead = [[assignment("data.path", str(Path(path).parent / name))] for name in near]
    return OverrideError(
        f"data.path={path}: {folder} is missing{told}", key="data.path", instead=instead, example=_EXAMPLE
    )


def _classes(path: str, folder: Path, found: Iterable[str], ignored: list[str]) -> list[str]:
    """The names of the classes. Raises OverrideError where pictures do not lie in folders of them, or in too few."""
    from ratchet.config.grammar import assignment

    names = list(found)
    for name in names:
        _refuse_undecodable(name, f"{path}: ")
    if stray := stray_picture(names):
        raise OverrideError(
            f"{path}: {stray} lies beside folders; allowed: in a folder of a split, folders of classes alone",
            otherwise=f"move {path}/{stray} away, then type the same again",
        )
    of = places(names)
    counts: dict[str | None, Counter[str]] = defaultdict(Counter)
    for place in of.values():
        if place.label is not None:
            counts[place.split][place.label] += 1
    known = set().union(*counts.values())
    unknown = [name for name in ignored if name not in known]
    if unknown:
        rest = [name for name in ignored if name in known]
        instead = [
            [assignment("data.ignore", [*rest, *nearest(unknown[0], known)[:1]])],
            [assignment("data.ignore", rest)],
        ]
        said = f"data.ignore={short(unknown[0])}: {path} has no such folder; {suggestion(unknown[0], sorted(known))}"
        raise OverrideError(said, key="data.ignore", instead=instead)
    classes = sorted(known - set(ignored))
    if len(classes) < 2:
        raise _too_few(path, folder, names, classes)
    _refuse_deep(path, of)
    _refuse_rare(path, counts, classes, ignored)
    return classes


def _refuse_undecodable(name: str, where: str) -> None:
    """Raises ConfigError for a file's name that is no UTF-8: no YAML file could hold it."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        said = f"{where}the name of {name.encode(errors='replace').decode()} is no UTF-8"
        raise ConfigError(f"{said}; allowed: names that are; rename it, then type the same again") from error


def _too_few(path: str, folder: Path, names: list[str], classes: list[str]) -> OverrideError:
    from ratchet.config.grammar import assignment

    wanted = "allowed: a folder for each of two classes or more, with pictures in it (png, jpg, webp, bmp, gif, tiff)"
    if not names:
        return OverrideError(f"data.path={path}: {folder} has no picture; {wanted}", key="data.path", example=_EXAMPLE)
    if not classes:
        said = f"data.path={path}: {len(names):,} pictures, such as {short(names[0])}, lie in no folder"
        return OverrideError(
            f"{said} of a class; {wanted}", key="data.path", otherwise="put them there, then type the same again"
        )
    inner = {name.split("/")[1] for name in names if name.count("/") > 1}
    instead = [[assignment("data.path", str(Path(path) / classes[0]))]] if len(inner) > 1 else []
    said = f"data.path={path}: all pictures lie in one folder, {short(classes[0])}; {wanted}"
    return OverrideError(said, key="data.path", instead=instead, example=_EXAMPLE)


def _refuse_deep(path: str, of: Mapping[str, Place]) -> None:
    """Raises OverrideError where no folder that would be a class holds a picture itself."""
    from ratchet.config.grammar import assignment

    depth = {name: name.count("/") - (place.split is not None) for name, place in of.items() if place.label is not None}
    if min(depth.values()) > 1:
        name = next(iter(depth))
        inside = Path(path) / name.split("/")[0]
        raise OverrideError(
            f"data.path={path}: no folder in it holds pictures itself: they lie deeper, such as {short(name)}; "
            "allowed: a folder for each class, its pictures in it",
            key="data.path", instead=[[assignment("data.path", str(inside))]],
        )  # fmt: skip


def _refuse_rare(
    path: str, counts: Mapping[str | None, Mapping[str, int]], classes: list[str], ignored: list[str]
) -> None:
    """Raises OverrideError for classes that cannot be in every split."""
    from ratchet.config.grammar import assignment

    stray = counts.get(None, {}) if len(counts) > 1 else {}
    if stray:
        raise OverrideError(
            f"{path} has folders of splits ({listed(sorted(set(filter(None, counts))))}) and others: "
            f"{listed(map(short, sorted(stray)))}; allowed: either those of splits, or one for each class",
            otherwise=f"move {path}/{sorted(stray)[0]} away, then type the same again",
        )
    needed = dict.fromkeys(counts, 1)
    train = "train" if "train" in counts else None
    needed[train] = 4 if train is None else 1 + len(set(_SPLITS) - set(counts))
    for split, least in needed.items():
        rare = [name for name in classes if counts[split].get(name, 0) < least]
        if rare:
            has = counts[split].get(rare[0], 0)
            where = f"{path}/{split}" if split else path
            some = f"{has} picture{'' if has == 1 else 's'}" if has else "no picture"
            raise OverrideError(
                f"class {short(rare[0])} has {some} in {where}"
                + (f", and so have few {listed(map(short, rare[1:]))}" if rare[1:] else "")
                + f"; allowed: {least} or more of each class, one for each split",
                instead=[[assignment("data.ignore", [*ignored, *rare])]] if len(classes) - len(rare) > 1 else [],
                otherwise="put more of them there, then type the same again",
            )


def _checksum(folder: Path, found: Listed, project: Project) -> str:
    """The folder's checksum; kept beside the data for as long as no file of it changes."""
    stamp = [(name, each.st_size, each.st_mtime_ns, each.st_ino) for name, each in found.items()]
    key = hashlib.sha256(json.dumps([str(folder), stamp]).encode()).hexdigest()
    note = project.root / "data" / ".tables" / f"{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(note.read_text(encoding="utf-8"))
        if kept["key"] == key:
            return str(kept["checksum"])
    checksum = checksum_of(folder, found)
    with suppress(OSError):  # nothing is lost but time
        note.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(note, json.dumps({"key": key, "checksum": checksum}).encode())
    return checksum

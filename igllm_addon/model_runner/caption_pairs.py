# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures with captions, in the forms in which they are published. No torch.

a JSON file     a list of {"image": file, "caption": text}, or with "conversations" in place of the caption as in LLaVA's
                pretraining file (liuhaotian/LLaVA-Pretrain, blip_laion_cc_sbu_558k.json): the answer of the first turn
                is the caption. Files are looked for beside the JSON file, and in images/ there.
a folder        one *.txt beside each picture of the same name, or *.tar files of such pairs
a tar file      pairs of members with the same name: picture and .txt
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ..core.errors import UsageError

_PICTURE_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")


@dataclass(frozen=True, slots=True)
class CaptionPair:
    """A caption, and how the file of its picture is read."""

    caption: str
    read: Callable[[], bytes]


def caption_pairs(sources: Sequence[Path]) -> list[CaptionPair]:
    """The pairs of all sources, in order; UsageError where a source holds none. Pictures are read when they are needed."""
    pairs: list[CaptionPair] = []
    for source in sources:
        found = list(_pairs_of(source))
        if not found:
            raise UsageError(
                f"{source} holds no pictures with captions; give a JSON list of image and caption, or a folder or tar file of"
                " pictures with a .txt of the same name"
            )
        pairs += found
    if not pairs:
        raise UsageError('The stage "alignment" names no data; give it pictures with captions.')
    return pairs


def _pairs_of(source: Path) -> Iterator[CaptionPair]:
    if source.is_dir():
        for text in sorted(source.glob("*.txt")):
            for picture in (text.with_suffix(ending) for ending in _PICTURE_ENDINGS):
                if picture.is_file():
                    yield CaptionPair(text.read_text(encoding="utf-8").strip(), picture.read_bytes)
                    break
        for archive in sorted(source.glob("*.tar")):
            yield from _tar_pairs(archive)
    elif source.suffix == ".tar":
        yield from _tar_pairs(source)
    else:
        yield from _json_pairs(source)


def _tar_pairs(archive: Path) -> Iterator[CaptionPair]:
    try:
        with tarfile.open(archive) as opened:
            members = {member.name: member for member in opened if member.isfile()}
            for name in sorted(members):
                stem, dot, ending = name.rpartition(".")
                if dot + ending.lower() not in _PICTURE_ENDINGS or f"{stem}.txt" not in members:
                    continue
                text = opened.extractfile(members[f"{stem}.txt"])
                assert text is not None  # it is a file
                member = members[name]
                yield CaptionPair(text.read().decode("utf-8").strip(), partial(_slice, archive, member.offset_data, member.size))
    except (OSError, tarfile.TarError) as caught:
        raise UsageError(f"The pairs in {archive} cannot be read ({caught}); give a tar file that is not compressed.") from caught


def _slice(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(offset)
        return stream.read(size)


def _json_pairs(source: Path) -> Iterator[CaptionPair]:
    try:
        entries = json.loads(source.read_text(encoding="utf-8"))
        pairs = [(str(entry["image"]), _caption(entry)) for entry in entries]
    except OSError as caught:
        raise UsageError(f"The pairs in {source} cannot be read ({caught.strerror}).") from caught
    except (ValueError, KeyError, TypeError, IndexError) as caught:
        raise UsageError(
            f'{source} is no JSON list of pairs ({caught!r}); every entry needs "image" and "caption" or "conversations".'
        ) from caught
    for name, caption in pairs:
        places = [source.parent / name, source.parent / "images" / name]
        picture = next((place for place in places if place.is_file()), None)
        if picture is None:
            raise UsageError(f"The picture {places[0]} that {source} names does not exist, nor does {places[1]}.")
        yield CaptionPair(caption, picture.read_bytes)


def _caption(entry: dict[str, Any]) -> str:
    if "caption" in entry:
        return str(entry["caption"])
    return str([turn["value"] for turn in entry["conversations"] if turn["from"] == "gpt"][0])

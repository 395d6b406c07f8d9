"""The origin of a model: the hub id and revision to load it from elsewhere, as far as they are known."""

from dataclasses import dataclass, field
from pathlib import Path

from dfo_prompt._util.reading import exists
from dfo_prompt.contracts.spec import ModelSpec
from dfo_prompt.lm.load import LanguageModel
from dfo_prompt.lm.smollm import REVISION
from dfo_prompt.plugin.catalogue import catalogue
from dfo_prompt.types import Json


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The arguments of `from_pretrained` that load a model elsewhere.

    Attributes:
        model: hub id, or the name of the folder if no hub id is known.
        options: further arguments: "revision", or the "gguf_file" in the folder.
        hub: whether `model` is a hub id.
        same: whether its weights are known to equal those loaded here.
    """

    model: str
    options: dict[str, Json] = field(default_factory=dict)
    hub: bool = False
    same: bool = True


def origin_of(lm: LanguageModel) -> Origin:
    """Return the origin of a model; of paths on this machine, only the last part is kept."""
    where = str(getattr(lm.model, "name_or_path", "") or lm.name)
    spec = catalogue().models.specs.get(lm.name)
    if isinstance(spec, ModelSpec) and spec.hub:
        revision = _revision(Path(where))
        return Origin(model=spec.hub, options={"revision": revision} if revision else {}, hub=True, same=bool(revision))
    if lm.name.endswith(".gguf"):
        return Origin(model=Path(where).absolute().name, options={"gguf_file": lm.name})
    if exists(Path(where)) or where != lm.name:
        return Origin(model=Path(where).name)
    commit = getattr(lm.model.config, "_commit_hash", None)
    return Origin(model=where, options={"revision": commit} if commit else {}, hub=True)


def _revision(folder: Path) -> str:
    file = folder / REVISION
    return file.read_text(encoding="utf-8").strip() if exists(file) else ""

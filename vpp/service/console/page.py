"""The page and its files: rendered once per request, files held in memory and served by name."""

import mimetypes
from dataclasses import dataclass
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined

from vpp.park.model import Park
from vpp.service.console.words import WORDS

_FOLDERS = ("assets", "vendor/uplot")
_SERVED = (".mjs", ".js", ".css", ".svg")
_TEMPLATES = Environment(
    loader=PackageLoader("vpp.service.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A file of the page."""

    content: bytes
    media_type: str


def load_assets() -> dict[str, Asset]:
    """Return by file name everything the page may fetch; nothing else can be asked for."""
    found = {}
    for folder in _FOLDERS:
        for file in files("vpp.service.console").joinpath(folder).iterdir():
            if file.name.endswith(_SERVED):
                kind = "text/javascript" if file.name.endswith(".mjs") else mimetypes.guess_type(file.name)[0]
                found[file.name] = Asset(content=file.read_bytes(), media_type=kind or "text/plain")
    return found


def render_page(park: Park, language: str, simulated: bool) -> str:
    """Return the live page's HTML in a language of `WORDS`; the numbers come by the event stream."""
    return _TEMPLATES.get_template("page.html.j2").render(park=park, w=WORDS[language], simulated=simulated)


def render_locked(language: str) -> str:
    """Return the page for those who come without the token: where to find the address with it."""
    return _TEMPLATES.get_template("locked.html.j2").render(language=language)

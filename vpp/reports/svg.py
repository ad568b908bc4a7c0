"""A drawing inside an HTML page."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Svg:
    """An `<svg>` element drawn by matplotlib, which escapes every name in it."""

    text: str

    def __html__(self) -> str:
        """Return the element as it is: a template does not escape it again (markupsafe's protocol)."""
        return self.text

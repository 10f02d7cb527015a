"""Pages for people: templates, and headers that allow them nothing they do not need."""

import secrets
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

TEMPLATES = Path(__file__).parent / "pages"


class Pages:
    """The templates; everything is escaped."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def show(self, template: str, status: int = 200, *, leading_to: str = "", **shown: object) -> HTMLResponse:
        """Answer with a page; `leading_to` is the address at another origin that its form may be sent to."""
        nonce = secrets.token_urlsafe(16)
        html = self._templates.get_template(template).render(nonce=nonce, **shown)
        return HTMLResponse(html, status, headers=_headers(nonce, leading_to))


def _headers(nonce: str, leading_to: str) -> dict[str, str]:
    away = urlsplit(leading_to)
    rules = {
        "default-src": "'none'",
        "script-src": f"'nonce-{nonce}'",
        "style-src": f"'nonce-{nonce}'",
        "img-src": "data:",
        "form-action": f"'self' {away.scheme}://{away.netloc}" if away.netloc else "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in rules.items()),
        "Cache-Control": "no-store",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        # With no-referrer, browsers would send forms with the origin "null".
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }

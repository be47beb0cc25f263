"""The web app's files, read once at start.

Owns: which paths are files, their types and ETags, how long a browser may cache them, and the content
security policy of a page. A request's path is only a key of a dictionary, never a path in the file system, so
path traversal is impossible.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from appliance.http.problems import method_not_allowed
from appliance.http.replies import Reply

TYPES = {
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".mjs": b"text/javascript; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".json": b"application/json",
    ".webmanifest": b"application/manifest+json",
    ".svg": b"image/svg+xml",
    ".png": b"image/png",
    ".jpg": b"image/jpeg",
    ".ico": b"image/x-icon",
    ".woff2": b"font/woff2",
    ".txt": b"text/plain; charset=utf-8",
}
DOCS_DIR = Path(__file__).parent / "docs"
APP_DIR = Path(__file__).parents[1] / "app"
_NOT_SERVED = "package.json"  # for the app's tools
_PAIR = "pair.html"
_WORKER = "sw.js"

# Everything a page loads comes from the box; older WebKit does not count ws: as 'self', so it is named.
_POLICY = (
    "default-src 'self'; connect-src 'self' ws://{host} wss://{host}; img-src 'self' data: blob:;"
    " media-src 'self' blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)
# The pairing page is open to everybody and shows nothing of the box: its own scripts and styles, no media, no
# frame, no inline style.
_PAIR_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# A service worker's own policy is that of its script.
_WORKER_POLICY = "default-src 'none'; connect-src 'self'"
# What a page may not do, for browsers that do not know frame-ancestors, and for sensors that no page uses.
_OF_PAGES = (
    (b"x-frame-options", b"DENY"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=(), payment=(), usb=()"),
)
_PAGES = "pages/"  # the app's folder of the hosted side
_SHARED = ("pages/", "parts/", "state/", "style/", "icons/", "theme.js")
_ADDRESS = re.compile(rb'(href|src)="/([^"]+)"')
# A page may be cached for this long; whenever it reaches the box it checks for a newer one. A build's files
# never change.
_PAGE_CACHE = b"private, max-age=2592000"
_BUILD_CACHE = b"private, max-age=31536000, immutable"
# A cached page of another build may refer to files that its browser no longer has. It gets this script
# instead, which loads this build's page, once for each build; if the page then is still the old one, it shows
# a message.
_OTHER_BUILD = re.compile(r"/v/[0-9a-f]+/(app|theme)\.js")
_RENEW = b"""(function () {
  const build = document.documentElement.dataset.build;
  const renewed = function () {
    try {
      if (sessionStorage.getItem("renewed") === build) return true;
      sessionStorage.setItem("renewed", build);
      return false;
    } catch (error) {
      return true;
    }
  };
  const look = function () {
    const again = function () { setTimeout(look, 2000); };
    fetch("/", { cache: "reload" }).then(function () { location.reload(); }, again);
  };
  const words = document.querySelector("main p");
  if (!renewed()) look();
  else if (words) words.textContent = "{{who}} has another version of this page. Reload it.";
})();
"""
_JSDOC = re.compile(rb"[ \t]*/\*\*.*?\*/", re.DOTALL)
_LINE = re.compile(rb"^[ \t]*//.*$", re.MULTILINE)
_TAIL = re.compile(rb"(?<=[;,{)\]]) // [^\n]*$", re.MULTILINE)
_INDENT = re.compile(rb"^[ \t]+", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class PagesSide:
    """Which files of the app one side serves. `page`: what is at /. `is_kept`: it is of use while the server
    is away, so a browser keeps it. `who`: the server, in the texts of a page."""

    page: str
    who: str
    is_kept: bool

    def serves(self, name: str) -> bool:
        """Whether a file of the app is served here, by its name."""
        if self.page.startswith(_PAGES):
            return name.startswith(_SHARED)
        return not name.startswith(_PAGES)


BOX_SIDE = PagesSide("index.html", "The box", is_kept=True)
CLOUD_SIDE = PagesSide(f"{_PAGES}index.html", "The service", is_kept=False)


@dataclass(frozen=True, slots=True)
class File:
    """One file's bytes and headers."""

    body: bytes
    media_type: bytes
    etag: bytes
    packed: bytes = b""  # compressed by gzip at start; empty where that saves nothing
    cache_control: bytes = b"no-cache"
    policy: str = ""  # of a page or a worker; empty: the API's

    def reply(self, headers: Mapping[bytes, bytes]) -> Reply:
        """200, compressed for clients that accept it, or 304 when the client has these bytes already."""
        own = [(b"etag", self.etag), (b"cache-control", self.cache_control)]
        body = self.body
        if self.packed:
            own.append((b"vary", b"accept-encoding"))
            if b"gzip" in headers.get(b"accept-encoding", b""):
                body = self.packed
                own[0] = (b"etag", self.etag[:-1] + b'-gz"')  # other bytes need another ETag
                own.append((b"content-encoding", b"gzip"))
        if self.policy:
            host = headers.get(b"host", b"localhost").decode("latin-1")
            own.append((b"content-security-policy", self.policy.format(host=host).encode("latin-1")))
        if self.media_type.startswith(b"text/html"):
            own += _OF_PAGES
        seen = [each.strip() for each in headers.get(b"if-none-match", b"").split(b",")]
        if own[0][1] in seen or b"*" in seen:
            return Reply(304, b"", self.media_type, tuple(own))
        return Reply(200, body, self.media_type, tuple(own))


class Files:
    """Files by URL path: the app at / and at /static/, the API's page at /docs."""

    def __init__(
        self,
        static_dir: Path | None = APP_DIR,
        docs_dir: Path | None = DOCS_DIR,
        side: PagesSide = BOX_SIDE,
    ) -> None:
        self._by_path: dict[str, File] = {}
        self._side = side
        renew = made_file(_RENEW.replace(b"{{who}}", side.who.encode()), TYPES[".js"])
        self._renew = replace(renew, cache_control=b"no-store")
        for name, file in _load(docs_dir):
            self._by_path[f"/docs/{name}"] = file
        self._add_app({name: file for name, file in _load(static_dir) if side.serves(name)})
        self._alias("/docs", "/docs/index.html")
        self._alias("/", f"/{side.page}")
        self._alias("/selftest", "/index.html")
        self._alias("/pair", f"/{_PAIR}")
        self._alias("/favicon.ico", "/favicon.svg", "/docs/favicon.svg")

    def find(self, method: str, path: str) -> File | None:
        """Raises Refused 405 for a method other than GET and HEAD on a file's path."""
        file = self._by_path.get(path)
        if file is None and _OTHER_BUILD.fullmatch(path):
            file = self._renew
        if file is not None and method not in ("GET", "HEAD"):
            raise method_not_allowed(method, "GET, HEAD")
        return file

    def paths(self) -> list[str]:
        return sorted(self._by_path)

    def _add_app(self, files: Mapping[str, File]) -> None:
        """Each file by its name, and by the name of this build, where it never changes and is never
        revalidated.

        So a page in a tablet's cache opens, with all its scripts, while the box is unreachable. It checks
        itself whether the box has a newer one (`app.js`).
        """
        build = hashlib.sha256(
            b"".join(b"%s %s" % (n.encode(), f.etag) for n, f in files.items())
        ).hexdigest()[:16]
        for name, file in files.items():
            if name == _WORKER:
                file = made_file(_worker_of(file.body, build, files), file.media_type)
                file = replace(file, policy=_WORKER_POLICY)
            elif name.endswith(".html"):
                body = _of_build(file.body, build, files)
                file = made_file(body, file.media_type)
                if name == _PAIR:  # never from a cache: pairing needs the box, and scripts of its build
                    file = replace(file, policy=_PAIR_POLICY)
                elif self._side.is_kept:
                    file = replace(file, cache_control=_PAGE_CACHE)
            else:
                self._by_path[f"/v/{build}/{name}"] = replace(file, cache_control=_BUILD_CACHE)
            self._by_path[f"/static/{name}"] = self._by_path[f"/{name}"] = file

    def _alias(self, path: str, *targets: str) -> None:
        for target in targets:
            if path not in self._by_path and target in self._by_path:
                self._by_path[path] = self._by_path[target]


def made_file(body: bytes, media_type: bytes) -> File:
    """A file that is generated."""
    policy = _POLICY if media_type.startswith(b"text/html") else ""
    return File(body, media_type, _etag(body), _packed(body, media_type), policy=policy)


def _of_build(page: bytes, build: str, files: Mapping[str, File]) -> bytes:
    """The page with the addresses of this build."""

    def named(match: re.Match[bytes]) -> bytes:
        known = match[2].decode() in files
        return b'%s="/v/%s/%s"' % (match[1], build.encode(), match[2]) if known else match[0]

    page = page.replace(b"<html ", b'<html data-build="%s" ' % build.encode(), 1)
    return _ADDRESS.sub(named, page)


def _worker_of(script: bytes, build: str, files: Mapping[str, File]) -> bytes:
    """The service worker with the files of this build's shell: all of them but other pages and itself."""
    names = [name for name in files if not name.endswith(".html") and name != _WORKER]
    listed = " ".join(f"/v/{build}/{name}" for name in names)
    return script.replace(b"{{build}}", build.encode()).replace(b"{{files}}", listed.encode())


def _load(folder: Path | None) -> list[tuple[str, File]]:
    """Every file of a known type below `folder`, with its relative path. Other types are not served."""
    if folder is None or not folder.is_dir():
        return []
    files = []
    for path in sorted(folder.rglob("*")):
        media_type = TYPES.get(path.suffix) if path.name != _NOT_SERVED else None
        if media_type is not None and path.is_file() and not path.is_symlink():
            body = path.read_bytes()
            files.append((path.relative_to(folder).as_posix(), made_file(body, media_type)))
    return files


def _packed(body: bytes, media_type: bytes) -> bytes:
    """The bytes compressed by gzip: text becomes a quarter of its size, which a crowded network needs."""
    if not media_type.startswith((b"text/", b"application/", b"image/svg")):
        return b""
    packed = gzip.compress(without_comments(body) if b"javascript" in media_type else body, mtime=0)
    return packed if len(packed) < len(body) * 0.9 else b""


def without_comments(script: bytes) -> bytes:
    """A script as it is sent, without indentation: a quarter of ours is types and comments, and indentation
    is a thirtieth of what is left after compression. Line numbers stay the same.

    Recognises only comments that fill a line or end one after `;`, `,`, `{` or a closing bracket, and those
    of JSDoc, and would change text of several lines: a test compares every script with a parser.
    """
    script = _JSDOC.sub(lambda match: b"\n" * match[0].count(b"\n"), script)
    return _INDENT.sub(b"", _TAIL.sub(b"", _LINE.sub(b"", script)))


def _etag(body: bytes) -> bytes:
    return b'"%s"' % hashlib.sha256(body).hexdigest()[:20].encode()

"""The web app's files."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.server.pages import APP_DIR, BOX_SIDE, CLOUD_SIDE, Files, PagesSide, without_comments
from tests.server.conftest import Box

TYPESCRIPT = Path(__file__).parents[1] / "app/node_modules/typescript"
PRINTS_ALIKE = """
  const [where, ...files] = process.argv.slice(1);
  const ts = require(where);
  const printer = ts.createPrinter({ removeComments: true });
  const parsed = (name) => ts.createSourceFile("a.js", ts.sys.readFile(name), ts.ScriptTarget.Latest);
  const printed = (name) => printer.printFile(parsed(name));
  for (let at = 0; at < files.length; at += 2)
    if (printed(files[at]) !== printed(files[at + 1])) console.error(files[at]);
  console.log(`${files.length / 2} alike`);
"""
RENEWS = """
  const words = { textContent: "" };
  const kept = new Map();
  let reloads = 0;
  Object.assign(globalThis, {
    document: { documentElement: { dataset: { build: "old" } }, querySelector: () => words },
    sessionStorage: { getItem: (key) => kept.get(key) ?? null, setItem: (key, to) => kept.set(key, to) },
    location: { reload: () => reloads++ }, fetch: async () => {},
  });
  for (let at = 0; at < 4; at++) (0, eval)(process.argv[1]);
  setTimeout(() => console.log(reloads, words.textContent));
"""


@pytest.fixture
def static(tmp_path: Path) -> Path:
    root = tmp_path / "static"
    (root / "parts").mkdir(parents=True)
    (tmp_path / "secret.txt").write_text("hunter2")
    (root / "index.html").write_text("<!doctype html><title>app</title>")
    (root / "app.js").write_text("export const a = 1;")
    (root / "parts" / "clip.css").write_text("a{}")
    (root / "notes.md").write_text("not for clients")
    (root / "leak.txt").symlink_to(tmp_path / "secret.txt")
    return root


async def test_files_have_their_types_and_the_root_is_the_app(box: Box, static: Path) -> None:
    client = box.client(static_dir=static)
    for path, kind in (
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/static/app.js", "text/javascript; charset=utf-8"),
        ("/static/parts/clip.css", "text/css; charset=utf-8"),
        ("/favicon.ico", "image/svg+xml"),
        ("/docs", "text/html; charset=utf-8"),
        ("/docs/docs.js", "text/javascript; charset=utf-8"),
        ("/openapi.json", "application/json"),
    ):
        reply = await client.get(path)
        assert (reply.status, reply.headers["content-type"]) == (200, kind), path


async def test_a_file_is_revalidated_by_its_etag(box: Box, static: Path) -> None:
    client = box.client(static_dir=static)
    first = await client.get("/app.js")
    assert first.headers["cache-control"] == "no-cache"
    again = await client.get("/app.js", headers={"if-none-match": f'"other", {first.headers["etag"]}'})
    assert (again.status, again.body) == (304, b"") and "content-length" not in again.headers
    assert (await client.get("/app.js", headers={"if-none-match": '"other"'})).status == 200


async def test_a_page_names_files_that_never_change(box: Box, static: Path) -> None:
    """So a tablet opens it from its cache while the box is unreachable."""
    (static / "index.html").write_text(
        '<html lang="en"><link href="/parts/clip.css"><script src="/app.js"></script><a href="/docs">'
    )
    page = await box.client(static_dir=static).get("/")
    build = re.search(r'<html data-build="(\w+)"', page.body.decode())
    assert build is not None and page.headers["cache-control"] == "private, max-age=2592000"
    named = f"/v/{build[1]}"
    assert f'href="{named}/parts/clip.css"' in page.body.decode() and 'href="/docs"' in page.body.decode()
    script = await box.client(static_dir=static).get(f"{named}/app.js")
    assert script.body == b"export const a = 1;" and "immutable" in script.headers["cache-control"]
    (static / "parts" / "clip.css").write_text("b{}")
    other = await box.client(static_dir=static).get("/")
    assert build[1] not in other.body.decode() and other.headers["etag"] != page.headers["etag"]


async def test_a_kept_page_of_another_build_is_renewed(box: Box, static: Path) -> None:
    """The page names files of its build that its browser may have evicted; the server does not have them."""
    client = box.client(static_dir=static)
    for name in ("app.js", "theme.js"):
        script = await client.get(f"/v/0123456789abcdef/{name}")
        assert (script.status, script.headers["cache-control"]) == (200, "no-store")
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        assert b"location.reload()" in script.body and b"sessionStorage" in script.body
    for name in ("parts/clip.css", "state/connection/box.js", "x/app.js", "app.js/"):
        assert (await client.get(f"/v/0123456789abcdef/{name}")).status == 404
    assert (await client.get("/v/../app.js")).status == 404


@pytest.mark.skipif(shutil.which("node") is None, reason="no node here")
def test_a_page_is_renewed_once() -> None:
    """Its two scripts, then the same page again: one reload."""
    file = Files().find("GET", "/v/0123456789abcdef/app.js")
    assert file is not None
    done = subprocess.run(
        ["node", "-e", RENEWS, file.body.decode()], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("1 The box has another version of this page. Reload it.\n", "")


async def test_the_service_worker_is_of_its_build_and_is_always_revalidated(box: Box, static: Path) -> None:
    (static / "index.html").write_text('<html lang="en"><script src="/app.js"></script>')
    (static / "sw.js").write_text('const BUILD = "{{build}}"; const FILES = "{{files}}".split(" ");')
    client = box.client(static_dir=static)
    worker = await client.get("/sw.js")
    build = re.search(r'data-build="(\w+)"', (await client.get("/")).body.decode())
    assert build is not None
    assert worker.body.decode() == (
        f'const BUILD = "{build[1]}"; '
        f'const FILES = "/v/{build[1]}/app.js /v/{build[1]}/parts/clip.css".split(" ");'
    )
    assert worker.headers["cache-control"] == "no-cache"
    policy = "default-src 'none'; connect-src 'self'"  # else it could not fetch what it stores
    assert worker.headers["content-security-policy"] == policy
    assert "x-frame-options" not in worker.headers
    assert (await client.get(f"/v/{build[1]}/sw.js")).status == 404
    assert "default-src 'none'; frame" in (await client.get("/app.js")).headers["content-security-policy"]


async def test_every_file_of_the_shell_is_there(box: Box) -> None:
    """One that is missing would keep the service worker from being installed."""
    client = box.client(static_dir=APP_DIR)
    worker = (await client.get("/sw.js")).body.decode()
    listed = re.findall(r'"([^"]*)"\.split', worker)[0].split(" ")
    for path in listed:
        assert (await client.get(path)).status == 200, path
    page = (await client.get("/")).body.decode()
    assert "{{" not in worker and set(re.findall(r'"(/v/[^"]+)"', page)) <= set(listed)


async def test_text_is_compressed_for_clients_that_accept_it(box: Box, static: Path) -> None:
    text = "export const many = 1;\n" * 100
    (static / "app.js").write_text(text)
    client = box.client(static_dir=static)
    plain = await client.get("/app.js")
    packed = await client.get("/app.js", headers={"accept-encoding": "gzip, br"})
    assert plain.body == text.encode() and "content-encoding" not in plain.headers
    assert gzip.decompress(packed.body) == plain.body and packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) == len(packed.body) < len(plain.body) / 3
    assert packed.headers["vary"] == plain.headers["vary"] == "accept-encoding"
    assert packed.headers["etag"] != plain.headers["etag"]
    known = {"accept-encoding": "gzip", "if-none-match": packed.headers["etag"]}
    assert (await client.get("/app.js", headers=known)).status == 304


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/static/../../secret.txt",
        "/static/..%2f..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "//etc/passwd",
        "/static//etc/passwd",
        "/leak.txt",
        "/notes.md",
        "/parts",
        "/app.js\x00.html",
        "/static/",
    ],
)
async def test_nothing_else_is_reachable(box: Box, static: Path, path: str) -> None:
    reply = await box.client(static_dir=static).get(path)
    assert reply.status == 404 and b"hunter2" not in reply.body


async def test_a_page_may_load_from_the_box_alone(box: Box, static: Path) -> None:
    headers = (await box.client(static_dir=static).get("/")).headers
    policy = headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert "cross-origin-opener-policy" not in headers, "over plain HTTP browsers ignore it, and log an error"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "camera=()" in headers["permissions-policy"]
    assert "default-src 'self'" in policy and "frame-ancestors 'none'" in policy
    assert "connect-src 'self' ws://127.0.0.1:8080 wss://127.0.0.1:8080" in policy
    assert "http://" not in policy.replace("ws://127", "") and "*" not in policy


async def test_the_pairing_page_is_open_and_loads_nothing_of_others(box: Box) -> None:
    """It is open like POST /pair, and revalidated: a page of an older build might not be able to pair."""
    for path in ("/pair", "/pair?c=7QK2M9XT"):
        page = await box.client(static_dir=APP_DIR).get(path)
        assert (page.status, page.headers["cache-control"]) == (200, "no-cache")
        policy = page.headers["content-security-policy"]
        assert policy.startswith(
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"
        )
        assert "unsafe" not in policy and "form-action 'none'; frame-ancestors 'none'" in policy
        text = page.body.decode()
        assert re.search(r"<style|style=| on\w+=", text) is None
        assert re.findall(r'<script .*?src="/v/\w+/([\w.]+)"', text) == ["theme.js", "pair.js"]


@pytest.mark.parametrize("side", [BOX_SIDE, CLOUD_SIDE], ids=["box", "cloud"])
def test_what_we_ship_refers_to_no_other_host(side: PagesSide) -> None:
    """A stadium may have no internet: every page must be complete without it."""
    files = Files(side=side)
    for path in files.paths():
        file = files.find("GET", path)
        assert file is not None
        text = file.body.replace(b"http://www.w3.org/", b"")
        if file.media_type.startswith((b"text/html", b"text/css", b"image/svg")):
            assert b"http://" not in text and b"https://" not in text and b'="//' not in text, path


def test_each_side_serves_its_own_pages() -> None:
    """Neither carries what only the other shows; the cloud's page is never an old one from a cache."""
    box, cloud = Files(), Files(side=CLOUD_SIDE)
    assert not [path for path in box.paths() if "/pages/" in path]
    assert not [
        path for path in cloud.paths() if "/screens/" in path or path in ("/pair", "/sw.js", "/app.js")
    ]
    page = cloud.find("GET", "/")
    assert (
        page is not None and page.cache_control == b"no-cache" and b"script-src" not in page.policy.encode()
    )
    named = re.findall(r'(?:href|src)="(/v/[^"]+)"', page.body.decode())
    assert len(named) == 8 and all(cloud.find("GET", path) for path in named)
    renew = cloud.find("GET", "/v/0123456789abcdef/theme.js")
    assert renew is not None and b"The service has another version" in renew.body


@pytest.mark.skipif(
    shutil.which("node") is None or not TYPESCRIPT.exists(),
    reason="no parser here: tests/app/check fetches it",
)
def test_a_script_without_its_comments_is_the_same_script(tmp_path: Path) -> None:
    """Both are equal after parsing and printing without comments; line numbers are unchanged."""
    scripts = sorted(APP_DIR.rglob("*.js"))
    shorter = 0
    for at, path in enumerate(scripts):
        whole = path.read_bytes()
        left = without_comments(whole)
        assert left.count(b"\n") == whole.count(b"\n")
        shorter += len(left) < len(whole)
        (tmp_path / f"{at}.js").write_bytes(left)
    assert shorter > len(scripts) / 2
    words = [item for at, path in enumerate(scripts) for item in (str(path), str(tmp_path / f"{at}.js"))]
    done = subprocess.run(
        ["node", "-e", PRINTS_ALIKE, str(TYPESCRIPT), *words], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == (f"{len(scripts)} alike\n", "")


def test_what_looks_like_a_comment_inside_a_line_stays() -> None:
    script = (
        b'const url = "a // kept"; // gone\n  // gone\nconst a = /** @type {B} */ (b);\n/** gone\n * too */\n'
    )
    assert without_comments(script) == b'const url = "a // kept";\n\nconst a = (b);\n\n\n'

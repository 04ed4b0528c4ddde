#!/usr/bin/env python3
"""Looks at HTML pages as a reader's browser does: tools/report_check/check.py PAGE.html ...

Each page is opened in headless Chromium on a phone and on a desk, in light and in dark. It must say nothing on the
console, decode every picture, load nothing from anywhere, never be wider than the screen, show the first figures of its
tables without scrolling, and be dark in the dark.
Needs Chromium and Python 3.9 or newer, nothing else. Exit code 0: all is well; 1: not so, with a line for each fault.
"""

import html
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# A window is never as narrow as a phone, a frame may be.
SCREENS = {"phone": (390, 844), "desk": (1280, 900)}
# Chromium's names for what `prefers-color-scheme` asks.
SCHEMES = {"light": 1, "dark": 0}

# Runs in a copy of the page, within a frame, once everything is loaded, and leaves what it finds where --dump-dom shows it.
PROBE = """
<script>
window.addEventListener("load", () => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[0-9.]+/g).map(Number);
    return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
  };
  const style = getComputedStyle(document.body);
  const images = [...document.images];
  const wide = [...document.querySelectorAll("main > *, section > *, .card > *:not(.scroll):not(svg)")]
    .filter((element) => element.getBoundingClientRect().right > window.innerWidth + 1);
  const unseen = [...document.querySelectorAll("td:nth-child(2)")]
    .filter((cell) => cell.getBoundingClientRect().right > window.innerWidth);
  const found = {
    images: images.length,
    broken: images.filter((image) => !image.complete || image.naturalWidth === 0).map((image) => image.alt),
    silent: images.filter((image) => !image.alt).length,
    fetched: performance.getEntriesByType("resource").map((entry) => entry.name).filter((name) => !name.startsWith("data:")),
    width: document.documentElement.scrollWidth,
    screen: window.innerWidth,
    unseen: unseen.map((cell) => cell.previousSibling.textContent),
    wide: wide.map((element) => element.tagName + "." + element.className),
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    page: light(style.backgroundColor),
    ink: light(style.color),
    sections: [...document.querySelectorAll("h2")].map((heading) => heading.textContent),
  };
  const note = document.createElement("pre");
  note.id = "report-check";
  note.textContent = JSON.stringify(found);
  top.document.body.append(note);
});
</script>
"""


def browser():
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if path := shutil.which(name):
            return path
    sys.exit("no Chromium here: install it (apt-get install chromium), and run this again")


def look(program, page, screen, scheme):
    """What the probe found, and what the browser said on its console."""
    width, height = SCREENS[screen]
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "page.html"
        text = page.read_text(encoding="utf-8").replace("</body>", PROBE + "</body>")
        frame = f'<iframe width="{width}" height="{height}" srcdoc="{html.escape(text)}"></iframe>'
        copy.write_text(f"<!DOCTYPE html><meta charset=utf-8>{frame}", encoding="utf-8")
        command = [
            program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            f"--user-data-dir={folder}/profile", "--no-first-run", "--disable-component-update",
            "--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND",
            "--enable-logging=stderr", "--window-size=1400,1000",
            f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}", "--dump-dom", copy.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    console = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    match = re.search(r'<pre id="report-check">(.*?)</pre>', done.stdout, re.S)
    if not match:
        sys.exit(f"{page}: the browser showed nothing\n{done.stderr[-2000:]}")
    return json.loads(html.unescape(match.group(1))), console


def faults(found, console, scheme):
    """What is wrong with one look at a page."""
    wrong = [f"console: {line}" for line in console]
    wrong += [f"a picture does not decode: {alt}" for alt in found["broken"]]
    wrong += [f"{found['silent']} pictures have no words"] if found["silent"] else []
    wrong += [f"it loads {name}" for name in found["fetched"]]
    if found["width"] > found["screen"]:
        wrong.append(f"it is {found['width']} pixels wide on a screen of {found['screen']}: {found['wide']}")
    wrong += [f"the figures of `{row}` are out of sight" for row in found["unseen"]]
    if found["dark"] != (scheme == "dark"):
        wrong.append("the browser did not take the scheme: this check is not what it seems")
    if (found["page"] < found["ink"]) != (scheme == "dark"):
        wrong.append(f"ink of {found['ink']:.2f} on a page of {found['page']:.2f}")
    if abs(found["page"] - found["ink"]) < 0.6:
        wrong.append("ink and page are too alike")
    return wrong


def main():
    pages = [Path(name) for name in sys.argv[1:]]
    if not pages:
        sys.exit(__doc__)
    program, bad = browser(), 0
    for page in pages:
        for screen in SCREENS:
            for scheme in SCHEMES:
                found, console = look(program, page, screen, scheme)
                wrong = faults(found, console, scheme)
                for line in wrong:
                    print(f"{page}, {screen}, {scheme}: {line}")
                bad += len(wrong)
        print(f"{page}: {found['images']} pictures, {', '.join(found['sections'])}")
    if bad:
        sys.exit(f"{bad} faults")


if __name__ == "__main__":
    main()

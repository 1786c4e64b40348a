# Copyright (c) 2026 the atlas.x509 contributors
# GNU General Public License v3.0-or-later (see COPYING)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draw what the demonstration printed on a terminal: `make pictures` pipes it in here, and docs/terminal.svg comes out.

Only the two steps that say most: the first run, and the second. A picture of all would be too long to read.
"""

from __future__ import annotations

import re
import sys
import textwrap
from html import escape

COLUMNS, LINE, CHARACTER, MARGIN, FIRST = 104, 17, 7.8, 16, 52
FROM, TO = "== 2.", "== 4."
ESCAPE = re.compile(r"\x1b\[([0-9;]*)m")
CLASSES = {"31": "red", "32": "green", "33": "yellow", "36": "cyan", "1": "bold", "2": "dim"}
STYLE = """
    .back { fill: #0d1117; stroke: #3d444d } text { fill: #e6edf3; white-space: pre }
    .green { fill: #3fb950 } .yellow { fill: #d29922 } .cyan { fill: #39c5cf } .red { fill: #f85149 } .dim { fill: #9198a1 } .bold { font-weight: bold }
"""
LICENCE = "Copyright (c) 2026 the atlas.x509 contributors. GNU General Public License v3.0-or-later (see COPYING). SPDX-License-Identifier: GPL-3.0-or-later"


def styled(text: str) -> list[tuple[str, str]]:
    """The lines of those steps, each with the one style that it has; long ones are wrapped."""
    lines, style, wanted = [], "", False
    for line in text.replace("\r", "").splitlines():
        codes = [code for group in ESCAPE.findall(line) for code in group.split(";") if code.lstrip("0")]
        style = next((CLASSES[code.lstrip("0")] for code in reversed(codes) if code.lstrip("0") in CLASSES), "")
        plain = ESCAPE.sub("", line)
        wanted = (wanted or plain.startswith(FROM)) and not plain.startswith(TO)
        if wanted and plain.strip():
            lines += [("", "")] if plain.startswith("== ") and lines else []
            lines += [(part, style) for part in textwrap.wrap(plain, COLUMNS, subsequent_indent="    ", drop_whitespace=False)]
    return lines


def drawn(lines: list[tuple[str, str]]) -> str:
    """The picture."""
    width, height = int(COLUMNS * CHARACTER + 2 * MARGIN), FIRST + LINE * len(lines)
    texts = [
        f'<text class="{style}" x="{MARGIN}" y="{FIRST + LINE * number}" textLength="{len(line) * CHARACTER:.1f}" lengthAdjust="spacingAndGlyphs" '
        f'xml:space="preserve">{escape(line)}</text>'
        for number, (line, style) in enumerate(lines)
        if line.strip()
    ]
    dots = "".join(f'<circle cx="{MARGIN + 6 + 20 * number}" cy="18" r="6" fill="{color}"/>' for number, color in enumerate(("#f85149", "#d29922", "#3fb950")))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="make demo in a terminal" '
        f"font-family=\"ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace\" font-size=\"13\">\n"
        f"<!-- {LICENCE} -->\n<style>{STYLE}</style>\n"
        f'<rect class="back" x="1" y="1" width="{width - 2}" height="{height - 2}" rx="8"/>{dots}\n' + "\n".join(texts) + "\n</svg>\n"
    )


if __name__ == "__main__":
    recorded = styled(sys.stdin.read())
    if not recorded:
        sys.exit("terminal_picture: this is not what the demonstration prints")
    sys.stdout.write(drawn(recorded))

"""The page in a real browser: where PySide6, which brings Chromium, is installed (the extra "browser")."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("PySide6.QtWebEngineWidgets", exc_type=ImportError)

DARK = "--blink-settings=preferredColorScheme=0"
SEEN = {"dark": "rgb(255, 255, 255)", "light": "rgb(0, 0, 0)"}


@pytest.mark.parametrize("width", [420, 1200])
@pytest.mark.parametrize("scheme", SEEN)
def test_the_page_is_whole_on_phone_and_desk_by_day_and_night(finished, width, scheme):
    page = finished / "report/index.html"
    flags = f"--no-sandbox --disable-gpu {DARK if scheme == 'dark' else ''}"
    found = json.loads(
        subprocess.run(
            [sys.executable, str(Path(__file__).with_name("browser.py")), str(page), str(width)],
            env={**os.environ, "QT_QPA_PLATFORM": "offscreen", "QTWEBENGINE_CHROMIUM_FLAGS": flags},
            capture_output=True,
            check=True,
            timeout=60,
            text=True,
        ).stdout
    )
    assert found["complaints"] == []
    assert [Path(request).name for request in found["requests"]] == [page.name]
    assert found["wider_than_window"] <= 0
    assert found["text"] == SEEN[scheme]
    written = page.read_text()
    assert (len(found["pictures"]), found["rows"]) == (written.count("<svg"), written.count("<tr>"))
    assert all(300 < wide <= width and high > 50 for wide, high in found["pictures"])

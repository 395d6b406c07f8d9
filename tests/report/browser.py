"""Opens PAGE in Chromium, WIDTH pixels wide, and prints what a reader would meet there, as JSON."""

import json
import sys
from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtWebEngineCore import QWebEnginePage, QWebEngineUrlRequestInterceptor
from PySide6.QtWebEngineWidgets import QWebEngineView
from PySide6.QtWidgets import QApplication

LOOK = """JSON.stringify({
    text: getComputedStyle(document.querySelector("h1")).color,
    pictures: [...document.querySelectorAll("svg")].map(one => [one.clientWidth, one.clientHeight]),
    rows: document.querySelectorAll("table tr").length,
    wider_than_window: document.documentElement.scrollWidth - document.documentElement.clientWidth,
})"""


class Page(QWebEnginePage):
    def __init__(self):
        super().__init__()
        self.complaints = []

    def javaScriptConsoleMessage(self, level, message, line, source):
        self.complaints.append(message)


class Requests(QWebEngineUrlRequestInterceptor):
    def __init__(self):
        super().__init__()
        self.seen = []

    def interceptRequest(self, info):
        self.seen.append(info.requestUrl().toString())


def main(path, width):
    app, page, requests, view = QApplication(sys.argv[:1]), Page(), Requests(), QWebEngineView()
    page.setUrlRequestInterceptor(requests)
    view.setPage(page)
    view.resize(width, 900)

    def tell(found):
        sys.stdout.write(json.dumps({**json.loads(found), "complaints": page.complaints, "requests": requests.seen}))
        app.quit()

    page.loadFinished.connect(lambda _: page.runJavaScript(LOOK, 0, tell))
    view.load(QUrl.fromLocalFile(str(path)))
    view.show()
    app.exec()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), int(sys.argv[2]))

"""Takes docs/overview.png from a running demo, with Chromium and its driver.

    tests/tools/screenshot.py http://127.0.0.1:8080 ana@brightline.example PASSWORD [PATH [FILE [HEIGHT]]]
"""

import base64
import json
import subprocess
import sys
import time
import urllib.request

PORT = 18098
WIDTH = 1280
# what headless Chromium takes away from the window for its frame
FRAME = 140


def main(url, email, password, path="/overview", file="docs/overview.png", height="900"):
    driver = subprocess.Popen(["chromedriver", f"--port={PORT}"], stdout=subprocess.DEVNULL)
    try:
        time.sleep(1.5)
        take(url, email, password, path, file, int(height))
    finally:
        driver.terminate()


def call(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", data, headers, method=method)
    return json.load(urllib.request.urlopen(request))["value"]


def take(url, email, password, path, file, height):
    arguments = ["--headless=new", "--no-sandbox", "--hide-scrollbars", "--force-device-scale-factor=1"]
    options = {"goog:chromeOptions": {"args": arguments}}
    session = "/session/" + call("POST", "/session", {"capabilities": {"alwaysMatch": options}})["sessionId"]

    def element(css):
        found = call("POST", f"{session}/element", {"using": "css selector", "value": css})
        return f"{session}/element/{next(iter(found.values()))}"

    try:
        call("POST", f"{session}/window/rect", {"width": WIDTH, "height": height + FRAME})
        call("POST", f"{session}/url", {"url": f"{url}/sign-in"})
        call("POST", element("input[name=email]") + "/value", {"text": email})
        call("POST", element("input[name=password]") + "/value", {"text": password})
        call("POST", element("form button") + "/click", {})
        time.sleep(1)
        call("POST", f"{session}/url", {"url": url + path})
        time.sleep(1)
        with open(file, "wb") as out:
            out.write(base64.b64decode(call("GET", f"{session}/screenshot")))
    finally:
        call("DELETE", session)


if __name__ == "__main__":
    main(*sys.argv[1:])

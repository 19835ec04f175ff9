"""A browser without a window, for tests of pages: Chromium, driven over the WebDriver protocol by its own driver.

    with Browser(folder, 1280, 720) as b:
        b.open(path); b.keys('+'); b.run('return document.title'); picture = b.picture()
"""
import base64
import http.client
import json
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import time
import zlib

START = 30  # seconds that the driver has to say where it listens
KEYS = {'Escape': '\ue00c', 'Enter': '\ue007', 'ArrowLeft': '\ue012', 'ArrowUp': '\ue013', 'ArrowRight': '\ue014',
        'ArrowDown': '\ue015'}  # WebDriver, "Keyboard actions"


class NoBrowser(Exception):
    """It is not there, or did not do what it was asked."""


def commands():
    """(browser, driver); grade/setup knows what installs them."""
    browser = next((path for path in map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome')) if path), None)
    driver = shutil.which('chromedriver')
    if not browser or not driver:
        raise NoBrowser('Chromium or its driver is missing; to install them: make setup test')
    return browser, driver


class Picture:
    """A PNG of 8 bits a channel, not interlaced, as a browser makes it."""

    def __init__(self, png):
        at, data = 8, b''
        while at < len(png):
            size, kind = struct.unpack_from('>I4s', png, at)
            if kind == b'IHDR':
                self.width, self.height, depth, colour, _, _, laced = struct.unpack_from('>2I5B', png, at + 8)
            elif kind == b'IDAT':
                data += png[at + 8:at + 8 + size]
            at += 12 + size
        if depth != 8 or colour not in (2, 6) or laced:
            raise NoBrowser('a picture of another kind than is read here')
        self.size = 3 if colour == 2 else 4
        self.rows = self.unfilter(zlib.decompress(data))

    def unfilter(self, data):
        """PNG, section 9: a byte is what it adds to those to the left (a), above (b) and above left (c)."""
        size, length = self.size, self.width * self.size
        rows, above = [], bytes(length)
        for y in range(self.height):
            at = y * (length + 1)
            how, row = data[at], bytearray(data[at + 1:at + 1 + length])
            if how == 1:
                for i in range(size, length):
                    row[i] = row[i] + row[i - size] & 255
            elif how == 2:
                row = bytearray(x + b & 255 for x, b in zip(row, above))
            elif how == 3:
                for i in range(length):
                    row[i] = row[i] + ((row[i - size] if i >= size else 0) + above[i]) // 2 & 255
            elif how == 4:
                for i in range(length):
                    a, b, c = (row[i - size], above[i], above[i - size]) if i >= size else (0, above[i], 0)
                    pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)
                    row[i] = row[i] + (a if pa <= pb and pa <= pc else b if pb <= pc else c) & 255
            rows.append(bytes(row))
            above = row
        return rows

    def pixel(self, x, y):
        return tuple(self.rows[y][x * self.size:x * self.size + 3])

    def colours(self):
        return {self.pixel(x, y) for y in range(self.height) for x in range(self.width)}


class Browser:
    """One window of the given size. Ends with the `with`; its files are in `folder`."""

    def __init__(self, folder, width, height, wait=60):
        self.browser, self.driver = commands()
        self.folder, self.size, self.wait = os.path.abspath(folder), (width, height), wait
        self.process = self.connection = self.session = self.pid = None

    def __enter__(self):
        # a group of its own, so that whatever is left of it can be ended
        self.process = subprocess.Popen([self.driver, '--port=0'], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True)
        try:
            self.connection = http.client.HTTPConnection('127.0.0.1', self.port(), timeout=self.wait)
            arguments = ['--headless=new', f'--window-size={self.size[0]},{self.size[1]}', '--force-device-scale-factor=1',
                         f'--user-data-dir={self.folder}/chromium', '--disable-gpu', '--disable-dev-shm-usage',
                         '--hide-scrollbars', '--no-first-run', '--disable-background-networking']
            arguments += ['--no-sandbox'] if os.geteuid() == 0 else []
            options = {'binary': self.browser, 'args': arguments}
            capabilities = {'capabilities': {'alwaysMatch': {'goog:chromeOptions': options}}}
            made = self.ask('POST', '/session', capabilities)
            self.session, self.pid = made['sessionId'], made['capabilities'].get('goog:processID')
            self.devtools('Emulation.setDeviceMetricsOverride', width=self.size[0], height=self.size[1], deviceScaleFactor=1,
                          mobile=False)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            if self.session:  # anew: the last answer may still be missing
                self.connection.close()
                self.connection.timeout = 10
                self.ask('DELETE', '')
        except (NoBrowser, OSError, http.client.HTTPException):
            self.kill(os.kill, self.pid)
        finally:
            self.kill(os.killpg, self.process.pid)
            self.process.wait()
            self.process.stdout.close()

    @staticmethod
    def kill(how, pid):
        try:
            if pid:
                how(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def port(self):
        """Where the driver listens: it says so."""
        said, end = b'', time.monotonic() + START
        while time.monotonic() < end:
            if select.select([self.process.stdout], [], [], 0.2)[0]:
                data = os.read(self.process.stdout.fileno(), 4096)
                said += data
                match = re.search(rb'successfully on port (\d+)', said)
                if match:
                    return int(match[1])
                if not data:
                    break
        raise NoBrowser(f'{self.driver} does not start: {said.decode("utf-8", "replace")[-300:]}')

    def ask(self, method, path, body=None):
        where = path if path == '/session' else f'/session/{self.session}{path}'
        self.connection.request(method, where, json.dumps(body if body is not None else {}) if method == 'POST' else None,
                                {'Content-Type': 'application/json'})
        value = json.loads(self.connection.getresponse().read())['value']
        if isinstance(value, dict) and 'error' in value:
            raise NoBrowser(f'{value["error"]}: {value.get("message", "").splitlines()[0]}')
        return value

    def open(self, path):
        self.ask('POST', '/url', {'url': 'file://' + os.path.abspath(path)})

    def run(self, script, *arguments):
        """What the script, a function's body, returns."""
        return self.ask('POST', '/execute/sync', {'script': script, 'args': arguments})

    def until(self, script, seconds=30):
        """What the script returns as soon as that is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.run(script)
            if value:
                return value
            time.sleep(0.02)
        raise NoBrowser(f'never true within {seconds} s: {script}')

    def keys(self, *keys):
        """Keys pressed and let go, one after the other."""
        actions = [{'type': kind, 'value': KEYS.get(k, k)} for k in keys for kind in ('keyDown', 'keyUp')]
        self.ask('POST', '/actions', {'actions': [{'type': 'key', 'id': 'keys', 'actions': actions}]})

    def mouse(self, *steps):
        """('move', x, y), ('down',), ('up',): what the mouse does."""
        actions = [{'type': 'pointerMove', 'x': int(s[1]), 'y': int(s[2]), 'duration': 0} if s[0] == 'move' else
                   {'type': 'pointer' + s[0].capitalize(), 'button': 0} for s in steps]
        self.ask('POST', '/actions', {'actions': [{'type': 'pointer', 'id': 'mouse', 'actions': actions}]})

    def wheel(self, x, y, by):
        self.ask('POST', '/actions', {'actions': [{'type': 'wheel', 'id': 'wheel', 'actions': [
            {'type': 'scroll', 'x': int(x), 'y': int(y), 'deltaX': 0, 'deltaY': by, 'duration': 0}]}]})

    def devtools(self, command, **parameters):
        """What no other driver than Chromium's has."""
        return self.ask('POST', '/goog/cdp/execute', {'cmd': command, 'params': parameters})

    def png(self):
        return base64.b64decode(self.ask('GET', '/screenshot'))

    def picture(self, x, y, width, height):
        """A part of what is to be seen."""
        clip = {'x': int(x), 'y': int(y), 'width': width, 'height': height, 'scale': 1}
        return Picture(base64.b64decode(self.devtools('Page.captureScreenshot', clip=clip)['data']))

"""The admin listener of an edge, as far as the measurements need it: invalidations, and what it has counted."""

import contextlib
import http.client
import itertools
import json
import re
import sys
import threading
import time
from xml.sax.saxutils import escape

ANSWER_SECONDS_MAX = 60


class Admin:
    """One edge's. Each call is a connection of its own."""

    def __init__(self, port):
        self.port = port
        self.root = f"/2020-05-31/distribution/{json.loads(self.call('GET', '/distribution'))['Id']}/invalidation"
        self.references = itertools.count()

    def call(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS_MAX)
        with contextlib.closing(connection):
            connection.request(method, path, body)
            response = connection.getresponse()
            text = response.read().decode()
        if response.status not in (200, 201):
            sys.exit(f"{method} {path}: {response.status}\n{text}")
        return text

    def invalidate(self, items):
        """In force when this returns; the answer's id."""
        paths = "".join(f"<Path>{escape(item)}</Path>" for item in items)
        text = self.call("POST", self.root, (
            f"<InvalidationBatch><CallerReference>{next(self.references)}</CallerReference>"
            f"<Paths><Quantity>{len(items)}</Quantity><Items>{paths}</Items></Paths></InvalidationBatch>"
        ).encode())
        return re.search("<Id>(.*?)</Id>", text)[1]

    def wait_completed(self, identifier):
        give_up = time.monotonic() + ANSWER_SECONDS_MAX
        while "<Status>Completed<" not in self.call("GET", f"{self.root}/{identifier}"):
            if time.monotonic() > give_up:
                sys.exit(f"invalidation {identifier} is not Completed after {ANSWER_SECONDS_MAX} s")
            time.sleep(0.01)

    def counters(self):
        """Those of /metrics, by name."""
        lines = self.call("GET", "/metrics").splitlines()
        return {name: int(value) for name, value in (line.split() for line in lines if not line.startswith("#"))}

    @contextlib.contextmanager
    def meanwhile(self, act, seconds):
        """Calls `act` every so many seconds, or without a pause if that is 0, as long as the block runs."""
        done = threading.Event()

        def go_on():
            while not done.wait(seconds):
                act()

        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

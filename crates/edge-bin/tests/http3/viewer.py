"""A viewer over HTTP/3: reads orders as JSON on stdin, all for one connection, and prints what was answered.

aioquic speaks QUIC, and ls-qpack compresses fields: neither has anything in common with what the edge is built of.
"""

import asyncio
import hashlib
import json
import ssl
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration


class Viewer(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.http = H3Connection(self._quic)
        self.answers = {}

    async def ask(self, order):
        stream = self._quic.get_next_available_stream_id()
        body = order.get("body", "").encode()
        fields = {":method": order["method"], ":scheme": "https", ":authority": order["host"], ":path": order["path"]}
        fields |= order.get("fields", {})
        headers = [(name.encode(), value.encode()) for name, value in fields.items()]
        answer = {"fields": [], "body": b"", "done": asyncio.get_running_loop().create_future()}
        self.answers[stream] = answer
        self.http.send_headers(stream, headers, end_stream=not body)
        if body:
            self.http.send_data(stream, body, end_stream=True)
        self.transmit()
        await asyncio.wait_for(answer["done"], 20)
        fields = {name.decode(): value.decode() for name, value in answer["fields"]}
        text = answer["body"]
        return {"fields": fields, "length": len(text), "sha256": hashlib.sha256(text).hexdigest()}

    def quic_event_received(self, event):
        for happened in self.http.handle_event(event):
            answer = self.answers[happened.stream_id]
            if isinstance(happened, HeadersReceived):
                answer["fields"] += happened.headers
            elif isinstance(happened, DataReceived):
                answer["body"] += happened.data
            if happened.stream_ended and not answer["done"].done():
                answer["done"].set_result(None)


async def main():
    orders = json.load(sys.stdin)
    configuration = QuicConfiguration(is_client=True, alpn_protocols=H3_ALPN, server_name=orders["name"])
    configuration.load_verify_locations(orders["ca"])
    configuration.verify_mode = ssl.CERT_REQUIRED
    try:
        async with connect("127.0.0.1", orders["port"], configuration=configuration, create_protocol=Viewer) as viewer:
            first, *rest = orders["requests"]
            answers = [await viewer.ask(first)]
            # The others at once, on streams beside each other.
            answers += await asyncio.gather(*[viewer.ask(order) for order in rest])
            print(json.dumps(answers))
    except ConnectionError as error:
        print(json.dumps({"refused": str(error)}))


asyncio.run(main())

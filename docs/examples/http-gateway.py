"""A service behind the http gateway, in 40 lines: docs/reference/http-gateway.md."""
import base64, hashlib, hmac, json, os, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

KEY = base64.b64decode(os.environ["SECRET"].removeprefix("whsec_"))
paid, lock = {}, Lock()  # keep this in a database, written before the money moves


class Refunds(BaseHTTPRequestHandler):
    def body_if_signed(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        id, sent = self.headers.get("webhook-id", ""), self.headers.get("webhook-timestamp", "0")
        text = f"{id}.{sent}.".encode() + body
        tag = "v1," + base64.b64encode(hmac.digest(KEY, text, hashlib.sha256)).decode()
        given = self.headers.get("webhook-signature", "").split(" ")
        fresh = sent.isdigit() and abs(time.time() - int(sent)) <= 300
        return body if fresh and any(hmac.compare_digest(tag, one) for one in given) else None

    def answer(self, status, said):
        text = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_POST(self):
        if (body := self.body_if_signed()) is None:
            return self.answer(401, {"error": "signature"})
        ask = json.loads(body)  # with a "bank_account" where one is needed: pay to it, log it never
        with lock:  # the same id twice is paid once
            if ask["id"] not in paid:
                paid[ask["id"]] = {"status": "succeeded", "reference": f"ex-{len(paid) + 1}",
                                   "amount": ask["amount"], "currency": ask["currency"]}
        self.answer(200, paid[ask["id"]])

    def do_GET(self):
        if self.body_if_signed() is None:
            return self.answer(401, {"error": "signature"})
        known = paid.get(self.path.rsplit("/", 1)[-1])
        self.answer(200 if known else 404, known or {"status": "unknown"})


ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", 8090))), Refunds).serve_forever()

"""A real HTTPS server for the tests: takes POSTs on 127.0.0.1 and writes each as a JSON object in a line of
`requests.jsonl` in its directory, before it answers. Tells its port on standard output. Ends with standard input.

The file `mode` in the directory says how it answers:
  200, 500 …       with that status
  close            not at all: the connection ends
  wait SECONDS     with 200, after so long
  redirect URL     with 302 to that URL
  large            with 200 and a body of 4 MiB
"""

import argparse
import http.server
import json
import os
import ssl
import sys
import threading
import time

lock = threading.Lock()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        with open(os.path.join(directory, "mode")) as file:
            mode = file.read().split()
        headers = {name.lower(): value for name, value in self.headers.items()}
        line = json.dumps({"path": self.path, "headers": headers, "body": body.decode(), "mode": mode[0]})
        with lock, open(os.path.join(directory, "requests.jsonl"), "a") as file:
            file.write(line + "\n")
        if mode[0] == "close":
            self.close_connection = True
        elif mode[0] == "wait":
            time.sleep(float(mode[1]))
            self.answer(200)
        elif mode[0] == "redirect":
            self.answer(302, [("Location", mode[1])])
        elif mode[0] == "large":
            self.answer(200, body=b"x" * (4 << 20))
        else:
            self.answer(int(mode[0]))

    def answer(self, status, headers=(), body=b"{}"):
        try:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            # The client has heard enough.
            self.close_connection = True

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, context, port):
        self.context = context
        super().__init__(("127.0.0.1", port), Handler)

    def finish_request(self, request, client_address):
        # In the connection's own thread, so that a slow handshake keeps nobody waiting.
        try:
            request = self.context.wrap_socket(request, server_side=True)
            super().finish_request(request, client_address)
            request.close()
        except (ssl.SSLError, OSError):
            pass


parser = argparse.ArgumentParser()
parser.add_argument("directory")
parser.add_argument("--certificate", required=True)
parser.add_argument("--key", required=True)
parser.add_argument("--port", type=int, default=0)
options = parser.parse_args()
directory = options.directory
tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(options.certificate, options.key)
server = Server(tls, options.port)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()

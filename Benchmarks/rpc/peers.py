"""The programs that are compared, and how each is built and started."""

import os
import subprocess

from lib.machine import package
from lib.processes import Failed

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "Benchmarks", "rpc")
BUILD = os.path.join(ROOT, ".build", "bench")

OURS = "handoff"
CPP = "gRPC C++"
LIMIT = "limit"
SWIFT = "grpc-swift-2"
OURS_TLS = "handoff, TLS"
CPP_TLS = "gRPC C++, TLS"

CPP_FLAGS = ["-O2", "-std=c++17"]
C_FLAGS = ["-O2", "-Wall", "-Wextra"]


def _run(command, **options):
    print("  " + " ".join(command)[:110], flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise Failed(done.stdout[-4000:])
    return done.stdout


def _is_newer(product, sources):
    if not os.path.exists(product):
        return False
    made = os.path.getmtime(product)
    return all(os.path.getmtime(source) < made for source in sources)


def build_ours():
    """The release build that `scripts/up` makes, too."""
    command = ["swift", "build", "--package-path", ROOT, "-c", "release", "--static-swift-stdlib"]
    _run([*command, "--product", "rpc-bench"])
    return os.path.join(_run([*command, "--show-bin-path"]).strip().splitlines()[-1], "rpc-bench")


def build_limit():
    source = os.path.join(HERE, "peers", "limit.c")
    product = os.path.join(BUILD, "limit")
    if not _is_newer(product, [source]):
        os.makedirs(BUILD, exist_ok=True)
        _run(["cc", *C_FLAGS, source, "-o", product, "-lnghttp2"])
    return product


def build_cpp():
    """The server and the client in gRPC C++."""
    generated = os.path.join(BUILD, "cpp")
    includes = [os.path.join(ROOT, "Tests", "TestProtos", "protos"), os.path.join(ROOT, "protos")]
    protos = ["handoff/test/v1/echo.proto", "handoff/type/v1/options.proto"]
    sources = [os.path.join(generated, proto.removesuffix(".proto") + ".pb.cc") for proto in protos]
    sources.append(os.path.join(generated, protos[0].removesuffix(".proto") + ".grpc.pb.cc"))
    if not _is_newer(sources[-1], [os.path.join(includes[0], protos[0])]):
        os.makedirs(generated, exist_ok=True)
        _run(["protoc", *(f"-I{path}" for path in includes), f"--cpp_out={generated}", f"--grpc_out={generated}",
              "--plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin", *protos])
    shared = [_compile_cpp(source, generated) for source in sources]
    libraries = _run(["pkg-config", "--libs", "grpc++", "protobuf"]).split()
    products = {}
    for name in ("server", "client"):
        product = products[name] = os.path.join(BUILD, "cpp-" + name)
        objects = [_compile_cpp(os.path.join(HERE, "peers", "cpp", name + ".cc"), generated), *shared]
        if not _is_newer(product, objects):
            _run(["c++", *objects, "-o", product, *libraries])
    return products


def _compile_cpp(source, generated):
    product = os.path.join(BUILD, os.path.basename(source).removesuffix(".cc") + ".o")
    if not _is_newer(product, [source]):
        _run(["c++", *CPP_FLAGS, f"-I{generated}", "-c", source, "-o", product])
    return product


def build_grpc_swift():
    """A package of its own; its first build takes many minutes."""
    directory = os.path.join(HERE, "peers", "grpc-swift")
    scratch = os.path.join(ROOT, ".build", "bench", "grpc-swift")
    command = ["swift", "build", "--package-path", directory, "--scratch-path", scratch, "-c", "release"]
    _run(command)
    return os.path.join(_run([*command, "--show-bin-path"]).strip().splitlines()[-1], "echo-server")


def make_certificate():
    """A certificate for this machine and its key, as every server of a run shows it."""
    os.makedirs(BUILD, exist_ok=True)
    certificate, key = (os.path.join(BUILD, name) for name in ("server.pem", "server.key"))
    _run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
          "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key,
          "-out", certificate])
    return certificate, key


class Peers:
    """What takes part in a run: commands of servers and clients by name."""

    def __init__(self, with_grpc_swift):
        print("Building, in release:", flush=True)
        ours = build_ours()
        cpp = build_cpp()
        self.servers = {OURS: [ours, "server"], CPP: [cpp["server"], "0"], LIMIT: [build_limit(), "0"]}
        files = make_certificate()
        self.secure_servers = {OURS: self.servers[OURS], OURS_TLS: [ours, "server", "0", *files],
                               CPP: self.servers[CPP], CPP_TLS: [cpp["server"], "0", *files]}
        self.clients = {OURS: [ours, "client"], CPP: [cpp["client"]]}
        if with_grpc_swift:
            self.servers[SWIFT] = [build_grpc_swift()]

    @staticmethod
    def versions():
        return [("libnghttp2", package("libnghttp2-14")), ("gRPC C++", package("libgrpc++-dev")),
                ("h2load", package("nghttp2-client")), ("g++", package("g++")),
                ("OpenSSL", package("libssl3"))]

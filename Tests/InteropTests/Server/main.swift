import Crypto
import EventLoop
import Foundation
import RPC
import RPCProtos
import TestProtos

// The server of gRPC's interoperability tests, with health and reflection:
//
//   rpc-interop-server --port N [--tls-cert F --tls-key F] [--attended]
//
// Serves on 127.0.0.1, in the clear or with TLS. Port 0 takes any that is free; the port is printed. With --attended it
// ends when its standard input does.
func stop(_ problem: String) -> Never {
  let usage = "usage: rpc-interop-server --port N [--tls-cert F --tls-key F] [--attended]"
  FileHandle.standardError.write(Data("rpc-interop-server: \(problem)\n\(usage)\n".utf8))
  exit(64)
}

let isAttended = CommandLine.arguments.contains("--attended")
var options: [String: String] = [:]
var arguments = CommandLine.arguments.dropFirst().filter { $0 != "--attended" }
while let name = arguments.first {
  guard ["--port", "--tls-cert", "--tls-key"].contains(name) else { stop("it knows no \(name)") }
  guard arguments.count > 1 else { stop("\(name) needs a value") }
  options[name] = arguments[1]
  arguments.removeFirst(2)
}
guard let port = options["--port"].flatMap({ UInt16($0) }) else { stop("--port takes a number from 0 to 65535") }

var configuration = RPCServerConfiguration(listen: [.ipv4(0x7F00_0001, port: port)])
switch (options["--tls-cert"], options["--tls-key"]) {
case (nil, nil): break
case (let certificate?, let key?):
  do {
    let identity = TLSIdentity(
      certificate: [UInt8](try Data(contentsOf: URL(filePath: certificate))),
      privateKey: SecretBytes([UInt8](try Data(contentsOf: URL(filePath: key)))))
    configuration.tls = TLSSource(try TLSContext(server: identity, clients: .ignored))
  } catch {
    stop("the certificate cannot be used: \(error)")
  }
default: stop("--tls-cert and --tls-key go together")
}
configuration.refusedPeer = { peer, reason in
  FileHandle.standardError.write(Data("rpc-interop-server: \(peer): \(reason)\n".utf8))
}
let loops = try EventLoopGroup.start()
let health = HealthService()
var services = [InteropService(loops: loops).service, health.rpcService]
services += ReflectionService(services: services.map(\.name), files: TestProtoFiles.all).rpcServices
let server = RPCServer(group: loops, configuration: configuration, services: services)
do { try await server.start() } catch { stop("it cannot listen on port \(port): \(error)") }
for name in [""] + services.map(\.name) { health.set(name, .serving) }
print(server.boundAddresses.first?.port ?? 0)
fflush(nil)
if isAttended {
  while readLine() != nil {}
  health.shutDown()
  await server.drain(within: .seconds(2))
  loops.shutdown()
} else {
  while true { pause() }
}

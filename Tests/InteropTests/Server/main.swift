import EventLoop
import Glibc
import RPC
import RPCProtos

// The server of gRPC's interoperability tests, with the health service:
//
//   rpc-interop-server --port N [--attended]
//
// Port 0 takes any that is free; the port is printed. With --attended it ends when its standard input does.
let arguments = CommandLine.arguments
func value(_ name: String) -> String? {
  guard let index = arguments.firstIndex(of: name), index + 1 < arguments.count else { return nil }
  return arguments[index + 1]
}

guard let port = value("--port").flatMap({ UInt16($0) }) else {
  print("usage: rpc-interop-server --port N [--attended]")
  exit(64)
}
let loops = try EventLoopGroup.start()
let health = HealthService()
let service = InteropService(loops: loops).service
let server = RPCServer(
  group: loops, configuration: RPCServerConfiguration(listen: [.ipv4(0x7F00_0001, port: port)]),
  services: [service, health.rpcService])
try await server.start()
for name in ["", service.name] { health.set(name, .serving) }
print(server.boundAddresses.first?.port ?? 0)
fflush(nil)
if arguments.contains("--attended") {
  while readLine() != nil {}
  health.shutDown()
  await server.drain(within: .seconds(2))
  loops.shutdown()
} else {
  while true { pause() }
}

import Crypto
import EventLoop
import Glibc
import RPC
import ServiceKit
import TestProtos

// Our side of `scripts/bench rpc`: the server, with the interceptors that every daemon has, and the client.
//
//   rpc-bench server [PORT [CERTIFICATE KEY]]        (0: any; prints the port; runs until its standard input ends)
//   rpc-bench client HOST:PORT unary CALLS UNDERWAY
//   rpc-bench client HOST:PORT down|up MESSAGES BYTES
let arguments = Array(CommandLine.arguments.dropFirst())

switch (arguments.first, arguments.count) {
case ("server", _):
  let loops = try EventLoopGroup.start()
  let service = EchoBench().rpcService
  let port = arguments.dropFirst().first.flatMap { UInt16($0) } ?? 0
  let interceptors: [any ServerInterceptor] = [
    CallMetrics(Metrics(), services: [service]),
    CallLog(Logger(service: "bench", level: .warning, output: .standardError)),
  ]
  var configuration = RPCServerConfiguration(listen: [.ipv4(0x7F00_0001, port: port)])
  if arguments.count == 4 {
    let files = TLSFiles(certificate: arguments[2], key: arguments[3], authorities: arguments[2])
    configuration.tls = TLSSource(try files.server(.ignored))
  }
  let server = RPCServer(group: loops, configuration: configuration, services: [service], interceptors: interceptors)
  try await server.start()
  print(server.boundAddresses.first?.port ?? 0)
  fflush(nil)
  while readLine() != nil {}
  await server.drain(within: .seconds(2))
  loops.shutdown()
case ("client", 5):
  guard let target = RPCTarget(parsing: arguments[1]), let count = Int(arguments[3]), let size = Int(arguments[4])
  else { exit(64) }
  let loops = try EventLoopGroup.start(count: 1)
  let channel = RPCChannel(group: loops, target: target)
  let bench = ClientBench(client: EchoServiceClient(channel))
  let kind = arguments[2]
  let began = MonotonicTime.current
  try await Task(executorPreference: loops.loops[0]) { try await bench.run(kind, count, size) }.value
  print(Double(MonotonicTime.current.since(began).wholeNanoseconds) / 1e9)
  await channel.close()
  loops.shutdown()
default:
  print("usage: rpc-bench server [PORT [CERTIFICATE KEY]] | client HOST:PORT unary|down|up COUNT SIZE")
  exit(64)
}

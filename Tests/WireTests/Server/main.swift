import EventLoop
import Glibc
import RPC

// Serves until its standard input ends, so that no server outlives the test that started it.
let address = CommandLine.arguments.dropFirst().first.flatMap(SocketAddress.init(parsing:))
let loops = try EventLoopGroup.start(count: 2)
let server = RPCServer(
  group: loops, configuration: RPCServerConfiguration(listen: [address ?? .ipv4(0x7F00_0001, port: 0)]),
  services: [EchoService.make(loops)], http: EchoHTTP())
try await server.start()
print(server.boundAddresses[0])
fflush(nil)
while readLine() != nil {}
await server.drain(within: .seconds(2))
loops.shutdown()

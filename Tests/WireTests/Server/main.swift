import EventLoop
import Glibc
import RPC

// rpc-echo [ADDRESS] [patience=SECONDS] [connections=NUMBER] serves until its standard input ends, so that no server
// outlives the test that started it. `patience` is what it has with slow clients in every respect.
var configuration = RPCServerConfiguration(listen: [.ipv4(0x7F00_0001, port: 0)])
for argument in CommandLine.arguments.dropFirst() {
  let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
  switch (parts.first, parts.last.flatMap { Int($0) }, SocketAddress(parsing: argument)) {
  case (_, _, let address?): configuration.listen = [address]
  case ("patience", let seconds?, _): configuration.limits.setPatience(.seconds(seconds))
  case ("connections", let number?, _): configuration.limits.connectionsMax = number
  default:
    print("rpc-echo does not know \(argument)")
    exit(64)
  }
}
var descriptors = rlimit()
getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors)
descriptors.rlim_cur = descriptors.rlim_max
setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &descriptors)

let loops = try EventLoopGroup.start(count: 2)
let server = RPCServer(
  group: loops, configuration: configuration, services: [EchoService.make(loops)], http: EchoHTTP())
try await server.start()
print(server.boundAddresses[0])
fflush(nil)
while readLine() != nil {}
await server.drain(within: .seconds(2))
loops.shutdown()

extension RPCServerLimits {
  mutating func setPatience(_ time: Duration) {
    handshakeTimeout = time
    requestTimeout = time
    writeTimeout = time
    stallTimeout = time
    keepaliveTime = time
    keepaliveTimeout = time
  }
}

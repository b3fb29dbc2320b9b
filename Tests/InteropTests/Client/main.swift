import EventLoop
import Glibc
import RPC

// The client of gRPC's interoperability tests:
//
//   rpc-interop-client --host H --port N --case NAME|all
//
// Prints a line a case, the name and "ok" or what went wrong, and ends with 1 if one failed.
let arguments = CommandLine.arguments
func value(_ name: String) -> String? {
  guard let index = arguments.firstIndex(of: name), index + 1 < arguments.count else { return nil }
  return arguments[index + 1]
}

let wanted = value("--case") ?? ""
let cases = InteropCase.all.filter { wanted == "all" || $0.name == wanted }
guard let host = value("--host"), let port = value("--port").flatMap({ UInt16($0) }), !cases.isEmpty else {
  print("usage: rpc-interop-client --host H --port N --case NAME|all")
  print("cases: \(InteropCase.all.map(\.name).joined(separator: " "))")
  exit(64)
}
let loops = try EventLoopGroup.start()
let connect: @Sendable () -> RPCChannel = { RPCChannel(group: loops, target: .tcp(host, port)) }
var failures = 0
for testCase in cases {
  let channel = connect()
  do {
    try await testCase.run(Interop(channel: channel, loop: loops.loops[0], connect: connect))
    print("\(testCase.name) ok")
  } catch {
    failures += 1
    print("\(testCase.name) \(error)")
  }
  fflush(nil)
  await channel.close()
}
loops.shutdown()
exit(failures == 0 ? 0 : 1)

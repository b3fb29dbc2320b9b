import Crypto
import EventLoop
import Foundation
import RPC

// The client of gRPC's interoperability tests:
//
//   rpc-interop-client --host H --port N [--tls-ca F] --case NAME|all [--skip NAME,NAME]
//     [--concurrent-calls N] [--soak-iterations N] [--soak-milliseconds-max N]
//
// Prints a line a case, the name and "ok" or what went wrong, and ends with 1 if one failed. With --tls-ca it speaks
// TLS to a server whose certificate is for H and was issued by an authority of that file.
func stop(_ problem: String) -> Never {
  let usage = """
    usage: rpc-interop-client --host H --port N [--tls-ca F] --case NAME|all [--skip NAME,NAME]
             [--concurrent-calls N] [--soak-iterations N] [--soak-milliseconds-max N]
    cases: \(InteropCase.all.map(\.name).joined(separator: " "))
    """
  FileHandle.standardError.write(Data("rpc-interop-client: \(problem)\n\(usage)\n".utf8))
  exit(64)
}

let known = [
  "--host", "--port", "--tls-ca", "--case", "--skip", "--concurrent-calls", "--soak-iterations",
  "--soak-milliseconds-max",
]
var options: [String: String] = [:]
var arguments = Array(CommandLine.arguments.dropFirst())
while let name = arguments.first {
  guard known.contains(name) else { stop("it knows no \(name)") }
  guard arguments.count > 1 else { stop("\(name) needs a value") }
  options[name] = arguments[1]
  arguments.removeFirst(2)
}

func number(_ name: String, in options: [String: String], usual: Int) -> Int {
  guard let text = options[name] else { return usual }
  guard let number = Int(text), number > 0 else { stop("\(name) takes a number above 0") }
  return number
}

let wanted = options["--case"] ?? ""
let skipped = options["--skip"]?.split(separator: ",").map(String.init) ?? []
let cases = InteropCase.all.filter { (wanted == "all" || $0.name == wanted) && !skipped.contains($0.name) }
guard !cases.isEmpty else { stop("--case takes the name of a case, or all") }
guard let host = options["--host"] else { stop("--host takes a name or a numeric address") }
guard let port = options["--port"].flatMap({ UInt16($0) }) else { stop("--port takes a number from 1 to 65535") }
var configuration = RPCChannelConfiguration()
if let file = options["--tls-ca"] {
  do {
    let authorities = [UInt8](try Data(contentsOf: URL(filePath: file)))
    configuration.tls = RPCChannelTLS(TLSSource(try TLSContext(clientOf: authorities)))
  } catch {
    stop("the authorities cannot be used: \(error)")
  }
}
let scale = InteropScale(
  concurrentCalls: number("--concurrent-calls", in: options, usual: 1000),
  soakIterations: number("--soak-iterations", in: options, usual: 1000),
  soakLatencyMax: .milliseconds(number("--soak-milliseconds-max", in: options, usual: 1000)))
let loops = try EventLoopGroup.start()
let channelConfiguration = configuration
let connect: @Sendable () -> RPCChannel = {
  RPCChannel(group: loops, target: .tcp(host, port), configuration: channelConfiguration)
}
var failures = 0
for testCase in cases {
  let channel = connect()
  do {
    try await testCase.run(Interop(channel: channel, loop: loops.loops[0], scale: scale, connect: connect))
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

import EventLoop
import RPC

/// What stock clients are run against: methods over bytes that answer, fail, wait or stream as their name says.
enum EchoService {
  static let name = "handoff.wire.v1.EchoService"

  static func make(_ loops: EventLoopGroup) -> RPCService {
    RPCService(
      name: name,
      methods: [
        .raw("Echo") { request, call in
          echoMetadata(call)
          return request
        },
        .raw("Fail") { request, call in
          echoMetadata(call)
          let code = request.first.flatMap { StatusCode(rawValue: Int32($0)) } ?? .unknown
          throw RPCError(code, String(decoding: request.dropFirst(), as: UTF8.self))
        },
        .raw("Throw") { _, _ in throw SecretFailure() },
        .raw("Sleep") { request, _ in
          try await loops.currentOrNext().sleep(for: .seconds(3600))
          return request
        },
        .raw("Deadline") { _, call in Array("\(call.deadline.remaining.wholeNanoseconds / 1_000_000)".utf8) },
        .rawServerStreaming("Repeat") { request, responses, call in
          echoMetadata(call)
          let count = request.first.map(Int.init) ?? 0
          for _ in 0..<count { try await responses.send(request) }
        },
        .rawServerStreaming("Flood") { request, responses, _ in
          let piece = [UInt8](repeating: 7, count: 64 << 10)
          while true { try await responses.send(piece) }
        },
        .rawClientStreaming("Concatenate") { requests, _ in
          var all: [UInt8] = []
          for try await request in requests { all += request }
          return all
        },
        .rawBidirectional("Chat") { requests, responses, _ in
          for try await request in requests { try await responses.send(request) }
        },
      ])
  }

  private static func echoMetadata(_ call: CallContext) {
    var initial = Metadata()
    for value in call.metadata.values("x-echo") { initial.add("x-echo", value) }
    call.setInitialMetadata(initial)
    for value in call.metadata.binaries("x-echo-bin") { call.addTrailer("x-echo-bin", binary: value) }
  }
}

private struct SecretFailure: Error {
  let secret = "the password"
}

/// Answers plain HTTP with what it was asked.
struct EchoHTTP: HTTPHandler {
  func respond(to request: HTTPRequest, _ writer: HTTPResponseWriter, _ call: CallContext) async {
    if request.path == "/stream" {
      await writer.begin(status: 200, headers: [("content-type", "text/plain")])
      for line in 1...3 { try? await writer.write(Array("line \(line)\n".utf8)) }
      return await writer.end()
    }
    let text = "\(request.method) \(request.path) \(String(decoding: request.body, as: UTF8.self))"
    await writer.respond(status: 200, headers: [("content-type", "text/plain")], body: Array(text.utf8))
  }
}

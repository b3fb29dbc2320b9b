import EventLoop
import HTTP2
import Testing

@testable import RPC

@Suite("Requests as they come on the wire")
struct RequestTests {
  static let echo = "/test.v1.Script/Echo"
  static let hello: [UInt8] = [0, 0, 0, 0, 5] + Array("hello".utf8)

  @Test("of other content types or methods are refused without gRPC in the answer")
  func refused() async throws {
    try await Fixture.run { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      for (method, type, status) in [
        ("POST", "application/json", "415"), ("POST", nil, "415"), ("POST", "application/grpc-web", "415"),
        ("GET", nil, "405"), ("PUT", "application/grpc", "405"),
      ] {
        let answer = try client.exchange(request(method, Self.echo, type))
        #expect(answer.value(":status") == status)
        #expect(answer.value("grpc-status") == nil)
      }
    }
  }

  @Test(
    "of every gRPC content type are served",
    arguments: ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"])
  func served(type: String) async throws {
    try await Fixture.run { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let answer = try client.exchange(request("POST", Self.echo, type), body: Self.hello)
      #expect(answer.value(":status") == "200")
      #expect(answer.value("content-type") == "application/grpc")
      #expect(answer.value("grpc-status") == "0")
      #expect(answer.body == Self.hello)
    }
  }

  @Test("may be compressed, and so may answers to those who take that")
  func compression() async throws {
    try await Fixture.run { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let packed = try Array("hello".utf8).withUnsafeBytes { try Gzip.deflate($0) }
      let body: [UInt8] = [1, 0, 0, 0, UInt8(packed.count)] + packed
      let path = "/test.v1.Script/Pack"
      for accepted in ["gzip", "identity, deflate,gzip", "snappy,gzip , identity"] {
        let fields = [("grpc-encoding", "gzip"), ("grpc-accept-encoding", accepted)]
        let answer = try client.exchange(request("POST", path, "application/grpc", fields), body: body)
        #expect(answer.value("grpc-encoding") == "gzip")
        #expect(answer.value("grpc-status") == "0")
        #expect(answer.body.first == 1)
        let message = try answer.body.dropFirst(5).withUnsafeBytes { try Gzip.inflate($0, bytesMax: 100) }
        #expect(message == Array("hello".utf8) + [1])
      }
      for accepted in ["identity", "gzipped", "", "deflate,"] {
        let fields = [("grpc-accept-encoding", accepted)]
        let answer = try client.exchange(request("POST", path, "application/grpc", fields), body: Self.hello)
        #expect(answer.value("grpc-encoding") == nil)
        #expect(answer.body == [0, 0, 0, 0, 6] + Array("hello".utf8) + [0])
      }
    }
  }

  @Test("that fail before the first answer get one block of headers, others have their status behind the answers")
  func trailersOnly() async throws {
    try await Fixture.run { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      for (method, body, status, blocks) in [
        ("Echo", Self.hello, "0", 2), ("Fail", [0, 0, 0, 0, 1, 5], "5", 1), ("Repeat", [0, 0, 0, 0, 1, 0], "0", 2),
        ("RepeatAndFail", [0, 0, 0, 0, 1, 0], "15", 1), ("RepeatAndFail", [0, 0, 0, 0, 1, 1], "15", 2),
        ("Nothing", Self.hello, "12", 1),
      ] as [(String, [UInt8], String, Int)] {
        let answer = try client.exchange(request("POST", Fixture.service + method, "application/grpc"), body: body)
        #expect(answer.value("grpc-status") == status, "\(method)")
        #expect(answer.blocks == blocks, "\(method)")
        #expect(answer.value("content-type") == "application/grpc", "\(method)")
      }
    }
  }

  @Test("that are malformed get the status gRPC names for them")
  func malformed() async throws {
    let grpc = "application/grpc"
    let rows: [(body: [UInt8], fields: [(String, String)], status: StatusCode)] = [
      ([0, 0, 0], [], .internal),
      ([0, 0, 0, 0, 9, 1], [], .internal),
      ([2, 0, 0, 0, 0], [], .internal),
      ([1, 0, 0, 0, 1, 0], [], .internal),
      ([1, 0, 0, 0, 1, 0], [("grpc-encoding", "gzip")], .internal),
      ([1, 0, 0, 0, 1, 0], [("grpc-encoding", "snappy")], .unimplemented),
      ([0, 0xFF, 0xFF, 0xFF, 0xFF], [], .resourceExhausted),
      (Self.hello + Self.hello, [], .unimplemented),
      ([], [], .unimplemented),
      (Self.hello, [("grpc-timeout", "soon")], .internal),
      (Self.hello, [("grpc-timeout", "0n")], .deadlineExceeded),
    ]
    try await Fixture.run { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      for row in rows {
        let answer = try client.exchange(request("POST", Self.echo, grpc, row.fields), body: row.body)
        #expect(answer.value("grpc-status") == "\(row.status.rawValue)", "\(row)")
        #expect(answer.value(":status") == "200")
        if row.status == .unimplemented, !row.fields.isEmpty {
          #expect(answer.value("grpc-accept-encoding") == "identity,gzip")
        }
      }
      let last = try client.exchange(request("POST", Self.echo, grpc), body: Self.hello)
      #expect(last.value("grpc-status") == "0")
    }
  }

  @Test("answered while they are still sent are reset without an error behind the answer")
  func answeredEarly() async throws {
    try await Fixture.run { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let stream = try client.open(
        request("POST", "/test.v1.Script/Nothing", "application/grpc"), body: [0], endStream: false)
      while stream.isOpen { try client.turn() }
      #expect(stream.remoteEnded)
      let answer = try client.exchange(request("POST", Self.echo, "application/grpc"), body: Self.hello)
      #expect(answer.value("grpc-status") == "0")
    }
  }

  @Test("that stay incomplete, and connections that stay silent, are ended in time", .timeLimit(.minutes(1)))
  func slow() async throws {
    let limits = RPCServerLimits.with {
      $0.handshakeTimeout = .milliseconds(40)
      $0.requestTimeout = .milliseconds(40)
    }
    try await Fixture.run(limits: limits) { fixture in
      let silent = try Socket.connect(fixture.server.boundAddresses[0])
      let client = try RawClient(fixture.server.boundAddresses[0])
      let stream = try client.open(request("POST", Self.echo, "application/grpc"), body: [0], endStream: false)
      while stream.isOpen { try client.turn() }
      let headerless = try RawClient(fixture.server.boundAddresses[0])
      let whole = try headerless.exchange(request("POST", Self.echo, "application/grpc"), body: Self.hello)
      #expect(whole.value("grpc-status") == "0")
      headerless.send([0, 0, 4, 1, 0, 0, 0, 0, 3, 0x83])
      try headerless.waitForEnd()
      let ended = await Task(executorPreference: fixture.group.loops[0]) { await readable(silent) }.value
      #expect(ended == .bytes(0))
      Socket.close(silent)
    }
  }

  @Test("end with the connection when it idles too long", .timeLimit(.minutes(1)))
  func idle() async throws {
    try await Fixture.run(limits: .with { $0.idleTimeout = .milliseconds(20) }) { fixture in
      // A client that is slow to greet is closed before it has called.
      var hasCalled = false
      while !hasCalled {
        let client = try RawClient(fixture.server.boundAddresses[0])
        guard
          let answer = try? client.exchange(request("POST", Self.echo, "application/grpc"), body: Self.hello)
        else { continue }
        hasCalled = true
        #expect(answer.value("grpc-status") == "0")
        try client.waitForEnd()
        #expect(client.lastGoaway != nil)
      }
      let channelAnswer = try await fixture.channel.unary(Self.echo, [3], soon)
      #expect(channelAnswer.message == [3])
    }
  }

  private func readable(_ fd: Int32) async -> Socket.Transfer {
    await withUnsafeContinuation { continuation in
      let box = WatchBox()
      box.watch = EventLoop.current?.watch(fd, .read) { _ in
        box.watch?.cancel()
        var room = [UInt8](repeating: 0, count: 1024)
        var outcome = room.withUnsafeMutableBytes { Socket.receive(fd, $0) }
        // The server's own preface comes before its end.
        while case .bytes(let count) = outcome, count > 0 {
          outcome = room.withUnsafeMutableBytes { Socket.receive(fd, $0) }
        }
        continuation.resume(returning: outcome)
      }
    }
  }
}

private final class WatchBox { var watch: Watch? }

@Suite("Plain HTTP on the port of a gRPC server")
struct HTTPTests {
  struct Desk: HTTPHandler {
    let script: Signal

    func respond(to request: HTTPRequest, _ writer: HTTPResponseWriter, _ call: CallContext) async {
      switch request.path {
      case "/stream":
        await writer.begin(status: 200, headers: [("content-type", "text/plain")])
        for line in 1...3 { try? await writer.write(Array("line \(line)\n".utf8)) }
        await writer.end()
      case "/flood":
        await writer.begin(status: 200, headers: [])
        while (try? await writer.write([UInt8](repeating: 1, count: 32 << 10))) != nil {}
        script.raise()
      case "/nothing": return
      default:
        let text = "\(request.method) \(request.path) \(request.authority) \(request.header("cookie") ?? "-") "
        await writer.respond(
          status: request.method == "DELETE" ? 204 : 200,
          headers: [("content-type", "text/plain"), ("set-cookie", "a=b")],
          body: request.method == "DELETE" ? [] : Array(text.utf8) + request.body)
      }
    }
  }

  @Test("is answered with status, fields and body")
  func answers() async throws {
    try await Fixture.run(http: Desk(script: Signal())) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let got = try client.exchange(request("GET", "/v1/x?a=b", nil, [("cookie", "c=1"), ("cookie", "d=2")]))
      #expect(got.value(":status") == "200")
      #expect(got.text == "GET /v1/x?a=b desk.example c=1; d=2 ")
      #expect(got.value("content-length") == "\(got.body.count)")
      #expect(got.value("set-cookie") == "a=b")
      let hosted = try client.exchange(
        [(":method", "GET"), (":scheme", "http"), (":path", "/v1/y"), ("host", "host.example")])
      #expect(hosted.text == "GET /v1/y host.example - ")
      let posted = try client.exchange(
        request("POST", "/v1/x", "application/json"), body: [UInt8](repeating: 0x61, count: 300_000))
      #expect(posted.body.suffix(300_000).allSatisfy { $0 == 0x61 })
      let deleted = try client.exchange(request("DELETE", "/v1/x"))
      #expect(deleted.value(":status") == "204")
      #expect(deleted.value("content-length") == nil)
      let head = try client.exchange(request("HEAD", "/v1/x"))
      #expect(head.body.isEmpty && head.value("content-length") != "0")
    }
  }

  @Test("may be answered in pieces, and a handler that says nothing is a 500")
  func pieces() async throws {
    try await Fixture.run(http: Desk(script: Signal())) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      #expect(try client.exchange(request("GET", "/stream")).text == "line 1\nline 2\nline 3\n")
      #expect(try client.exchange(request("GET", "/nothing")).value(":status") == "500")
    }
  }

  @Test("with a body over the limit is refused, and gRPC goes on beside it")
  func tooLarge() async throws {
    try await Fixture.run(http: Desk(script: Signal()), limits: .with { $0.httpBodyBytesMax = 1000 }) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let answer = try client.exchange(
        request("POST", "/v1/x", "application/json"), body: [UInt8](repeating: 0, count: 1001))
      #expect(answer.value(":status") == "413")
      let call = try client.exchange(
        request("POST", RequestTests.echo, "application/grpc"), body: RequestTests.hello)
      #expect(call.value("grpc-status") == "0")
    }
  }

  @Test("whose client leaves ends its handler", .timeLimit(.minutes(1)))
  func clientLeaves() async throws {
    let ended = Signal()
    try await Fixture.run(http: Desk(script: ended)) { fixture in
      let client = try RawClient(fixture.server.boundAddresses[0])
      let stream = try client.open(request("GET", "/flood"), body: [], endStream: true)
      // A handler that has not begun would never begin.
      while client.bodyBytes(stream) == 0 { try client.turn() }
      try client.session.reset(stream, .cancel)
      while stream.isOpen { try client.turn() }
      await ended.wait()
    }
  }
}

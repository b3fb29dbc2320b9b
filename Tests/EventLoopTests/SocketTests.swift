import EventLoop
import Glibc
import Testing

@Suite("Sockets on a loop")
struct SocketTests {
  @Test("carry bytes both ways over TCP and unix sockets", arguments: ["127.0.0.1:0", "[::1]:0", "unix:"])
  func echo(listenOn text: String) async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let loop = group.loops[0]
    let path = "/tmp/handoff-socket-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    let address = try #require(SocketAddress(parsing: text == "unix:" ? text + path : text))
    let echoed = try await Task(executorPreference: loop) {
      let server = try EchoServer(address, loop)
      let answer = try await EchoClient.exchange(server.listener.address, Array("keep the ticket".utf8), loop)
      server.close()
      return answer
    }.value
    #expect(echoed == Array("keep the ticket".utf8))
    #expect(access(path, F_OK) != 0)
  }

  @Test("a refused connect is told when the descriptor becomes writable")
  func refused() async throws {
    let group = try EventLoopGroup.start(count: 1)
    defer { group.shutdown() }
    let loop = group.loops[0]
    let error = try await Task(executorPreference: loop) {
      let unused = try Socket.listen(.ipv4(0x7F00_0001, port: 0))
      let address = try Socket.boundAddress(unused)
      Socket.close(unused)
      let fd = try Socket.connect(address)
      let error = await withUnsafeContinuation { (done: UnsafeContinuation<SocketError?, Never>) in
        let box = WatchBox()
        box.watch = loop.watch(fd, .write) { _ in
          box.watch?.cancel()
          done.resume(returning: Socket.connectError(fd))
        }
      }
      Socket.close(fd)
      return error
    }.value
    #expect(error == SocketError(operation: "connect", code: ECONNREFUSED))
  }

  @Test("the socket file of a dead listener is replaced, of a living one not")
  func staleSocket() throws {
    let path = "/tmp/handoff-stale-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
    let first = try Socket.listen(.unix(path: path))
    #expect(throws: SocketError(operation: "bind", code: EADDRINUSE)) { try Socket.listen(.unix(path: path)) }
    Socket.close(first)
    let second = try Socket.listen(.unix(path: path))
    Socket.close(second)
    unlink(path)
  }

  @Test(
    "addresses are read and written alike",
    arguments: ["127.0.0.1:80", "[::1]:443", "unix:/run/handoff.sock", "10.1.255.7:65535"])
  func roundTrip(text: String) throws { #expect(try #require(SocketAddress(parsing: text)).description == text) }

  @Test(
    "texts that are no address are refused",
    arguments: ["", "80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "a:b:c", "unix:", "host.example:80"])
  func refusedText(text: String) { #expect(SocketAddress(parsing: text) == nil) }

  @Test("localhost resolves to loopback")
  func resolve() throws {
    let addresses = try SocketAddress.resolve(host: "localhost", port: 8)
    #expect(addresses.contains(.ipv4(0x7F00_0001, port: 8)) || addresses.contains { $0.description == "[::1]:8" })
  }
}

@Suite("A byte buffer")
struct ByteBufferTests {
  @Test("returns what was appended, across growth and consumption")
  func appendConsume() {
    var buffer = ByteBuffer()
    var expected: [UInt8] = []
    for round in 0..<200 {
      let piece = [UInt8](repeating: UInt8(round), count: round)
      buffer.append(piece)
      expected += piece
      let taken = min(buffer.count, round / 2)
      #expect(Array(buffer.readable.prefix(taken)) == Array(expected.prefix(taken)))
      buffer.consume(taken)
      expected.removeFirst(taken)
    }
    #expect(Array(buffer.readable) == expected)
    buffer.consume(buffer.count)
    let isEmpty = buffer.isEmpty
    #expect(isEmpty)
  }

  @Test("gives back memory above the bound when cleared, and keeps it below")
  func clear() {
    var buffer = ByteBuffer(capacity: 4096)
    buffer.append(1)
    buffer.clear(keepingAtMost: 4096)
    let kept = buffer.capacity
    buffer.clear(keepingAtMost: 100)
    #expect([kept, buffer.capacity] == [4096, 0])
    buffer.append([1, 2, 3])
    #expect(Array(buffer.readable) == [1, 2, 3])
  }

  @Test("reserved room becomes content when committed")
  func reserve() {
    var buffer = ByteBuffer()
    let room = buffer.reserve(3)
    room[0] = 7
    room[1] = 8
    buffer.commit(2)
    #expect(Array(buffer.readable) == [7, 8])
  }
}

private final class WatchBox { var watch: Watch? }

private final class EchoServer {
  private(set) var listener: Listener!
  private var watches: [Watch] = []

  init(_ address: SocketAddress, _ loop: EventLoop) throws {
    listener = try Listener(try Socket.listen(address), on: loop) { [unowned self] fd, _ in
      let box = WatchBox()
      box.watch = loop.watch(fd, .read) { _ in
        var bytes = [UInt8](repeating: 0, count: 512)
        let got = bytes.withUnsafeMutableBytes { Socket.receive(fd, $0) }
        guard case .bytes(let count) = got, count > 0 else {
          box.watch?.cancel()
          Socket.close(fd)
          return
        }
        _ = bytes.withUnsafeBytes { Socket.send(fd, UnsafeRawBufferPointer(rebasing: $0[0..<count])) }
      }
      watches.append(box.watch!)
    }
  }

  func close() { listener.close() }
}

private enum EchoClient {
  static func exchange(_ address: SocketAddress, _ bytes: [UInt8], _ loop: EventLoop) async throws -> [UInt8] {
    let fd = try Socket.connect(address)
    let answer = await withUnsafeContinuation { (done: UnsafeContinuation<[UInt8], Never>) in
      let box = WatchBox()
      var answer: [UInt8] = []
      box.watch = loop.watch(fd, .write) { told in
        if told.contains(.read) {
          var room = [UInt8](repeating: 0, count: 512)
          if case .bytes(let count) = room.withUnsafeMutableBytes({ Socket.receive(fd, $0) }) {
            answer += room.prefix(count)
          }
        } else {
          _ = bytes.withUnsafeBytes { Socket.send(fd, $0) }
          box.watch?.update(.read)
        }
        guard answer.count >= bytes.count else { return }
        box.watch?.cancel()
        done.resume(returning: answer)
      }
    }
    Socket.close(fd)
    return answer
  }
}

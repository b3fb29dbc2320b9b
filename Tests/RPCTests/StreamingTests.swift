import EventLoop
import Synchronization
import Testing

@testable import RPC

@Suite("Streaming calls over sockets")
struct StreamingTests {
  static let script = Fixture.service

  @Test("give every answer in order, then the end", arguments: [0, 1, 200])
  func serverStreaming(count: UInt8) async throws {
    try await Fixture.run { fixture in
      let request = [count] + [UInt8](repeating: 9, count: 5000)
      var seen = 0
      for try await answer in try await fixture.channel.serverStreaming(Self.script + "Repeat", request, soon) {
        #expect(answer == request)
        seen += 1
      }
      #expect(seen == Int(count))
    }
  }

  @Test("give the answers before the error")
  func errorAfterAnswers() async throws {
    try await Fixture.run { fixture in
      let stream = try await fixture.channel.serverStreaming(Self.script + "RepeatAndFail", [3], soon)
      var seen = 0
      let error = await failure { for try await _ in stream { seen += 1 } }
      #expect(seen == 3)
      #expect(error?.code == .dataLoss)
      let none = await failure {
        try await fixture.channel.serverStreaming(Self.script + "RepeatAndFail", [0], soon)
      }
      #expect(none?.code == .dataLoss)
    }
  }

  @Test("suspend a server whose client does not read, and end it when the client lets go", .timeLimit(.minutes(1)))
  func backPressure() async throws {
    try await Fixture.run { fixture in
      var stream: RawResponseStream? = try await fixture.channel.serverStreaming(Self.script + "Flood", [], soon)
      await fixture.script.began.wait()
      // A call behind the flood shows that the flood has come to rest: the loop has nothing else to do.
      var before = -1
      while before != fixture.script.sent.load(ordering: .sequentiallyConsistent) {
        before = fixture.script.sent.load(ordering: .sequentiallyConsistent)
        for _ in 0..<20 { _ = try await fixture.channel.unary(Self.script + "Echo", [], soon) }
      }
      #expect(before < 100)
      if let stream {
        var reader = stream.makeAsyncIterator()
        for _ in 0..<(before + 100) {
          let answer = try await reader.next()
          #expect(answer?.count == 32 << 10)
        }
      }
      stream = nil
      await fixture.script.cancelled.wait()
      let again = try await fixture.channel.unary(Self.script + "Echo", [4], soon)
      #expect(again.message == [4])
    }
  }

  @Test("end with DEADLINE_EXCEEDED in the middle", .timeLimit(.minutes(1)))
  func deadline() async throws {
    try await Fixture.run { fixture in
      let stream = try await fixture.channel.serverStreaming(
        Self.script + "Flood", [], .timeout(.milliseconds(100)))
      let error = await failure { for try await _ in stream {} }
      #expect(error?.code == .deadlineExceeded)
      await fixture.script.cancelled.wait()
    }
  }

  @Test("end with CANCELLED when the reading task is cancelled", .timeLimit(.minutes(1)))
  func readerCancelled() async throws {
    try await Fixture.run { fixture in
      let reader = Task {
        await failure {
          for try await _ in try await fixture.channel.serverStreaming(Self.script + "Flood", [], soon) {}
        }
      }
      await fixture.script.began.wait()
      reader.cancel()
      #expect(await reader.value?.code == .cancelled)
      await fixture.script.cancelled.wait()
    }
  }

  @Test("take many requests and give one answer")
  func clientStreaming() async throws {
    try await Fixture.run { fixture in
      let parts = [27182, 8, 1828, 45904, 0, 300_000].enumerated().map { index, size in
        [UInt8](repeating: UInt8(index), count: size)
      }
      let answer = try await fixture.channel.clientStreaming(Self.script + "Join", soon) { requests in
        for part in parts { try await requests.send(part) }
      }
      #expect(answer.message == parts.flatMap(\.self))
    }
  }

  @Test("fail when the writer of the requests fails")
  func writerFails() async throws {
    try await Fixture.run { fixture in
      let error = await failure {
        try await fixture.channel.clientStreaming(Self.script + "Join", soon) { requests in
          try await requests.send([1])
          throw RPCError(.aborted, "no more to say")
        }
      }
      #expect(error?.code == .aborted)
    }
  }

  @Test("talk in lockstep, and end without a word")
  func bidirectional() async throws {
    let sizes = [31415, 9, 2653, 58979]
    try await Fixture.run { fixture in
      let (turns, nextTurn) = AsyncStream<Int>.makeStream()
      let chat = try await fixture.channel.bidirectional(Self.script + "Chat", soon) { requests in
        for await size in turns { try await requests.send([UInt8](repeating: 5, count: size)) }
      }
      var answers = chat.makeAsyncIterator()
      for size in sizes {
        nextTurn.yield(size)
        let answer = try await answers.next()
        #expect(answer?.count == size)
      }
      nextTurn.finish()
      let end = try await answers.next()
      #expect(end == nil)
      for try await _ in try await fixture.channel.bidirectional(Self.script + "Chat", soon, { _ in }) {
        Issue.record("an answer to nothing")
      }
    }
  }
}

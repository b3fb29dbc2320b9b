import ServiceKit
import Testing

@Suite("A bounded queue")
struct BoundedQueueTests {
  private struct Full: Error {}
  private struct Cut: Error {}

  @Test("hands elements over in order, to a reader who waits and to one who comes later")
  func order() async throws {
    let queue = BoundedQueue<Int>(countMax: 1000, overflow: Full())
    let reader = Task { try await (0..<1000).asyncMap { _ in try await queue.next() } }
    for number in 0..<1000 { queue.put(number) }
    #expect(try await reader.value == Array(0..<1000))
    for number in 0..<700 { queue.put(number) }
    for number in 0..<700 { #expect(try await queue.next() == number) }
  }

  @Test("is cut when there is no room: what waited is dropped, and the reader is told why")
  func overflow() async {
    let queue = BoundedQueue<Int>(countMax: 3, overflow: Full())
    for number in 0..<4 { queue.put(number) }
    await #expect(throws: Full.self) { try await queue.next() }
    queue.put(5)
    queue.cut(Cut())
    await #expect(throws: Full.self) { try await queue.next() }
  }

  @Test("wakes its reader when it is cut, and when the reader is cancelled")
  func ends() async throws {
    let queue = BoundedQueue<Int>(countMax: 3, overflow: Full())
    let cancelled = Task { try await queue.next() }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    let cut = Task { try await queue.next() }
    queue.cut(Cut())
    await #expect(throws: Cut.self) { try await cut.value }
  }
}

extension Range<Int> {
  fileprivate func asyncMap<Value>(_ transform: (Int) async throws -> Value) async rethrows -> [Value] {
    var values: [Value] = []
    for number in self { values.append(try await transform(number)) }
    return values
  }
}

import EventLoop
import HandoffTestKit
import Synchronization
import Testing

@testable import Postgres

@Suite("Gathered writes of which nobody knows whether they were done")
struct GatheredOutcomeTests {
  private final class Log: Sendable {
    let writes = Mutex<[[Int]]>([])
  }

  /// Has 1 to 5 written while 0 is under way.
  ///
  /// - Returns: what was written, write by write, and the SQLSTATE with which each of them failed.
  private func gather(
    _ write: @escaping @Sendable (_ items: [Int]) throws(PostgresError) -> Void
  ) async -> (writes: [[Int]], failures: [Int: String]) {
    let log = Log()
    let (begun, begin) = AsyncStream.makeStream(of: Void.self)
    let (released, release) = AsyncStream.makeStream(of: Void.self)
    let gathered = GatheredWrites<Int, Int> { items, _ in
      log.writes.withLock { $0.append(items) }
      if items == [0] {
        begin.finish()
        for await _ in released {}
      }
      try write(items)
      return items
    }
    // One loop, which takes them in order: when the last of these runs, all others wait.
    let loop = TestLoops.group.loops[0]
    let failures = await withTaskGroup(of: (Int, String?).self) { group in
      func add(_ item: Int) {
        group.addTask(executorPreference: loop) {
          do {
            #expect(try await gathered.perform(item, deadline: .after(.seconds(300))) == item)
            return (item, nil)
          } catch {
            return (item, (error as? PostgresError)?.sqlState ?? "\(error)")
          }
        }
      }
      add(0)
      for await _ in begun {}
      for item in 1...5 { add(item) }
      group.addTask(executorPreference: loop) {
        release.finish()
        return (-1, nil)
      }
      return await group.reduce(into: [Int: String]()) { $0[$1.0] = $1.1 }
    }
    return (log.writes.withLock { $0 }, failures)
  }

  @Test("what may have been written is not written again")
  func unknownOutcome() async {
    let done = await gather { items throws(PostgresError) in
      if items.count > 1 { throw PostgresError(kind: .outcomeUnknown, sqlState: "08007", message: "") }
    }
    #expect(done.writes == [[0], [1, 2, 3, 4, 5]])
    #expect(done.failures == [1: "08007", 2: "08007", 3: "08007", 4: "08007", 5: "08007"])
  }
}

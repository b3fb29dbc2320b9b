import EventLoop
import HandoffTestKit
import Postgres
import Synchronization
import Testing

@Suite("writes of the same moment") struct GatheredWritesTests {
  private struct Refusal: Error, Equatable {
    let item: Int
  }

  /// What was written, batch by batch. The first write waits until it is let go, so that others gather behind it, if it
  /// is held.
  private final class Book: Sendable {
    let batches = Mutex<[[Int]]>([])
    private let underway = Atomic<Int>(0)
    private let begun = Gate()
    private let first = Gate()

    init(isFirstHeld: Bool = true) { if !isFirstHeld { first.open() } }

    /// Writes in a way that fails for some items, and for those that are written with them.
    func write(_ items: [Int], refusing refused: Set<Int> = []) async throws -> [Int] {
      #expect(underway.wrappingAdd(1, ordering: .relaxed).oldValue == 0, "two writes at once")
      defer { underway.wrappingSubtract(1, ordering: .relaxed) }
      let isFirst = batches.withLock { batches in
        batches.append(items)
        return batches.count == 1
      }
      if isFirst {
        begun.open()
        await first.wait()
      }
      if let item = items.first(where: refused.contains) { throw Refusal(item: item) }
      return items.map { $0 * 10 }
    }

    /// Has items written, all but the first behind a write that is under way.
    ///
    /// - Returns: what became of each, in their order.
    func perform(
      _ items: [Int], by writes: GatheredWrites<Int, Int>, deadlines: [Int: Deadline] = [:],
      areCancelled: Bool = false
    ) async throws -> [Result<Int, any Error>] {
      func begin(_ item: Int) -> Task<Int, any Error> {
        Task(executorPreference: TestLoops.group.loops[0]) {
          try await writes.perform(item, deadline: deadlines[item] ?? TestDatabase.deadline)
        }
      }
      var performed = items.prefix(1).map(begin)
      await begun.wait()
      performed += items.dropFirst().map(begin)
      // A loop takes its tasks in their order: when this is its turn, all the others have asked.
      try await onLoop {}
      if areCancelled { for task in performed { task.cancel() } }
      first.open()
      var results: [Result<Int, any Error>] = []
      for task in performed { results.append(await task.result) }
      return results
    }

    var written: [[Int]] { batches.withLock { $0 } }
  }

  private func outcomes(_ results: [Result<Int, any Error>]) -> [String] {
    results.map { result in
      switch result {
      case .success(let outcome): "\(outcome)"
      case .failure(let refusal as Refusal): "refused \(refusal.item)"
      case .failure(let error as PostgresError) where error.kind == .deadlineExceeded: "late"
      case .failure(let error): "\(error)"
      }
    }
  }

  @Test("what comes while one is written is written together, in its order, and each learns what became of its own")
  func together() async throws {
    let book = Book()
    let writes = GatheredWrites<Int, Int> { items, _ in try await book.write(items) }
    let results = try await book.perform([0, 1, 2, 3, 4, 5], by: writes)
    #expect(book.written == [[0], [1, 2, 3, 4, 5]])
    #expect(outcomes(results) == ["0", "10", "20", "30", "40", "50"])
    // Whoever comes later waits for nobody.
    #expect(try await writes.perform(6, deadline: TestDatabase.deadline) == 60)
    #expect(try await writes.perform(7, deadline: TestDatabase.deadline) == 70)
    #expect(book.written.suffix(2) == [[6], [7]])
  }

  @Test("one write takes so many at most, the first ones first")
  func bounded() async throws {
    let book = Book()
    let writes = GatheredWrites<Int, Int>(itemsMax: 3) { items, _ in try await book.write(items) }
    let results = try await book.perform(Array(0...7), by: writes)
    #expect(book.written == [[0], [1, 2, 3], [4, 5, 6], [7]])
    #expect(outcomes(results) == (0...7).map { "\($0 * 10)" })
  }

  @Test("nobody fails for another's sake: what failed together is written one by one")
  func oneFails() async throws {
    let book = Book()
    let writes = GatheredWrites<Int, Int> { items, _ in try await book.write(items, refusing: [3]) }
    let results = try await book.perform(Array(0...4), by: writes)
    #expect(book.written == [[0], [1, 2, 3, 4], [1], [2], [3], [4]])
    #expect(outcomes(results) == ["0", "10", "20", "refused 3", "40"])
    #expect(try await writes.perform(5, deadline: TestDatabase.deadline) == 50)
  }

  @Test("when all fail, each is told its own error, and the next write is a new one")
  func allFail() async throws {
    let book = Book()
    let writes = GatheredWrites<Int, Int> { items, _ in try await book.write(items, refusing: [0, 1, 2]) }
    let results = try await book.perform([0, 1, 2], by: writes)
    // What is alone is not written again.
    #expect(book.written == [[0], [1, 2], [1], [2]])
    #expect(outcomes(results) == ["refused 0", "refused 1", "refused 2"])
    #expect(try await writes.perform(3, deadline: TestDatabase.deadline) == 30)
  }

  @Test("nothing is begun for those whose time is over, and the others' is not shortened by them")
  func late() async throws {
    let book = Book()
    let over = Deadline.after(.zero)
    let writes = GatheredWrites<Int, Int> { items, deadline in
      #expect(!deadline.hasPassed)
      return try await book.write(items, refusing: [3])
    }
    let results = try await book.perform([0, 1, 2, 3], by: writes, deadlines: [1: over])
    #expect(book.written == [[0], [2, 3], [2], [3]])
    #expect(outcomes(results) == ["0", "late", "20", "refused 3"])
    let late = await Task { try await writes.perform(4, deadline: over) }.result
    #expect(outcomes([late]) == ["late"] && book.written.count == 4)
  }

  @Test("whoever is written alone is told at once, and not when the others are", .timeLimit(.minutes(2)))
  func toldAtOnce() async throws {
    let (begun, first, told) = (Gate(), Gate(), Gate())
    let writes = GatheredWrites<Int, Int> { items, _ in
      if items == [0] {
        begun.open()
        await first.wait()
      }
      if items == [2] { await told.wait() }
      if items.contains(3) { throw Refusal(item: 3) }
      return items.map { $0 * 10 }
    }
    func begin(_ item: Int) -> Task<Int, any Error> {
      Task(executorPreference: TestLoops.group.loops[0]) {
        try await writes.perform(item, deadline: TestDatabase.deadline)
      }
    }
    let zero = begin(0)
    await begun.wait()
    let behind = [1, 2, 3].map(begin)
    try await onLoop {}
    first.open()
    #expect(try await behind[0].value == 10)
    told.open()
    #expect(outcomes([await zero.result, await behind[1].result, await behind[2].result]) == ["0", "20", "refused 3"])
  }

  @Test("a write has its own time, however much its callers have")
  func timeout() async throws {
    let writes = GatheredWrites<Int, Bool>(timeout: .seconds(5)) { items, deadline in
      items.map { _ in deadline.remaining <= .seconds(5) }
    }
    #expect(try await writes.perform(0, deadline: .never))
  }

  @Test("whoever is cancelled while it waits is told what became of its item all the same")
  func cancelled() async throws {
    let book = Book()
    let writes = GatheredWrites<Int, Int> { items, _ in try await book.write(items) }
    let results = try await book.perform([0, 1, 2], by: writes, areCancelled: true)
    #expect(outcomes(results) == ["0", "10", "20"])
    #expect(book.written == [[0], [1, 2]])
  }

  @Test("of many from many threads, each is written once, one write at a time, save those that are refused")
  func many() async throws {
    let refused = Set(stride(from: 7, to: 2_000, by: 97))
    let book = Book(isFirstHeld: false)
    let writes = GatheredWrites<Int, Int> { items, _ in
      await Task.yield()
      return try await book.write(items, refusing: refused)
    }
    await withDiscardingTaskGroup { group in
      for item in 0..<2_000 {
        group.addTask(executorPreference: TestLoops.group.loops[item % TestLoops.group.loops.count]) {
          let result: Result<Int, any Error>
          do {
            result = .success(try await writes.perform(item, deadline: TestDatabase.deadline))
          } catch {
            result = .failure(error)
          }
          #expect(outcomes([result]) == [refused.contains(item) ? "refused \(item)" : "\(item * 10)"])
        }
      }
    }
    let done = book.written.filter { refused.isDisjoint(with: $0) }.joined().sorted()
    #expect(done == (0..<2_000).filter { !refused.contains($0) })
  }
}

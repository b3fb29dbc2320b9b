import Foundation

/// A generator that gives the same numbers for the same seed (SplitMix64).
package struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  /// Begins at `seed`.
  package init(seed: UInt64) { state = seed }

  /// The next number.
  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}

/// How much a test does, and which random numbers it uses.
package enum TestScale {
  /// Whether this run is one of the long proofs: `HANDOFF_TEST_ALL` is set.
  package static let isAll = ProcessInfo.processInfo.environment["HANDOFF_TEST_ALL"] != nil

  /// The seed of this run: `HANDOFF_TEST_SEED`, or one that differs from run to run. It is printed once.
  package static let seed: UInt64 = {
    let given = ProcessInfo.processInfo.environment["HANDOFF_TEST_SEED"].flatMap { UInt64($0) }
    let seed = given ?? .random(in: 0..<1_000_000)
    print("HANDOFF_TEST_SEED=\(seed)")
    return seed
  }()

  /// How much of something a test does: `usual`, or `all` in the long proofs.
  package static func count(usual: Int, all: Int) -> Int { isAll ? all : usual }

  /// The rounds of a test: `usual` times, or `all` times in the long proofs.
  package static func rounds(usual: Int, all: Int) -> TestRounds { TestRounds(count: count(usual: usual, all: all)) }

  /// The rounds of a test that feeds random bytes: `usual` times; in the long proofs as many as ten minutes have, and
  /// with `HANDOFF_FUZZ_SECONDS` as many as there is time for.
  package static func fuzzRounds(usual: Int) -> TestRounds {
    let given = ProcessInfo.processInfo.environment["HANDOFF_FUZZ_SECONDS"].flatMap { Int($0) }
    guard let seconds = given ?? (isAll ? 600 : nil) else { return TestRounds(count: usual) }
    return TestRounds(count: .max, end: Date(timeIntervalSinceNow: Double(seconds)))
  }

  /// What to write beside a failure, so that it can be repeated.
  package static func place(_ round: Int) -> String { "HANDOFF_TEST_SEED=\(seed), round \(round)" }
}

/// Counts rounds from 0, and lets other tests run in between: a long test that never waits would keep one of the few
/// threads that all tests share, and with it the others, whose time limits pass.
package struct TestRounds: AsyncSequence, AsyncIteratorProtocol {
  private let count: Int
  private let end: Date?
  private var round = 0

  init(count: Int, end: Date? = nil) { (self.count, self.end) = (count, end) }

  /// Itself.
  package func makeAsyncIterator() -> TestRounds { self }

  /// The next round.
  package mutating func next() async -> Int? {
    if let end, Date() >= end { return nil }
    guard round < count else { return nil }
    defer { round += 1 }
    await Task.yield()
    return round
  }
}

import EventLoop
import Synchronization
import Testing
import TicketLedger

@testable import Assignment

@Suite("How many posts go out at a time")
struct PostPatienceTests {
  /// A clock that tests move.
  private final class Clock: Sendable {
    let seconds = Atomic<Int>(1)
    var now: MonotonicTime { MonotonicTime(nanoseconds: UInt64(seconds.load(ordering: .relaxed)) * 1_000_000_000) }
    func pass(_ count: Int) { seconds.wrappingAdd(count, ordering: .relaxed) }
  }

  private let clock = Clock()
  private let patience: PostPatience
  private let care = ServiceID(1)
  private let bugs = ServiceID(2)

  init() {
    let clock = clock
    patience = PostPatience(.init(total: 16, service: 8, receiver: 4, doubtful: 1, allDoubtful: 3)) { clock.now }
  }

  private func turn(_ receiver: String) -> String {
    switch patience.begin(receiver, of: care) {
    case .now: "now"
    case .crowded(let wait, nil): "crowded \(wait)"
    case .crowded(let wait, let others?): "crowded \(wait), others \(others)"
    case .later(let wait, nil): "later \(wait)"
    case .later(let wait, let others?): "later \(wait), others \(others)"
    }
  }

  private func begin(_ receiver: String, _ service: ServiceID? = nil) -> PostPatience.Pass? {
    if case .now(let pass) = patience.begin(receiver, of: service ?? care) { pass } else { nil }
  }

  private func end(
    _ pass: PostPatience.Pass?, isThere: Bool? = true, after duration: Duration = .zero
  ) -> PostPatience.Sequel? {
    pass.map { patience.end($0, isThere: isThere, after: duration) }
  }

  @Test("to one receiver go a few, of one service some more, and what has no room comes again soon")
  func places() {
    let passes = (0..<4).map { _ in begin("a") }
    #expect(passes.allSatisfy { $0 != nil })
    #expect((0..<4).allSatisfy { begin("b\($0)") != nil } && begin("c", bugs) != nil)
    #expect(turn("c") == "crowded 0.1 seconds, others 30.0 seconds", "the service has its eight")
    #expect(end(passes[0]) == .room(1, turnedAway: false) && begin("c") != nil && begin("c") == nil)
  }

  @Test("what waits for one without room is put off together, once in a while, and told of each place that is free")
  func backlog() {
    let passes = (0..<4).map { _ in begin("a") }
    #expect(turn("a") == "crowded 0.1 seconds, others 30.0 seconds")
    #expect(turn("a") == "crowded 0.1 seconds")
    #expect(end(passes[0]) == .room(1, turnedAway: true))
    #expect(end(passes[1], isThere: nil) == .room(2, turnedAway: false))
    #expect(end(passes[2], after: .seconds(2)) == .room(0, turnedAway: false), "slow: the one under way has its place")
    #expect(end(passes[3]) == .room(4, turnedAway: false))
    clock.pass(2)
    #expect((0..<4).allSatisfy { _ in begin("a") != nil })
    #expect(turn("a") == "crowded 0.1 seconds, others 30.0 seconds")
  }

  @Test("a receiver that was slow, or failed, or takes long just now has one place until it answers quickly")
  func doubt() {
    _ = end(begin("slow"), after: .seconds(2))
    let slow = begin("slow")
    #expect(slow != nil && begin("slow") == nil)
    _ = end(slow)
    #expect((0..<4).allSatisfy { _ in begin("slow") != nil }, "quick again")
    _ = end(begin("failed"), isThere: false)
    #expect(begin("failed") != nil && begin("failed") == nil)
    #expect(begin("long", bugs) != nil)
    clock.pass(2)
    #expect(begin("long", bugs) == nil)
  }

  @Test("receivers in doubt share some places, whatever their services, and the others keep theirs")
  func shared() {
    for receiver in ["a", "b", "c", "d"] { _ = end(begin(receiver), isThere: false) }
    let (a, b, c) = (begin("a"), begin("b", bugs), begin("c"))
    #expect(a != nil && b != nil && c != nil && begin("d", ServiceID(3)) == nil)
    #expect((0..<4).allSatisfy { _ in begin("quick", ServiceID(3)) != nil })
    _ = end(b, isThere: nil)
    #expect(begin("d", ServiceID(3)) != nil)
  }

  @Test("all that is due to a receiver in doubt is put off together, once in a while")
  func together() {
    _ = end(begin("a"), isThere: false)
    let pass = begin("a")
    #expect(turn("a") == "later 1.0 seconds, others 30.0 seconds")
    #expect(turn("a") == "later 1.0 seconds")
    clock.pass(2)
    #expect(turn("a") == "later 1.0 seconds, others 30.0 seconds")
    #expect(end(pass) == .room(4, turnedAway: true) && begin("a") != nil)
  }

  @Test("one that is away is asked after growing pauses, by one post, and told to be back when it answers")
  func away() {
    for _ in 0..<PostPatience.failuresMax { #expect(end(begin("a"), isThere: false) == .nothing) }
    #expect(turn("a") == "later 1.0 seconds, others 1.0 seconds", "it pauses")
    clock.pass(2)
    let probe = begin("a")
    #expect(probe != nil && begin("a") == nil)
    #expect(end(probe, isThere: false) == .nothing && begin("a") == nil)
    clock.pass(1)
    #expect(begin("a") == nil, "two seconds now")
    clock.pass(60)
    #expect(end(begin("a"), isThere: true) == .back)
    #expect((0..<4).allSatisfy { _ in begin("a") != nil })
  }
}

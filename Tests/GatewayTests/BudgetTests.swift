import HandoffTestKit
import ServiceKit
import Testing

@testable import Gateway

@Suite("Budgets")
struct BudgetTests {
  @Test("so many calls go at once, further ones come with time, and a refused one is told when")
  func bucket() {
    var bucket = TokenBucket(perSecond: 2, now: 100)
    for left in (0..<10).reversed() {
      let verdict = bucket.take(at: 100)
      #expect(verdict.isAdmitted && verdict.remaining == left && verdict.limit == 10)
    }
    let refused = bucket.take(at: 100)
    #expect(!refused.isAdmitted && refused.remaining == 0 && refused.resetSeconds == 1)
    #expect(!bucket.take(at: 100.4).isAdmitted)
    #expect(bucket.take(at: 100.5).isAdmitted)
    #expect(!bucket.take(at: 100.5).isAdmitted)
    // A clock that went back gives nothing.
    #expect(!bucket.take(at: 50).isAdmitted)
    #expect(!bucket.isFull(at: 105) && bucket.isFull(at: 106))
    #expect(bucket.take(at: 1_000) == .init(isAdmitted: true, limit: 10, remaining: 9, resetSeconds: 1))
  }

  @Test("over any time, no more calls go than were saved up and came with the time")
  func bound() async throws {
    var random = SeededGenerator(seed: TestScale.seed)
    for await round in TestScale.rounds(usual: 50, all: 2_000) {
      let perSecond = Double(Int.random(in: 1...50, using: &random))
      var bucket = TokenBucket(perSecond: perSecond, now: 0)
      var (now, admitted) = (0.0, 0)
      for _ in 0..<500 {
        now += Double.random(in: 0...0.1, using: &random)
        if bucket.take(at: now).isAdmitted { admitted += 1 }
        let bound = perSecond * (TokenBucket.burstSeconds + now)
        try #require(Double(admitted) <= bound + 0.001, "\(TestScale.place(round))")
      }
    }
  }

  @Test("each subject has its own, and 0 means that there is none")
  func subjects() throws {
    let budgets = Budgets(perSecond: 1)
    for _ in 0..<5 { #expect(try budgets.take("a")?.isAdmitted == true) }
    #expect { try budgets.take("a") } throws: {
      let error = $0 as? ServiceError
      return error?.reason == .tooManyRequests && error?.metadata == ["retry_after_seconds": "1", "limit": "5"]
    }
    #expect(try budgets.take("b")?.remaining == 4)
    let none = Budgets(perSecond: 0)
    for _ in 0..<100 { #expect(try none.take("a") == nil) }
  }
}

/// SplitMix64: the same seed gives the same demo data on every machine.
struct DemoRandom: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// One of `values`, which must not be empty.
  mutating func pick<Value>(_ values: [Value]) -> Value { values[Int.random(in: 0..<values.count, using: &self)] }

  /// A number of `range`.
  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }

  /// True `percent` times of a hundred.
  mutating func chance(_ percent: Int) -> Bool { number(1...100) <= percent }
}

extension DemoRandom {
  /// Domains reserved for examples (RFC 2606).
  static let domains = ["example.com", "example.org", "example.net"]
}

/// A phone number that belongs to nobody.
enum DemoPhone {
  /// A mobile number with an exchange (0000) that is given to nobody.
  case korean(line: Int)
  /// A number of the range reserved for fiction: 555-0100 to 555-0199.
  case american(line: Int)

  static func korean(_ random: inout DemoRandom) -> DemoPhone { .korean(line: random.number(0...9999)) }
  static func american(_ random: inout DemoRandom) -> DemoPhone { .american(line: random.number(0...99)) }

  var text: String {
    switch self {
    case .korean(let line): "010-0000-\(padded(line, 4))"
    case .american(let line): "+1-202-555-01\(padded(line, 2))"
    }
  }
}

/// A resident registration number whose century digit (9: born 1800 to 1899) no living person has.
struct DemoResidentNumber {
  private let birth: (year: Int, month: Int, day: Int)
  private let rest: Int

  init(_ random: inout DemoRandom) {
    birth = (random.number(60...99), random.number(1...12), random.number(1...28))
    rest = random.number(0...999_999)
  }

  var text: String { "\(padded(birth.year, 2))\(padded(birth.month, 2))\(padded(birth.day, 2))-9\(padded(rest, 6))" }
}

/// An order number of the demo's shop.
struct DemoOrderNumber {
  private let number: Int

  init(_ random: inout DemoRandom) { number = random.number(100_000...999_999) }

  var text: String { "A-\(number)" }
}

private func padded(_ number: Int, _ digits: Int) -> String {
  let text = String(number)
  return String(repeating: "0", count: max(0, digits - text.count)) + text
}

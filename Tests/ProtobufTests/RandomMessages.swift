import HandoffTestKit
import RPCProtos
import TestProtos

extension SeededGenerator {
  mutating func integer<Number: FixedWidthInteger>() -> Number {
    switch Int.random(in: 0..<4, using: &self) {
    case 0: .min
    case 1: .max
    case 2: Number(Int.random(in: 0..<20, using: &self))
    default: Number(truncatingIfNeeded: next())
    }
  }

  /// Never −0.0, which is not written, and never NaN, which does not equal itself.
  mutating func double() -> Double {
    [0, 1.5, -.infinity, .greatestFiniteMagnitude, Double(Int.random(in: -99...99, using: &self)) + 0.25]
      .randomElement(using: &self) ?? 0
  }

  mutating func text() -> String {
    let pieces = ["", "a", "0123456789abcdef", "처리중", "\u{7FF}\u{800}\u{FFFF}\u{10000}", "🧑‍🚀", "line\nbreak\u{1}"]
    return (0..<Int.random(in: 0..<4, using: &self)).map { _ in pieces.randomElement(using: &self) ?? "" }.joined()
  }

  mutating func bytes() -> [UInt8] {
    let count = [0, 1, 9, 200].randomElement(using: &self) ?? 0
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }

  mutating func color() -> Everything.Color {
    let number: Int32 = [0, 1, 2, -7, 99, .min, .max].randomElement(using: &self) ?? 0
    return Everything.Color(rawValue: number)
  }

  mutating func many<Value>(_ make: (inout SeededGenerator) -> Value) -> [Value] {
    guard Int.random(in: 0..<3, using: &self) == 0 else { return [] }
    return (0..<Int.random(in: 1..<6, using: &self)).map { _ in make(&self) }
  }

  mutating func maybe<Value>(_ make: (inout SeededGenerator) -> Value) -> Value? {
    Bool.random(using: &self) ? make(&self) : nil
  }
}

extension Everything {
  /// A message with about half of its fields set.
  static func random(_ generator: inout SeededGenerator, depth: Int = 0) -> Everything {
    var message = Everything()
    message.fillScalars(&generator)
    message.fillLists(&generator)
    message.inner = generator.maybe { .random(&$0) }
    message.createTime = generator.maybe { Timestamp(seconds: $0.integer(), nanos: $0.integer()) }
    message.choice = generator.maybe { .random(&$0, depth: depth) }
    if depth < 3 {
      message.parent = generator.maybe { .random(&$0, depth: depth + 2) }
      message.children = generator.many { .random(&$0, depth: depth + 2) }
    }
    return message
  }

  private mutating func fillScalars(_ generator: inout SeededGenerator) {
    doubleValue = generator.double()
    floatValue = Float(generator.double())
    int32Value = generator.integer()
    int64Value = generator.integer()
    uint32Value = generator.integer()
    uint64Value = generator.integer()
    sint32Value = generator.integer()
    sint64Value = generator.integer()
    fixed32Value = generator.integer()
    fixed64Value = generator.integer()
    sfixed32Value = generator.integer()
    sfixed64Value = generator.integer()
    boolValue = .random(using: &generator)
    stringValue = generator.text()
    bytesValue = generator.bytes()
    color = generator.color()
    `class` = generator.text()
    initValue = generator.integer()
    `default` = .random(using: &generator)
    selfValue = generator.text()
    mixedCase2 = generator.text()
    last = generator.integer()
  }

  private mutating func fillLists(_ generator: inout SeededGenerator) {
    doubles = generator.many { $0.double() }
    floats = generator.many { Float($0.double()) }
    int32s = generator.many { $0.integer() }
    int64s = generator.many { $0.integer() }
    uint32s = generator.many { $0.integer() }
    uint64s = generator.many { $0.integer() }
    sint32s = generator.many { $0.integer() }
    sint64s = generator.many { $0.integer() }
    fixed32s = generator.many { $0.integer() }
    fixed64s = generator.many { $0.integer() }
    sfixed32s = generator.many { $0.integer() }
    sfixed64s = generator.many { $0.integer() }
    bools = generator.many { .random(using: &$0) }
    strings = generator.many { $0.text() }
    byteStrings = generator.many { $0.bytes() }
    colors = generator.many { $0.color() }
    inners = generator.many { .random(&$0) }
    unpacked = generator.many { $0.integer() }
    // Python writes maps sorted by key (keys of one length, that is), and writes defaults in them too.
    let keys = Set(generator.many { Int.random(in: 10...99, using: &$0) }).map { "key \($0)" }.sorted()
    counts = keys.map { CountsEntry(key: $0, value: Int32.random(in: 1...9, using: &generator)) }
  }
}

extension Everything.Inner {
  static func random(_ generator: inout SeededGenerator) -> Everything.Inner {
    Everything.Inner(
      label: generator.text(), innermost: generator.maybe { .init(depth: $0.integer()) },
      more: generator.many { .init(depth: $0.integer()) })
  }
}

extension Everything.Choice {
  static func random(_ generator: inout SeededGenerator, depth: Int) -> Everything.Choice {
    switch Int.random(in: 0..<8, using: &generator) {
    case 0: .choiceText(generator.text())
    case 1: .choiceBytes(generator.bytes())
    case 2: .choiceNumber(generator.integer())
    case 3: .choiceFlag(.random(using: &generator))
    case 4: .choiceColor(generator.color())
    case 5: .choiceInner(.random(&generator))
    case 6 where depth < 3: .choiceSelf(.random(&generator, depth: depth + 2))
    default: .choiceDouble(generator.double())
    }
  }
}

extension Everything {
  /// Empties the maps, which in Python are sorted and merged by key, and here are lists.
  mutating func removeMaps() {
    counts = []
    if var parent {
      parent.removeMaps()
      self.parent = parent
    }
    if case .choiceSelf(var message) = choice {
      message.removeMaps()
      choice = .choiceSelf(message)
    }
    for index in children.indices { children[index].removeMaps() }
  }
}

/// A first-in-first-out queue in one growing array.
struct Ring<Element> {
  private var slots: [Element?] = []
  private var head = 0
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  var first: Element? { count == 0 ? nil : slots[head] }

  mutating func append(_ element: Element) {
    if count == slots.count { grow() }
    var tail = head + count
    if tail >= slots.count { tail -= slots.count }
    slots[tail] = element
    count += 1
  }

  mutating func popFirst() -> Element? {
    guard count > 0 else { return nil }
    let element = slots[head]
    slots[head] = nil
    head = head + 1 == slots.count ? 0 : head + 1
    count -= 1
    return element
  }

  /// Removes what `isRemoved` chooses and keeps the order of the rest.
  mutating func removeAll(where isRemoved: (Element) -> Bool) {
    for _ in 0..<count {
      guard let element = popFirst() else { return }
      if !isRemoved(element) { append(element) }
    }
  }

  func visit(_ body: (Element) -> Void) {
    for offset in 0..<count {
      if let element = slots[(head + offset) % slots.count] { body(element) }
    }
  }

  private mutating func grow() {
    var grown: [Element?] = []
    grown.reserveCapacity(max(16, 2 * slots.count))
    for offset in 0..<count { grown.append(slots[(head + offset) % slots.count]) }
    while grown.count < grown.capacity { grown.append(nil) }
    slots = grown
    head = 0
  }
}

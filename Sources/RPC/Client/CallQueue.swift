/// The calls of one loop that wait for a connection or for room on one, the oldest first. Loop-confined.
///
/// A call that ends while it waits stays as a husk until its turn, but is not counted.
final class CallQueue {
  /// Calls that wait and are not over.
  private(set) var count = 0
  private var calls: [ClientCall] = []
  private var head = 0

  func add(_ call: ClientCall, first: Bool) {
    count += 1
    call.leftQueue = { [weak self] in self?.count -= 1 }
    if first { calls.insert(call, at: head) } else { calls.append(call) }
  }

  /// Takes the call whose turn it is.
  func next() -> ClientCall? {
    while head < calls.count {
      let call = calls[head]
      head += 1
      if head == calls.count || head > 1024 {
        calls.removeFirst(head)
        head = 0
      }
      if call.isOver { continue }
      count -= 1
      call.leftQueue = nil
      return call
    }
    return nil
  }

  /// Takes all calls.
  func takeAll() -> [ClientCall] {
    let taken = calls[head...].filter { !$0.isOver }
    for call in taken { call.leftQueue = nil }
    calls = []
    head = 0
    count = 0
    return taken
  }
}

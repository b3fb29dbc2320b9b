import Synchronization

/// What waits for one reader who may be slow: never more than so many elements, from any thread.
///
/// When there is no room for an element, the queue is cut: what waits is dropped, and the reader is told why.
package final class BoundedQueue<Element: Sendable>: Sendable {
  private typealias Reader = CheckedContinuation<Element, any Error>

  private struct State {
    var elements: [Element] = []
    var head = 0
    var end: (any Error)?
    var reader: Reader?

    mutating func take() -> Element? {
      guard head < elements.count else { return nil }
      defer {
        head += 1
        if head == elements.count || head >= 256 {
          elements.removeFirst(head)
          head = 0
        }
      }
      return elements[head]
    }

    mutating func takeReader() -> Reader? {
      defer { reader = nil }
      return reader
    }

    mutating func end(_ error: any Error) -> Reader? {
      guard end == nil else { return nil }
      elements = []
      head = 0
      end = error
      return takeReader()
    }
  }

  private let countMax: Int
  private let overflow: any Error
  private let state = Mutex(State())

  /// - Parameters:
  ///   - countMax: elements that wait at most.
  ///   - overflow: what the reader is told when there is no room for a further one.
  package init(countMax: Int, overflow: any Error) {
    self.countMax = countMax
    self.overflow = overflow
  }

  /// Adds an element; nothing happens when the queue was cut.
  package func put(_ element: Element) {
    let reader = state.withLock { state -> Reader? in
      guard state.end == nil else { return nil }
      if let reader = state.takeReader() { return reader }
      if state.elements.count - state.head < countMax {
        state.elements.append(element)
      } else {
        _ = state.end(overflow)
      }
      return nil
    }
    reader?.resume(returning: element)
  }

  /// Ends the queue: what waits is dropped, and the reader gets the error.
  package func cut(_ error: any Error) {
    state.withLock { $0.end(error) }?.resume(throwing: error)
  }

  /// The next element; waits for one. For one reader at a time.
  ///
  /// - Throws: why the queue was cut; `CancellationError`.
  package func next() async throws -> Element {
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let result = state.withLock { state -> Result<Element, any Error>? in
          if Task.isCancelled { return .failure(CancellationError()) }
          if let element = state.take() { return .success(element) }
          if let end = state.end { return .failure(end) }
          precondition(state.reader == nil, "two tasks read one queue")
          state.reader = continuation
          return nil
        }
        if let result { continuation.resume(with: result) }
      }
    } onCancel: {
      state.withLock { $0.takeReader() }?.resume(throwing: CancellationError())
    }
  }
}

internal import CEventLoop

/// What a watcher of a file descriptor waits for, and what it is told.
package struct IOInterest: OptionSet, Sendable {
  /// The bits as epoll knows them: EPOLLIN, EPOLLOUT, EPOLLHUP.
  package let rawValue: UInt32
  /// Takes the bits of epoll; those without a name here are never reported.
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Bytes, a connection or the peer's end can be read.
  package static let read = IOInterest(rawValue: 0x001)
  /// The descriptor takes bytes again, or a connect has ended.
  package static let write = IOInterest(rawValue: 0x004)
  /// Only reported: both directions are over or failed. It is reported whatever was asked for, so the owner must close.
  package static let hangup = IOInterest(rawValue: 0x010)
}

/// The registration of a file descriptor with a loop; loop-confined. It does not own the descriptor.
package final class Watch {
  let fd: Int32
  let generation: UInt32
  var ready: ((IOInterest) -> Void)?
  /// What the loop reports at present.
  package private(set) var interest: IOInterest
  private unowned let loop: EventLoop

  init(fd: Int32, generation: UInt32, interest: IOInterest, loop: EventLoop, ready: @escaping (IOInterest) -> Void) {
    self.fd = fd
    self.generation = generation
    self.interest = interest
    self.loop = loop
    self.ready = ready
  }

  var token: UInt64 { UInt64(generation) << 32 | UInt64(UInt32(bitPattern: fd)) }

  /// Changes what is reported; free when nothing changes.
  package func update(_ interest: IOInterest) {
    guard ready != nil, interest != self.interest else { return }
    self.interest = interest
    loop.pollControl(HANDOFF_POLL_MODIFY, self)
  }

  /// Ends the registration; the closure is not called again, not even for events already received in this turn.
  /// To be called before the descriptor is closed; harmless when repeated.
  package func cancel() {
    guard ready != nil else { return }
    ready = nil
    loop.forget(self)
  }
}

import EventLoop
import Glibc
import Synchronization

/// What the person at the terminal reads: whole lines on standard output, errors on standard error.
///
/// Lines of several threads do not mix.
final class Console: Sendable {
  private let start = MonotonicTime.current
  private let lock = Mutex(())

  /// A console whose clock starts now.
  init() {}

  /// A line of a long work, with the seconds since the start.
  func progress(_ text: String) { line("\(elapsed)  \(text)") }

  /// A line as it is.
  func line(_ text: String) { write("\(text)\n", to: STDOUT_FILENO) }

  /// Text on standard error that is no line yet: a question, or a bar that is drawn again.
  func status(_ text: String) { write(text, to: STDERR_FILENO) }

  /// What went wrong and what to do, on standard error.
  func error(_ error: OperatorError) {
    var text = "handoff: \(error.message)\n"
    for line in error.advice.split(separator: "\n") { text += "  \(line)\n" }
    write(text, to: STDERR_FILENO)
  }

  /// Seconds since the start, right-aligned: `  2.4 s`.
  private var elapsed: String {
    let tenths = Int(MonotonicTime.current.since(start) / .milliseconds(100))
    let text = "\(tenths / 10).\(tenths % 10) s"
    return String(repeating: " ", count: max(0, 8 - text.count)) + text
  }

  private func write(_ text: String, to descriptor: Int32) {
    lock.withLock { _ in
      var bytes = Array(text.utf8)[...]
      while !bytes.isEmpty {
        let count = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        // A reader that is gone (`handoff up | head`) must not end the cluster.
        guard count > 0 else { return }
        bytes = bytes.dropFirst(count)
      }
    }
  }
}

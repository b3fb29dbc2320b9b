import Glibc
import Synchronization

/// Where log lines go: one `write` per line, and a line that would have to wait is dropped and counted.
///
/// A reader of the log that stalls must not stall an event loop, and a line that arrives late helps less than a served
/// request. Lines from several processes on one pipe do not mix: `write` of up to `PIPE_BUF` bytes is atomic (pipe(7)).
package final class LogOutput: Sendable {
  /// `PIPE_BUF` of Linux.
  package static let lineBytesMax = 4096

  private enum Kind {
    /// A description of our own, so that O_NONBLOCK does not change the one other processes share.
    case pipe
    case socket
    /// Files never make a writer wait long, terminals rarely.
    case other
  }

  private let file: Int32
  private let kind: Kind
  private let ownsFile: Bool
  private let dropped = Atomic<Int>(0)

  /// Lines dropped since the start because the reader did not keep up.
  package var droppedLines: Int { dropped.load(ordering: .relaxed) }

  /// Standard error.
  package static let standardError = LogOutput(file: STDERR_FILENO)

  /// Writes to `file`, which stays the caller's and must outlive the output.
  package init(file: Int32) {
    var status = stat()
    let type = fstat(file, &status) == 0 ? status.st_mode & S_IFMT : 0
    if type == S_IFIFO {
      let own = open("/proc/self/fd/\(file)", O_WRONLY | O_NONBLOCK | O_CLOEXEC)
      self.file = own >= 0 ? own : file
      kind = own >= 0 ? .pipe : .other
      ownsFile = own >= 0
    } else {
      self.file = file
      kind = type == S_IFSOCK ? .socket : .other
      ownsFile = false
    }
  }

  deinit {
    if ownsFile { close(file) }
  }

  /// Writes a whole line, or drops it.
  func write(_ line: [UInt8]) {
    let isWritten = line.withUnsafeBytes { bytes -> Bool in
      while true {
        let count =
          switch kind {
          case .pipe: Glibc.write(file, bytes.baseAddress, bytes.count)
          case .socket: send(file, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL))
          case .other: isReady ? Glibc.write(file, bytes.baseAddress, bytes.count) : -1
          }
        if count < 0, errno == EINTR { continue }
        return count == bytes.count
      }
    }
    if !isWritten { dropped.wrappingAdd(1, ordering: .relaxed) }
  }

  private var isReady: Bool {
    var entry = pollfd(fd: file, events: Int16(POLLOUT), revents: 0)
    errno = EAGAIN
    return poll(&entry, 1, 0) == 1
  }
}

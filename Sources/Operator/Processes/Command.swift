import CSpawn
import EventLoop
import Glibc

/// What a short program said, and how it ended.
struct CommandResult: Sendable {
  /// How it ended.
  let status: ExitStatus
  /// Standard output and error, cut at 1 MiB.
  let output: String

  /// Whether it ended itself with code 0.
  var succeeded: Bool { status == .exited(0) }
}

/// The two ends of a pipe, closed on exec; the holder closes them.
struct Pipe {
  let readEnd: Int32
  let writeEnd: Int32

  init() throws(OperatorError) {
    var ends: [Int32] = [-1, -1]
    let code = handoff_pipe(&ends)
    guard code == 0 else { throw OperatorError("no pipe: \(errorText(code))") }
    readEnd = ends[0]
    writeEnd = ends[1]
  }
}

extension Program {
  private static let outputBytesMax = 1 << 20

  /// Runs the program to its end, blocking the calling thread, and kills it after `timeout`.
  ///
  /// `input` (at most 32 KiB, so that it fits the pipe) becomes its standard input.
  func run(input: String = "", timeout: Duration) throws(OperatorError) -> CommandResult {
    precondition(input.utf8.count <= 32_768, "input does not fit the pipe")
    let inputPipe = try Pipe()
    defer { close(inputPipe.readEnd) }
    _ = Array(input.utf8).withUnsafeBytes { write(inputPipe.writeEnd, $0.baseAddress, $0.count) }
    close(inputPipe.writeEnd)
    let outputPipe = try Pipe()
    defer { close(outputPipe.readEnd) }
    let child: ChildProcess
    do {
      defer { close(outputPipe.writeEnd) }
      child = try start(input: inputPipe.readEnd, output: outputPipe.writeEnd)
    }
    let deadline = Deadline.after(timeout)
    let (output, ended) = Self.gather(outputPipe.readEnd, until: child, deadline)
    if !ended { child.signal(SIGKILL) }
    let status = child.reap()
    guard ended else {
      throw OperatorError("\(path) did not end within \(timeout)", advice: output)
    }
    return CommandResult(status: status, output: output)
  }

  /// Reads until the process has ended and the pipe is drained; false when the deadline came first.
  private static func gather(_ sink: Int32, until child: ChildProcess, _ deadline: Deadline) -> (String, Bool) {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 65_536)
    while true {
      var polls = [
        pollfd(fd: sink, events: Int16(POLLIN), revents: 0),
        pollfd(fd: child.descriptor, events: Int16(POLLIN), revents: 0),
      ]
      let left = deadline.remaining / .milliseconds(1)
      if left <= 0 { return (String(decoding: bytes, as: UTF8.self), false) }
      guard poll(&polls, 2, Int32(min(left.rounded(.up), 60_000))) >= 0 || errno == EINTR else { break }
      if polls[0].revents & Int16(POLLIN) != 0 {
        let got = read(sink, &chunk, chunk.count)
        if got > 0 { bytes += chunk.prefix(min(got, max(0, outputBytesMax - bytes.count))) }
      } else if polls[1].revents != 0 {
        break
      } else if polls[0].revents & Int16(POLLHUP) != 0 {
        // The output is closed; only the end of the process is still to come.
        var end = pollfd(fd: child.descriptor, events: Int16(POLLIN), revents: 0)
        if poll(&end, 1, Int32(min(left.rounded(.up), 60_000))) > 0 { break }
      }
    }
    return (String(decoding: bytes, as: UTF8.self), true)
  }
}

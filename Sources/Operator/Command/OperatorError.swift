import Glibc

/// Why a command could not do its work, in words for the person at the terminal.
struct OperatorError: Error, Sendable, Equatable {
  /// What is wrong, one sentence.
  let message: String
  /// What to do next; may have several lines, or be empty.
  let advice: String
  /// The exit code of `handoff`: 64 (EX_USAGE of sysexits.h) for a wrong command line, else 1; `ingest` speaks to mail
  /// servers and has 65 (EX_DATAERR), 67 (EX_NOUSER) and 75 (EX_TEMPFAIL), too, and so have the client's commands codes
  /// of their own.
  let exitCode: Int32

  /// An error of the machine or the data, exit code 1.
  init(_ message: String, advice: String = "") {
    self.message = message
    self.advice = advice
    exitCode = 1
  }

  /// An error with an exit code of its own.
  init(_ message: String, advice: String, exitCode: Int32) {
    self.message = message
    self.advice = advice
    self.exitCode = exitCode
  }

  /// An error of the command line, exit code 64.
  static func usage(_ message: String, advice: String) -> OperatorError {
    OperatorError(message, advice: advice, exitCode: EX_USAGE)
  }

  /// An error of a mail that will not go away, exit code 65: its sender is to be told.
  static func refused(_ message: String, advice: String) -> OperatorError {
    OperatorError(message, advice: advice, exitCode: EX_DATAERR)
  }

  /// An error of a mail for nobody, exit code 67: its sender is to be told.
  static func noUser(_ message: String, advice: String) -> OperatorError {
    OperatorError(message, advice: advice, exitCode: EX_NOUSER)
  }

  /// An error that may go away by itself, exit code 75: the same is to be tried again.
  static func temporary(_ message: String, advice: String) -> OperatorError {
    OperatorError(message, advice: advice, exitCode: EX_TEMPFAIL)
  }
}

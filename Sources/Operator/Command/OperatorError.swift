/// Why a command could not do its work, in words for the person at the terminal.
struct OperatorError: Error, Sendable, Equatable {
  /// What is wrong, one sentence.
  let message: String
  /// What to do next; may have several lines, or be empty.
  let advice: String
  /// The exit code of `handoff`: 64 (EX_USAGE of sysexits.h) for a wrong command line, else 1.
  let exitCode: Int32

  /// An error of the machine or the data, exit code 1.
  init(_ message: String, advice: String = "") {
    self.message = message
    self.advice = advice
    exitCode = 1
  }

  private init(usage message: String, advice: String) {
    self.message = message
    self.advice = advice
    exitCode = 64
  }

  /// An error of the command line, exit code 64.
  static func usage(_ message: String, advice: String) -> OperatorError {
    OperatorError(usage: message, advice: advice)
  }
}

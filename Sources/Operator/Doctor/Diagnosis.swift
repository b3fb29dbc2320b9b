/// One line of the doctor's report.
struct Diagnosis: Sendable, Equatable {
  /// How bad it is.
  enum Grade: String, Sendable {
    /// As it should be.
    case ok
    /// A cluster runs, but not as well as it could.
    case warn
    /// A cluster cannot run.
    case bad
  }

  let grade: Grade
  /// What was looked at and what was found.
  let text: String
  /// How to mend it; empty when there is nothing to mend.
  let remedy: String

  static func ok(_ text: String) -> Diagnosis { Diagnosis(grade: .ok, text: text, remedy: "") }
  static func warn(_ text: String, _ remedy: String) -> Diagnosis {
    Diagnosis(grade: .warn, text: text, remedy: remedy)
  }
  static func bad(_ text: String, _ remedy: String) -> Diagnosis { Diagnosis(grade: .bad, text: text, remedy: remedy) }

  /// What an error of another part amounts to.
  static func bad(_ error: OperatorError) -> Diagnosis { .bad(error.message, error.advice) }

  /// The finding as it is printed: the grade, what was found, and below it how to mend it.
  var line: String {
    remedy.split(separator: "\n").reduce("\(padded(grade.rawValue, 6))\(text)") { "\($0)\n      → \($1)" }
  }
}

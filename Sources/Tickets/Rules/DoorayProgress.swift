/// How far a task at Dooray! is; raw values as in the database, order as in the API.
///
/// Projects name the steps of their work as they like, in several languages; each step has a class, one of four.
enum DoorayProgress: String, CaseIterable, Sendable {
  case registered = "REGISTERED"
  case working = "WORKING"
  case closed = "CLOSED"

  /// Reads the class of a step; nil for one that is not known. What waits in the backlog is to be done.
  init?(workflowClass: String) {
    switch workflowClass {
    case "backlog", "registered": self = .registered
    case "working": self = .working
    case "closed": self = .closed
    default: return nil
    }
  }
}

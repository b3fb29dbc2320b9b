import EventLoop
import Outbound
import ServiceKit
import TicketLedger

/// What a trigger sends to the outside by HTTPS: one piece of the outbox's work.
struct Post: Sendable {
  /// Who is asked, as the outbox names it; patience is had with each.
  let receiver: String
  /// What the ticket's history says of it.
  let label: PostLabel
  /// Makes the request as it is to be sent now.
  ///
  /// - Throws: ``PostUnmade``, or a `ServiceError`, of which those worth a repetition let the post wait.
  let request: @Sendable (_ deadline: Deadline) async throws -> HTTPRequest
}

/// What the ticket's history says of a post.
struct PostLabel: Sendable {
  /// The trigger's name.
  let trigger: String
  /// Which callback, or which hook.
  let note: CodeChange
}

/// A request cannot be made before somebody mends something.
struct PostUnmade: Error {
  let reason: String
}

/// What is found of a piece of work.
enum PostFinding: Sendable {
  /// It is to be sent.
  case post(Post)
  /// It can never be sent, and why.
  case hopeless(PostLabel, String)
  /// It cannot even be read.
  case unreadable(String)
  /// It has been dealt with.
  case gone
}

/// A kind of posts: callbacks, or messages into messenger channels.
protocol PostKind: Sendable {
  /// How posts of the kind are made, repeated and told.
  var manner: PostManner { get }
  /// Looks up what a piece of work posts.
  ///
  /// - Throws: the database's errors.
  func post(of item: OutboxItem) async throws -> PostFinding
  /// What is said of a status other than 2xx after which no other attempt is of use, behind "answered 410"; nil: the
  /// post may be taken later.
  func refusal(by status: Int) -> String?
  /// Why an error in making the request means that it can never be made; nil: it may be mended.
  func refusal(by error: ServiceError) -> String?
  /// Why no answer came.
  func words(of failure: HTTPFailure) -> String
}

/// How posts of a kind are made, repeated and told.
struct PostManner: Sendable {
  /// The events of log lines.
  struct Lines: Sendable {
    let workerFailed: StaticString
    let moveFailed: StaticString
    let deferred: StaticString
    let givenUp: StaticString
  }

  /// Whose work it is.
  let topic: OutboxTopic
  /// What threads and leases are called by.
  let name: String
  /// What the log says.
  let lines: Lines
  /// How failed attempts are repeated. The age ends it before the number of attempts does.
  let backoff: Backoff
  /// Posts older than this are given up when they fail or would have to wait.
  let ageMax: Duration
  /// How many go out at a time.
  let places: PostPatience.Places
  /// When a receiver is back, so many times a thousand posts to it become due at once.
  let hurriedBatches: Int
  /// Who is asked, in sentences.
  let receiver: String
  /// What is said when the request cannot be made.
  let unmade: String
  /// What is told of one that was taken, and of one that was given up.
  let codes: (sent: EventCode, failed: EventCode)
  /// The counter of attempts, and what it tells.
  let counter: (name: String, help: String)
}

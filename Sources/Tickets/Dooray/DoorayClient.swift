import Crypto
import EventLoop
import MessageJSON
import Outbound
import TicketLedger

/// Why Dooray! did not do what it was asked.
enum DoorayFailure: Error, Equatable, Sendable {
  /// There was no answer, so it may have been done all the same. The words are libcurl's.
  case unreachable(String)
  /// 401: the token is not valid.
  case tokenRefused
  /// 403: the token's owner may not do that.
  case notAllowed
  /// 404: there is no such thing, or the token's owner may not see it.
  case notFound
  /// 429, several times: the rest of the wait that it asked for.
  case tooManyRequests(wait: Duration)
  /// Another status of 4xx, or an answer that says it was not successful.
  case refused(status: Int)
  /// 5xx, 408, or a redirect.
  case failing(status: Int)
  /// The answer is not of the API's form.
  case unreadable
  /// There is more to look through than is looked through.
  case cutShort
}

/// Calls the API of Dooray!: JSON in an envelope over HTTPS, in the name of a token's owner.
///
/// Transfers run on threads of their own, so that a slow Dooray! holds up nothing but calls to Dooray!; and those of an
/// organization on a few (``lane(of:)``), so that one organization's holds up no other's.
package final class DoorayClient: Sendable {
  /// How long one request may take.
  private static let callTimeout: Duration = .seconds(10)
  /// How long a file may take.
  private static let uploadTimeout: Duration = .seconds(60)
  /// Addresses that a file is sent to, one after the other.
  private static let forwardsMax = 3
  /// How often a request is sent while Dooray! says that there are too many.
  private static let attemptsMax = 3
  /// The longest wait between two attempts; who has to wait longer is told.
  private static let waitMax: Duration = .seconds(5)
  /// Calls for one organization at a time; they begin when there are any.
  private static let laneThreadsMax = 8
  /// Calls for one organization that wait.
  private static let laneQueueMax = 32
  /// Organizations beyond so many share lanes.
  private static let lanesMax = 64
  private static let bodyBytesMax = 4 << 20

  private let address: DoorayAddress
  private let lanes: [Lane]
  private let http: HTTPClient

  /// Threads and open connections for the calls of an organization.
  private struct Lane: Sendable {
    let pool: BlockingPool
    let http: HTTPClient

    init(_ authoritiesFile: String?) {
      pool = BlockingPool(name: "dooray", threads: DoorayClient.laneThreadsMax, queueMax: DoorayClient.laneQueueMax)
      http = HTTPClient(
        pool: pool,
        limits: HTTPLimits(bodyBytesMax: DoorayClient.bodyBytesMax, authoritiesFile: authoritiesFile))
    }
  }

  /// A client of the API at an address; opens no connection yet.
  ///
  /// - Parameter authoritiesFile: a PEM file of authorities to trust instead of the system's.
  package convenience init(address: DoorayAddress, authoritiesFile: String? = nil) {
    self.init(address, (0..<Self.lanesMax).map { _ in Lane(authoritiesFile) }, lane: 0)
  }

  private init(_ address: DoorayAddress, _ lanes: [Lane], lane: Int) {
    self.address = address
    self.lanes = lanes
    http = lanes[lane].http
  }

  /// The same for the calls of one organization; what does not find a place in its queue is told
  /// ``DoorayFailure/tooManyRequests(wait:)``.
  func lane(of organization: DoorayOrganizationID) -> DoorayClient {
    DoorayClient(
      address, lanes, lane: Int(UInt64(bitPattern: organization.rawValue) % UInt64(Self.lanesMax)))
  }

  /// Ends the threads, also of lanes; no call may follow.
  package func shutdown() { for lane in lanes { lane.pool.shutdown() } }

  /// What an answer holds beside its envelope.
  struct Answer: Sendable {
    let result: JSONValue
    /// Of a list, how many there are on all pages.
    let totalCount: Int?
  }

  /// Reads something.
  ///
  /// - Parameter path: path and query, already escaped.
  /// - Throws: ``DoorayFailure``, `CancellationError`.
  func get(_ path: String, as token: SecretBytes, deadline: Deadline) async throws -> Answer {
    try await call(HTTPRequest("GET", address.text + path), as: token, deadline: deadline)
  }

  /// Makes something.
  ///
  /// - Parameter path: path and query, already escaped.
  /// - Throws: ``DoorayFailure``, `CancellationError`.
  func post(
    _ path: String, _ body: JSONValue, as token: SecretBytes, deadline: Deadline
  ) async throws -> Answer {
    var request = HTTPRequest(
      "POST", address.text + path, headers: ["content-type: application/json"], body: JSONWriter.bytes(of: body))
    request.mayReuseConnection = false
    return try await call(request, as: token, deadline: deadline)
  }

  /// Sends a file; where Dooray! wants it elsewhere (307), there.
  ///
  /// - Parameter path: of the files of a task.
  /// - Returns: the file's id.
  /// - Throws: ``DoorayFailure``, `CancellationError`.
  func upload(
    _ file: DoorayUpload, to path: String, as token: SecretBytes, deadline: Deadline
  ) async throws -> String {
    var url = address.text + path
    for _ in 0..<Self.forwardsMax {
      var request = HTTPRequest("POST", url, headers: [file.contentType], body: file.body)
      request.mayReuseConnection = false
      let reply = try await exchange(request, as: token, deadline: deadline, timeout: Self.uploadTimeout)
      guard reply.status == 307, let location = reply.header("location") else {
        guard let id = try Self.answer(in: reply).result["id"]?.text else { throw DoorayFailure.unreadable }
        return id
      }
      // The token goes along, so not just anywhere.
      guard address.mayForward(to: location) else { throw DoorayFailure.refused(status: reply.status) }
      url = location
    }
    throw DoorayFailure.refused(status: 307)
  }

  private func call(_ request: HTTPRequest, as token: SecretBytes, deadline: Deadline) async throws -> Answer {
    try Self.answer(in: try await exchange(request, as: token, deadline: deadline, timeout: Self.callTimeout))
  }

  /// Sends a request; again, when it was not looked at because it came too fast.
  private func exchange(
    _ request: HTTPRequest, as token: SecretBytes, deadline: Deadline, timeout: Duration
  ) async throws -> HTTPReply {
    let authorization = token.withBytes { "authorization: dooray-api " + String(decoding: $0, as: UTF8.self) }
    var request = request
    request.headers += [authorization, "accept: application/json", "user-agent: Handoff"]
    var attempt = 1
    while true {
      let reply = try await send(request, min(deadline, .after(timeout)))
      guard reply.status == 429 else { return reply }
      let wait = Self.wait(reply)
      guard attempt < Self.attemptsMax, wait <= Self.waitMax, wait < deadline.remaining else {
        throw DoorayFailure.tooManyRequests(wait: wait)
      }
      try await EventLoop.pause(for: wait)
      attempt += 1
    }
  }

  private func send(_ request: HTTPRequest, _ deadline: Deadline) async throws -> HTTPReply {
    do {
      return try await http.send(request, deadline: deadline)
    } catch let failure as HTTPFailure {
      throw DoorayFailure.unreachable(failure.description)
    } catch is BlockingPool.Refusal {
      throw DoorayFailure.tooManyRequests(wait: Self.waitMax)
    }
  }

  private static func wait(_ reply: HTTPReply) -> Duration {
    func number(_ name: String) -> Int? { reply.header("x-ratelimit-" + name).flatMap { Int($0) } }
    return .milliseconds(
      DoorayPatience.milliseconds(
        remaining: number("remaining"), requested: number("requested-tokens"),
        replenishRate: number("replenish-rate")))
  }

  /// Takes an answer out of its envelope; the words in it are not looked at, since they are for people.
  private static func answer(in reply: HTTPReply) throws(DoorayFailure) -> Answer {
    switch reply.status {
    case 200..<300: break
    case 401: throw .tokenRefused
    case 403: throw .notAllowed
    case 404: throw .notFound
    // Dooray!, or what stands before it, gave up waiting; what it waited for may be done all the same.
    case 408: throw .failing(status: reply.status)
    case 400..<500: throw .refused(status: reply.status)
    default: throw .failing(status: reply.status)
    }
    guard let body = try? JSONParser.parse(reply.body), let header = body["header"] else { throw .unreadable }
    guard header["isSuccessful"] == .bool(true), header["resultCode"]?.integer == 0 else {
      throw .refused(status: reply.status)
    }
    return Answer(result: body["result"] ?? .null, totalCount: body["totalCount"]?.integer)
  }
}

extension JSONValue {
  /// A member of an object; nil for any other value.
  subscript(_ name: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  /// Nil for anything but a text.
  var text: String? {
    guard case .string(let text) = self else { return nil }
    return text
  }

  /// Nil for anything but a number that is whole.
  var integer: Int? {
    guard case .number(let text) = self else { return nil }
    return Int(text)
  }

  /// Nil for anything but a list.
  var elements: [JSONValue]? {
    guard case .array(let elements) = self else { return nil }
    return elements
  }
}

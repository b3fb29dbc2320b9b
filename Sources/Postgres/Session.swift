internal import CLibpq
internal import EventLoop

/// Told what happens on a session.
protocol SessionOwner: AnyObject {
  /// A group has its answer; the requests in it hold results or errors and are not finished yet.
  func session(_ session: Session, completed group: RequestGroup)
  /// All that was received is handled; groups may have completed.
  func sessionProgressed(_ session: Session)
  /// The connection broke. `unanswered` are the groups without an answer, oldest first.
  func session(_ session: Session, lostWith error: PostgresError, unanswered: [RequestGroup])
  /// A notification arrived.
  func session(_ session: Session, notifiedOn channel: String, payload: String)
}

/// One established libpq connection in pipeline mode, driven by its loop; loop-confined.
///
/// Everything sent is remembered in order as an expectation; what libpq hands out is matched with the oldest one.
final class Session {
  fileprivate enum Expectation {
    case preparation(PreparedStatements.Entry, Request)
    case statement(PreparedStatements.Entry, Request)
    case control(Request, isCommit: Bool)
    case housekeeping
    case sync(RequestGroup)
  }

  /// What the pool does with the session; kept here to save it a table.
  enum Use {
    case shared
    case exclusive
    /// Its holder is done; it goes back when everything is answered and no transaction is open.
    case returning
  }

  let loop: EventLoop
  private weak var owner: (any SessionOwner)?
  private var connection: OpaquePointer?
  private var watch: Watch?
  private var expected = Ring<Expectation>()
  private var hasResult = false
  private let catalog: StatementCatalog
  private var prepared: PreparedStatements
  private var deallocations: [PreparedStatements.Entry] = []
  private var scratch = ParameterScratch()

  var use = Use.shared
  /// Requests sent and not answered.
  private(set) var requestsInFlight = 0
  /// Those of them that are no lookups.
  private(set) var othersInFlight = 0
  /// Whether the pool counts it among those without work.
  var isIdle = false
  /// Why it was closed.
  private(set) var loss: PostgresError?
  /// A cancel request is on its way to the server.
  var isCancelUnderWay = false
  /// A cancel request was made since the session was last drained: it may hit another statement than was meant.
  var wasCancelled = false
  /// Some request in flight has nobody waiting for it.
  var hasAbandoned = false
  /// Closes the session when a cancel request has no effect.
  var guardTimer: LoopTimer?

  init(
    _ connection: OpaquePointer, loop: EventLoop, catalog: StatementCatalog, statementsMax: Int, owner: any SessionOwner
  ) {
    self.connection = connection
    self.loop = loop
    self.owner = owner
    self.catalog = catalog
    prepared = PreparedStatements(max: statementsMax)
    watch = loop.watch(PQsocket(connection), .read) { [weak self] _ in self?.socketReady() }
  }

  deinit { close() }

  var isClosed: Bool { connection == nil }
  var isDrained: Bool { expected.isEmpty }
  var transactionStatus: PGTransactionStatusType { connection.map { PQtransactionStatus($0) } ?? PQTRANS_UNKNOWN }

  /// What another thread needs to cancel the running statement; to be freed with `PQfreeCancel`.
  func cancelHandle() -> OpaquePointer? { connection.flatMap { PQgetCancel($0) } }

  /// The requests that the server works on: their group was sent together, and no answer to any of them leaves the
  /// server before its output buffer is full or all are done, so that nobody can tell which one it is.
  var current: RequestGroup? {
    var current: RequestGroup?
    expected.visit { expectation in
      if current == nil, case .sync(let group) = expectation { current = group }
    }
    return current
  }

  /// Calls `body` for every request sent and not answered.
  func forEachRequest(_ body: (Request) -> Void) {
    expected.visit { expectation in
      guard case .sync(let group) = expectation else { return }
      for request in group.requests { body(request) }
    }
  }

  /// Sends requests and the sync that closes them.
  func send(_ requests: [Request]) {
    guard let connection else { return }
    let group = RequestGroup(requests)
    requestsInFlight += requests.count
    var isSent = sendDeallocations(connection)
    for request in requests {
      request.state = .sent
      request.session = self
      if !request.isLookup { othersInFlight += 1 }
      isSent = isSent && send(request, connection)
    }
    expected.append(.sync(group))
    guard isSent, PQpipelineSync(connection) == 1 else { return breakLater() }
    flush()
  }

  /// Closes the connection without telling the owner.
  func close() {
    watch?.cancel()
    watch = nil
    guardTimer?.cancel()
    guardTimer = nil
    guard let connection else { return }
    self.connection = nil
    PQfinish(connection)
  }

  /// Closes the connection and tells the owner what was not answered.
  func fail(_ error: PostgresError) {
    guard !isClosed else { return }
    loss = error
    close()
    var groups: [RequestGroup] = []
    while let expectation = expected.popFirst() {
      if case .sync(let group) = expectation { groups.append(group) }
    }
    requestsInFlight = 0
    othersInFlight = 0
    owner?.session(self, lostWith: error, unanswered: groups)
  }

  /// Forgets all prepared statements: their plans are outdated.
  func forgetStatements() { deallocations += prepared.removeAll() }
}

// Sending.
extension Session {
  private static let parametersMax = 65_535
  private static let parameterBytesMax = 1 << 30

  private func send(_ request: Request, _ connection: OpaquePointer) -> Bool {
    switch request.framing {
    case .begin(let isolation), .transaction(let isolation):
      guard send(isolation.begin, of: request, .control(request, isCommit: false), connection) else { return false }
    case .none, .commit: break
    case .rollback: return send("ROLLBACK", of: request, .control(request, isCommit: false), connection)
    }
    for query in request.queries {
      guard send(query, of: request, nil, connection) else { return false }
    }
    guard request.framing.endsWithCommit else { return true }
    return send("COMMIT", of: request, .control(request, isCommit: true), connection)
  }

  private func send(
    _ query: Query, of request: Request, _ control: Expectation?, _ connection: OpaquePointer
  ) -> Bool {
    let statement = catalog.statement(for: query.shape)
    let entry: PreparedStatements.Entry
    if let known = prepared.use(statement) {
      entry = known
    } else {
      entry = prepared.add(statement)
      deallocations += prepared.overflow()
      expected.append(.preparation(entry, request))
      let types = statement.parameterTypes
      guard PQsendPrepare(connection, entry.name, statement.text, Int32(types.count), types) == 1 else { return false }
    }
    expected.append(control ?? .statement(entry, request))
    return scratch.withArguments(query.parameters) { count, values, lengths, formats in
      PQsendQueryPrepared(connection, entry.name, count, values, lengths, formats, 1) == 1
    }
  }

  /// Whether libpq and the protocol can carry the query's parameters.
  static func canSend(_ query: Query) -> Bool {
    query.parameters.count <= parametersMax && query.parameters.bytes.count <= parameterBytesMax
  }

  private func sendDeallocations(_ connection: OpaquePointer) -> Bool {
    guard !deallocations.isEmpty, transactionStatus != PQTRANS_INERROR else { return true }
    defer { deallocations.removeAll() }
    for entry in deallocations {
      expected.append(.housekeeping)
      guard PQsendQueryParams(connection, entry.deallocation, 0, nil, nil, nil, nil, 1) == 1 else { return false }
    }
    // A sync of their own: CREATE DATABASE and its like must be the first statement after one.
    expected.append(.sync(RequestGroup([])))
    return PQpipelineSync(connection) == 1
  }

  private func flush() {
    guard let connection else { return }
    switch PQstatus(connection) == CONNECTION_OK ? PQflush(connection) : -1 {
    case 0: watch?.update(.read)
    case 1: watch?.update([.read, .write])
    default: breakLater()
    }
  }

  // The owner is in the middle of sending: it learns of the loss in a later step of the turn. The watch goes now: libpq
  // may have closed the socket, and the next one may get its number.
  private func breakLater() {
    watch?.cancel()
    watch = nil
    loop.executeLocally { [weak self] in
      guard let self, let connection = self.connection else { return }
      self.fail(PostgresError(kind: .connectionLost, sqlState: "08006", connection: connection))
    }
  }
}

// Receiving.
extension Session {
  private func socketReady() {
    guard let connection else { return }
    let isAlive = PQconsumeInput(connection) == 1
    if !isAlive { watch?.cancel() }
    var error = process(connection)
    if isAlive, !isClosed, error == nil, PQsslInUse(connection) == 1 { error = drainTLS(connection) }
    deliverNotifications(connection)
    guard !isClosed else { return }
    guard isAlive, error == nil, PQstatus(connection) == CONNECTION_OK else {
      return fail(error ?? PostgresError(kind: .connectionLost, sqlState: "08006", connection: connection))
    }
    flush()
    owner?.sessionProgressed(self)
  }

  // TLS may hold decrypted bytes that no readiness of the socket announces.
  private func drainTLS(_ connection: OpaquePointer) -> PostgresError? {
    var left: Int
    repeat {
      left = expected.count
      guard !isClosed, PQconsumeInput(connection) == 1 else { return nil }
      if let error = process(connection) { return error }
    } while expected.count < left
    return nil
  }

  /// Hands out all complete answers; returns the error with which the server ended the connection, if it did.
  private func process(_ connection: OpaquePointer) -> PostgresError? {
    var emptyAnswers = 0
    while !isClosed, let expectation = expected.first, PQisBusy(connection) == 0 {
      guard let result = PQgetResult(connection) else {
        // Ends the answer of one command; a sync has none.
        if hasResult, !expectation.isSync {
          hasResult = false
          _ = expected.popFirst()
          emptyAnswers = 0
        } else {
          emptyAnswers += 1
          if emptyAnswers > 2 { return .connectionLost("the answers do not match the statements") }
        }
        continue
      }
      emptyAnswers = 0
      hasResult = true
      if let error = take(result, for: expectation) { return error }
    }
    return nil
  }

  private func take(_ result: OpaquePointer, for expectation: Expectation) -> PostgresError? {
    let status = PQresultStatus(result)
    if status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK, case .statement(_, let request) = expectation {
      request.results.append(Rows(ResultHandle(result)))
      return nil
    }
    defer { PQclear(result) }
    var failure: PostgresError?
    switch status {
    case PGRES_PIPELINE_SYNC:
      guard case .sync(let group) = expectation else { return .connectionLost("a sync answered a statement") }
      hasResult = false
      _ = expected.popFirst()
      requestsInFlight -= group.requests.count
      for request in group.requests where !request.isLookup { othersInFlight -= 1 }
      owner?.session(self, completed: group)
      if isDrained {
        hasAbandoned = false
        if !isCancelUnderWay { wasCancelled = false }
        guardTimer?.cancel()
        guardTimer = nil
      }
      return nil
    case PGRES_TUPLES_OK, PGRES_COMMAND_OK:
      if case .preparation(let entry, _) = expectation { entry.isReady = true }
      return checkCommit(result, expectation)
    case PGRES_PIPELINE_ABORTED: break
    case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
      return .connectionLost("COPY is not supported")
    default:
      guard let error = PostgresError(result: result) else { return .connectionLost("the connection broke") }
      failure = error
    }
    if case .preparation(let entry, _) = expectation { prepared.forget(entry) }
    if let failure { note(failure, expectation) }
    return failure?.isFatal == true ? failure : nil
  }

  // The COMMIT of a failed transaction succeeds as ROLLBACK.
  private func checkCommit(_ result: OpaquePointer, _ expectation: Expectation) -> PostgresError? {
    guard case .control(let request, isCommit: true) = expectation, request.error == nil,
      let tag = PQcmdStatus(result), tag.pointee == CChar(bitPattern: UInt8(ascii: "R"))
    else { return nil }
    request.error = PostgresError(kind: .server, sqlState: "25P02", message: "the transaction had failed")
    return nil
  }

  private func note(_ error: PostgresError, _ expectation: Expectation) {
    switch expectation {
    case .preparation(_, let request): request.error = request.error ?? error
    case .statement(let entry, let request):
      request.error = request.error ?? error
      guard error.isStalePlan else { return }
      // Whatever made one plan outdated may have met others too.
      if error.sqlState == "26000" { prepared.forget(entry) } else { forgetStatements() }
    case .control(let request, let isCommit):
      request.failedAtCommit = request.error == nil && isCommit
      request.error = request.error ?? error
    case .housekeeping: break
    case .sync(let group): group.syncError = error
    }
  }

  private func deliverNotifications(_ connection: OpaquePointer) {
    while !isClosed, let notification = PQnotifies(connection) {
      defer { PQfreemem(notification) }
      let payload = notification.pointee.extra.map { String(cString: $0) } ?? ""
      owner?.session(self, notifiedOn: String(cString: notification.pointee.relname), payload: payload)
    }
  }
}

extension Session.Expectation {
  var isSync: Bool { if case .sync = self { true } else { false } }
}

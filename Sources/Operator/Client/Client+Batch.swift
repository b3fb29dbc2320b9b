import EventLoop
import Glibc
import HandoffAPI
import RPC
import ServiceKit

/// One act on many tickets.
extension Client {
  private static let pause: Duration = .milliseconds(300)
  private static let barColumns = 30

  /// Orders a batch, shows how far it is, and then what could not be done; code 1 when there is any such ticket.
  func batch() async throws -> Int32 {
    guard let act: Batch.Act = try value(.act) else {
      throw OperatorError.usage("--act is missing", advice: "It takes: \(ClientOption.act.summary).")
    }
    var words = arguments.words
    if words.isEmpty {
      guard isatty(STDIN_FILENO) == 0, arguments[.text] != "-" else {
        throw OperatorError.usage("no tickets are named", advice: "Name them, or send their numbers to standard input.")
      }
      words = try StandardInput.text().split(whereSeparator: \.isWhitespace).map(String.init)
    }
    let batch = Batch(act: act, text: arguments[.text] ?? "", internalReason: try value(.reason) ?? .unspecified)
    let request = CreateBatchRequest(
      parent: service, batch: batch, tickets: try words.map { word throws(OperatorError) in try ticket(word) },
      requestId: Self.requestID())
    var state = try await connection.api.createBatch(request, connection.options())
    let showsProgress = !arguments.isJSON && isatty(STDERR_FILENO) == 1
    while state.state == .running {
      if showsProgress { console.status("\r\(Self.bar(state))") }
      try await EventLoop.current?.sleep(for: Self.pause)
      state = try await connection.api.getBatch(GetBatchRequest(name: state.name), connection.options())
    }
    if showsProgress { console.status("\r\(Self.bar(state))\n") }
    if arguments.isJSON {
      try print(json: state)
    } else {
      console.line(
        "\(state.name): \(state.succeededCount) done, \(state.failedCount) not, \(state.cancelledCount) cancelled")
      try await showFailures(of: state)
    }
    return state.succeededCount == state.ticketCount ? 0 : 1
  }

  /// `[##########                    ] 33 of 100, 2 not done`
  static func bar(_ batch: Batch) -> String {
    let ended = batch.succeededCount + batch.failedCount + batch.cancelledCount
    let filled = batch.ticketCount > 0 ? Int(ended) * barColumns / Int(batch.ticketCount) : 0
    let bar = padded(String(repeating: "#", count: min(filled, barColumns)), barColumns)
    let failed = batch.failedCount > 0 ? ", \(batch.failedCount) not done" : ""
    return "[\(bar)] \(ended) of \(batch.ticketCount)\(failed)"
  }

  private func showFailures(of batch: Batch) async throws {
    guard batch.failedCount > 0 else { return }
    var request = ListBatchResultsRequest(parent: batch.name, outcome: .failed, pageSize: 200)
    var rows: [[String]] = []
    repeat {
      let page = try await connection.api.listBatchResults(request, connection.options())
      rows += page.results.map { [Self.last($0.ticket), $0.reason, $0.message] }
      request.pageToken = page.nextPageToken
    } while !request.pageToken.isEmpty
    print(["NUMBER", "REASON", "WHAT IS WRONG"], rows)
  }
}

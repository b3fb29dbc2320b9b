import EventLoop
import Outbound
import Postgres
import RPC
import ServiceKit
import TicketLedger

/// One reading of a mailbox by the process that has it under a lease.
///
/// Mails are taken one after the other in the order in which they arrived. Each is stored by the same way as one that a
/// mail server hands over, then noted as dealt with, and only then removed from the mailbox, if that is wished. So
/// wherever a process dies, the next one begins with a mail that is known already, or with the one behind it.
struct MailboxVisit {
  /// Mails of one visit; more wait for the next, so that other mailboxes get their turn.
  static let mailsMax = 200
  /// How long a visit goes on to the next mail.
  private static let timeMax: Duration = .seconds(60)
  /// The longest time for one answer of the server, and for storing one mail.
  private static let fetchTimeout: Duration = .seconds(90)
  private static let storeTimeout: Duration = .seconds(60)
  private static let statementTimeout: Duration = .seconds(10)
  /// A mail that cannot be fetched so often in a row is passed over when the next one can be.
  static let fetchesMax: Int32 = 5
  /// The same when there is no next one, or it cannot be fetched either: it may be the server that hands out nothing.
  static let lastFetchesMax: Int32 = 20
  /// Bytes of the next one's header that are fetched then.
  private static let probeBytes = 1_024
  /// How often mails are listed anew whose places have moved meanwhile.
  private static let listingsMax = 20
  /// Mails that a list may leave out.
  private static let unlistedMax = 20
  /// Mails that wait to be removed from the mailbox before no more are taken.
  private static let deletionsMax = 1_000

  let account: MailAccountRecord
  let service: ServiceRecord
  let session: IMAPSession
  let store: MailStore
  let inbound: InboundMailProcessor

  /// Somebody else has the mailbox by now, or an administrator has changed the account.
  struct LeaseLost: Error {}

  /// Reads the mailbox as far as one visit goes.
  ///
  /// - Returns: whether it was read to its end.
  /// - Throws: `IMAPFailure` and ``Unreadable``; `ServiceError` when something of ours is out of reach; ``LeaseLost``.
  func run() async throws -> Bool {
    try await session.signIn(deadline: Self.fetchDeadline)
    let mailbox = try await session.select(deadline: Self.fetchDeadline)
    if let finding = MailboxFinding(mailbox, deletesImported: account.deletesImported) { throw Unreadable(finding) }
    guard let uidValidity = mailbox.uidValidity else { return false }
    var account = account
    if account.uidValidity != Int64(uidValidity) {
      try await keep { try await store.beginMailbox(account, uidValidity: Int64(uidValidity), deadline: $0) }
      account.begin(uidValidity: Int64(uidValidity))
    }
    let stop = Deadline.after(Self.timeMax)
    let leftCount = account.uidsToDelete.count
    var takenCount = 0
    var isWhole = false
    while !isWhole, takenCount < Self.mailsMax, !stop.hasPassed,
      account.uidsToDelete.count - leftCount < Self.deletionsMax
    {
      let listed = try await newMessages(in: mailbox, after: account.lastUID)
      isWhole = listed.isWhole
      // Otherwise each turn gets on by one mail at least.
      guard isWhole || !listed.messages.isEmpty else { throw Self.unlisted }
      for (place, message) in listed.messages.enumerated() {
        if stop.hasPassed {
          isWhole = false
          break
        }
        try Task.checkCancellation()
        // Those from before need no note of their own: the next one's covers them.
        if message.arrivalSeconds < account.startTime.seconds, message != listed.messages.last { continue }
        let next = listed.messages.dropFirst(place + 1).first
        takenCount += try await pass(message, before: next, &account, uidValidity) ? 1 : 0
      }
    }
    // Last of all, also what an earlier visit left: it moves the places of the mails behind.
    try await delete(&account, uidValidity)
    return isWhole
  }

  /// Deals with one mail, and writes that down.
  ///
  /// - Returns: whether it came in now or before.
  private func pass(
    _ message: IMAPMessage, before next: IMAPMessage?, _ account: inout MailAccountRecord, _ uidValidity: UInt32
  ) async throws -> Bool {
    let uid = Int64(message.uid)
    let taken = try await take(message, before: next, account, uidValidity)
    // What waits for an agent stays, so that nobody misses it here before one has seen it.
    let isToDelete = taken.map { $0.state != .quarantined } == true && account.deletesImported
    try await keep { [account] in
      try await store.passMail(account, uid: uid, isToDelete: isToDelete, deadline: $0)
    }
    account.lastUID = uid
    if isToDelete { account.uidsToDelete.append(uid) }
    return taken != nil
  }

  /// The mailbox opens, and yet cannot be read.
  struct Unreadable: Error {
    /// Why.
    let finding: MailboxFinding
    init(_ finding: MailboxFinding) { self.finding = finding }
  }

  private static var fetchDeadline: Deadline { .after(fetchTimeout) }
  private static let unlisted = IMAPFailure.server("the server does not list the mails that it says are there")

  /// Writes down how far the reading is.
  ///
  /// - Throws: ``LeaseLost``.
  private func keep(_ write: (Deadline) async throws -> Bool) async throws {
    guard try await write(.after(Self.statementTimeout)) else { throw LeaseLost() }
  }

  /// The first mails behind one, ascending, and whether these are all.
  private func newMessages(
    in mailbox: IMAPMailbox, after last: Int64
  ) async throws -> (messages: ArraySlice<IMAPMessage>, isWhole: Bool) {
    let count = mailbox.messageCount
    if count == 0 || mailbox.uidNext.map({ Int64($0) <= last + 1 }) == true { return ([], true) }
    var place = try await firstPlace(after: last, count: count)
    // The place before is listed as well: were it gone, a mail could be passed over unseen.
    for _ in 0..<Self.listingsMax where place <= count {
      let begin = max(1, place - 1)
      let end = min(count, place + Self.mailsMax - 1)
      let listed = try await messages(at: begin...end)
      if begin > 1, let first = listed.first, Int64(first.uid) > last {
        place = max(1, begin - Self.mailsMax)
        continue
      }
      return (listed.drop { Int64($0.uid) <= last }, end == count)
    }
    guard place > count else { throw IMAPFailure.server("the server lists other mails every time it is asked") }
    return ([], true)
  }

  /// Lists the mails at some places. Those that the server leaves out, or describes in a way that cannot be read, are
  /// asked for one by one: nothing is passed over unseen that has a number.
  private func messages(at places: ClosedRange<Int>) async throws -> [IMAPMessage] {
    var listed = try await session.messages(at: places, deadline: Self.fetchDeadline)
    let missing = Set(places).subtracting(listed.map(\.place))
    guard missing.count <= Self.unlistedMax else { throw Self.unlisted }
    for place in missing.sorted() {
      if let uid = try await session.uid(at: place, deadline: Self.fetchDeadline) {
        listed.append(IMAPMessage(uid: uid, place: place))
      }
    }
    return listed.sorted { $0.uid < $1.uid }
  }

  /// The lowest place, from 1, of a mail with a higher UID; `count + 1` when there is none.
  private func firstPlace(after last: Int64, count: Int) async throws -> Int {
    if last == 0 { return 1 }
    var (low, high) = (1, count + 1)
    while low < high {
      let middle = (low + high) / 2
      guard let uid = try await session.uid(at: middle, deadline: Self.fetchDeadline) else {
        throw IMAPFailure.server("the server does not tell the number (UID) of a mail")
      }
      if Int64(uid) > last { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// Deals with one mail.
  ///
  /// - Returns: what became of it; nil when not all of it is stored here.
  private func take(
    _ message: IMAPMessage, before next: IMAPMessage?, _ account: MailAccountRecord, _ uidValidity: UInt32
  ) async throws -> InboundRecord? {
    if message.arrivalSeconds < account.startTime.seconds { return nil }
    let limit = inbound.limits.messageBytesMax
    do {
      if message.sizeBytes <= Int64(limit) {
        // Some servers only estimate the size: a quarter more is expected, and anything up to the limit is taken.
        let expected = min(limit, Int(message.sizeBytes) * 5 / 4 + 65_536)
        for bytesMax in Set([expected, limit]).sorted() {
          if let taken = try await fetch(message, uidValidity, bytesMax) { return taken }
        }
      }
      let head = try await session.head(
        message.uid, uidValidity: uidValidity, bytesMax: inbound.limits.headerBytesMax, deadline: Self.fetchDeadline)
      _ = try await store(head, max(message.sizeBytes, Int64(limit) + 1))
      return nil
    } catch IMAPFailure.messageGone {
      return nil
    } catch let failure as IMAPFailure {
      if failure == .mailboxChanged { throw failure }
      // Whether it is this mail's fault shows when it happens again and again.
      if try await isUnfetchable(message, before: next, account, uidValidity) {
        try await inbound.holdUnfetchable(
          "\(uidValidity)/\(message.uid)", sizeBytes: message.sizeBytes, for: service, account: account.id,
          .init(deadline: .after(Self.storeTimeout)))
        return nil
      }
      try await keep { try await store.noteStuck(account, uid: Int64(message.uid), deadline: $0) }
      throw failure
    }
  }

  /// Whether a mail that could not be fetched again and again, and now neither, is itself the cause.
  private func isUnfetchable(
    _ message: IMAPMessage, before next: IMAPMessage?, _ account: MailAccountRecord, _ uidValidity: UInt32
  ) async throws -> Bool {
    guard account.stuckUID == Int64(message.uid), account.stuckCount >= Self.fetchesMax else { return false }
    guard account.stuckCount < Self.lastFetchesMax else { return true }
    guard let next else { return false }
    do {
      _ = try await session.head(
        next.uid, uidValidity: uidValidity, bytesMax: Self.probeBytes, deadline: Self.fetchDeadline)
      return true
    } catch let failure as IMAPFailure {
      // The others are the server's answer, too.
      return failure == .messageGone || failure == .messageTooLong
    }
  }

  /// Fetches and stores a mail within so much memory; nil when it is longer.
  private func fetch(_ message: IMAPMessage, _ uidValidity: UInt32, _ bytesMax: Int) async throws -> InboundRecord? {
    var share = inbound.budget.begin()
    defer { share.end() }
    guard share.take(bytesMax) else { throw ServiceError(.tooManyRequests) }
    do {
      let bytes = try await session.message(
        message.uid, uidValidity: uidValidity, bytesMax: bytesMax, deadline: Self.fetchDeadline)
      return try await store(bytes, nil)
    } catch IMAPFailure.messageTooLong {
      return nil
    }
  }

  private func store(_ bytes: [UInt8], _ wholeBytes: Int64?) async throws -> InboundRecord {
    try await inbound.take(
      bytes, wholeBytes: wholeBytes, for: service, account: account.id, .init(deadline: .after(Self.storeTimeout)))
  }

  /// Removes from the mailbox what is stored here.
  private func delete(_ account: inout MailAccountRecord, _ uidValidity: UInt32) async throws {
    guard !account.uidsToDelete.isEmpty else { return }
    // An administrator may wish it no longer.
    try await keep { [account] in try await store.renewLease(account, deadline: $0) }
    let uids = account.uidsToDelete.map { UInt32(clamping: $0) }
    // What cannot be removed yet is tried again by the next visit.
    guard try await session.delete(uids, uidValidity: uidValidity, deadline: Self.fetchDeadline) else { return }
    try await keep { [account] in try await store.noteDeleted(account, deadline: $0) }
    account.uidsToDelete = []
  }
}

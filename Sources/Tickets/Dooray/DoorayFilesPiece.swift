import EventLoop
import HandoffAPI
import Postgres
import ServiceKit
import TicketLedger

/// A file that goes with a task, as far as it is known.
struct DoorayFileRecord: Sendable {
  let taskID: DoorayTaskID
  let attachmentID: AttachmentID
  let fileName: String
  let contentType: String
  let contentID: Int64
  let sizeBytes: Int64
  /// Empty while it is not known to be there.
  let doorayID: String
  let failure: String
  /// How long ago it was sent without an answer; nil: never.
  let sinceTry: Duration?
  /// What the task had when the file was first sent.
  let seenIDs: [String]

  init(_ row: Row) throws(PostgresError) {
    taskID = try row.value(0)
    attachmentID = try row.value(1)
    fileName = try row.value(2)
    contentType = try row.value(3)
    contentID = try row.value(4)
    sizeBytes = try row.value(5)
    doorayID = try row.value(6)
    failure = try row.value(7)
    sinceTry = try row.optionalInt64(8).map { .milliseconds($0) }
    seenIDs = try row.strings(9)
  }

  func message(in service: String) -> DoorayFile {
    DoorayFile(
      attachment: AttachmentName(service: service, id: attachmentID).description, fileName: fileName,
      state: !doorayID.isEmpty ? .sent : failure.isEmpty ? .sending : .failed, failure: failure)
  }
}

extension DoorayStore {
  /// The files that go with tasks, in the order in which they were uploaded.
  func files(
    of tasks: [DoorayTaskID], in service: ServiceID, deadline: Deadline
  ) async throws -> [DoorayFileRecord] {
    guard !tasks.isEmpty else { return [] }
    return try await query(
      """
      SELECT f.task_id, f.attachment_id, a.file_name, a.content_type, a.content_id, k.size_bytes,
        coalesce(f.dooray_id, ''), f.failure, (extract(epoch FROM clock_timestamp() - f.try_time) * 1000)::bigint,
        f.seen_ids
      FROM dooray_file AS f JOIN attachment AS a ON a.service_id = f.service_id AND a.id = f.attachment_id
      JOIN attachment_content AS k ON k.service_id = a.service_id AND k.id = a.content_id
      WHERE f.service_id = \(service) AND f.task_id = ANY(\(tasks)) ORDER BY f.task_id, f.attachment_id
      """, deadline
    ).map { try DoorayFileRecord($0) }
  }

  /// The statement that notes the files of a task, as a part of the change that opens it.
  static func adding(_ files: [AttachmentID], to task: DoorayTaskRecord) -> Query {
    """
    INSERT INTO dooray_file (service_id, task_id, attachment_id)
    SELECT c.service_id, \(task.id), f.id FROM changed AS c, unnest(\(files)) AS f (id)
    """
  }

  /// Notes that a file is going to be sent to a task which has some already.
  func beginSending(
    _ file: DoorayFileRecord, beside seenIDs: [String], of service: ServiceID, deadline: Deadline
  ) async throws {
    _ = try await query(
      """
      UPDATE dooray_file SET try_time = clock_timestamp(), seen_ids = \(seenIDs)
      WHERE service_id = \(service) AND task_id = \(file.taskID) AND attachment_id = \(file.attachmentID)
        AND dooray_id IS NULL
      """, deadline)
  }

  /// Notes what became of sending a file: its id at Dooray!, or nothing.
  func note(_ file: DoorayFileRecord, of service: ServiceID, doorayID: String? = nil, deadline: Deadline) async throws {
    _ = try await query(
      """
      UPDATE dooray_file SET try_time = NULL, dooray_id = \(doorayID)
      WHERE service_id = \(service) AND task_id = \(file.taskID) AND attachment_id = \(file.attachmentID)
        AND dooray_id IS NULL
      """, deadline)
  }

  /// The statement that gives files of a task up, as a part of the change that says so.
  static func failing(_ files: [AttachmentID], of task: DoorayTaskRecord, _ reason: String) -> Query {
    """
    UPDATE dooray_file AS f SET try_time = NULL, failure = \(reason) FROM changed AS c
    WHERE f.service_id = c.service_id AND f.task_id = \(task.id) AND f.attachment_id = ANY(\(files))
    """
  }

  /// Condition under which nobody has sent these files of a task, or given them up.
  static func areWaiting(_ files: [AttachmentID], of task: DoorayTaskRecord) -> Query {
    """
    NOT EXISTS (SELECT 1 FROM dooray_file AS x WHERE x.service_id = \(task.serviceID) AND x.task_id = \(task.id)
      AND x.attachment_id = ANY(\(files)) AND (x.dooray_id IS NOT NULL OR x.failure <> ''))
    """
  }
}

/// The files of a task that are to be sent.
struct DoorayFilesPiece: DoorayPiece {
  let task: DoorayTaskRecord
  private let service: TicketService

  var agent: AgentID { task.agentID }
  private var store: DoorayStore { service.dooray.store }

  /// Reads the task; nil when there is none.
  init?(_ id: DoorayTaskID, _ item: OutboxItem, _ service: TicketService) async throws {
    guard let task = try await service.dooray.store.task(id, of: item.serviceID, deadline: item.deadline) else {
      return nil
    }
    self.task = task
    self.service = service
  }

  func send(with keyring: DoorayKeyring, _ deadline: Deadline) async throws {
    let files = try await store.files(of: [task.id], in: task.serviceID, deadline: deadline)
    var taken = Set(files.map(\.doorayID))
    for file in files where file.doorayID.isEmpty && file.failure.isEmpty {
      do {
        taken.insert(try await send(file, beside: taken, keyring, deadline))
      } catch DoorayFailure.refused(let status) {
        // The others may be taken all the same.
        try await giveUp([file], DoorayFailure.refused(status: status).refusal, deadline)
      }
    }
  }

  /// Sends a file, unless it is there already, and returns its id.
  private func send(
    _ file: DoorayFileRecord, beside taken: Set<String>, _ keyring: DoorayKeyring, _ deadline: Deadline
  ) async throws -> String {
    let there = try await keyring.inTurn { token in
      try await keyring.client.files(
        ofTask: task.doorayID, inProject: task.place(from: keyring.project), as: token, deadline: deadline)
    }
    guard let since = file.sinceTry else {
      return try await upload(file, beside: there.map(\.id), keyring, deadline)
    }
    let names = [file.fileName, DoorayUpload.escaped(file.fileName)]
    let known = there.first {
      names.contains($0.name) && ($0.sizeBytes.map(Int64.init) ?? file.sizeBytes) == file.sizeBytes
        && !taken.contains($0.id) && !file.seenIDs.contains($0.id)
    }
    if let known {
      try await store.note(file, of: task.serviceID, doorayID: known.id, deadline: deadline)
      return known.id
    }
    if since < DoorayDelivery.settleTime { throw DoorayUnsettled(wait: DoorayDelivery.settleTime - since) }
    return try await upload(file, beside: file.seenIDs, keyring, deadline)
  }

  private func upload(
    _ file: DoorayFileRecord, beside seenIDs: [String], _ keyring: DoorayKeyring, _ deadline: Deadline
  ) async throws -> String {
    let form = DoorayUpload(
      fileName: file.fileName, type: file.contentType, content: try await content(of: file, deadline))
    let path = "/project/v1/projects/\(task.place(from: keyring.project))/posts/\(task.doorayID)/files"
    try await store.beginSending(file, beside: seenIDs, of: task.serviceID, deadline: deadline)
    do {
      let id = try await keyring.inTurn { token in
        try await keyring.client.upload(form, to: path, as: token, deadline: deadline)
      }
      try await store.note(file, of: task.serviceID, doorayID: id, deadline: deadline)
      return id
    } catch let failure as DoorayFailure where !failure.isUnsure {
      try await store.note(file, of: task.serviceID, deadline: deadline)
      throw failure
    }
  }

  private func content(of file: DoorayFileRecord, _ deadline: Deadline) async throws -> [UInt8] {
    var content: [UInt8] = []
    content.reserveCapacity(Int(file.sizeBytes))
    var number: Int32 = 1
    while let bytes = try await service.store.chunk(
      number, of: file.contentID, in: task.serviceID, deadline: deadline)
    {
      content += bytes
      number += 1
    }
    return content
  }

  func fail(_ reason: String, _ deadline: Deadline) async throws {
    let files = try await store.files(of: [task.id], in: task.serviceID, deadline: deadline)
    try await giveUp(files.filter { $0.doorayID.isEmpty && $0.failure.isEmpty }, reason, deadline)
  }

  /// Gives files up, and tells the ticket of each.
  private func giveUp(_ files: [DoorayFileRecord], _ reason: String, _ deadline: Deadline) async throws {
    guard !files.isEmpty else { return }
    let ids = files.map(\.attachmentID)
    do {
      _ = try await service.ledger.perform(on: task.ticketID, of: task.serviceID, deadline: deadline) { _ in
        var change = TicketChange(
          ids.map { id in
            var event = EventDraft(.doorayFileFailed, by: .dooray)
            event.notes = [CodeChange("dooray_task", "", task.doorayID), CodeChange("attachment", "", id.description)]
            return event
          })
        change.isSilent = true
        change.guards = [DoorayStore.areWaiting(ids, of: task)]
        change.attachments = [DoorayStore.failing(ids, of: task, reason)]
        return change
      }
    } catch let error as ServiceError where [.ticketNotFound, .conflict].contains(error.reason) {
      // The ticket was deleted, or the files have been dealt with meanwhile.
    }
  }
}

import Crypto
import EventLoop
package import HandoffAPI
import Postgres
package import RPC
import ServiceKit
import TicketLedger

extension TicketService {
  /// Longest piece of an upload, in bytes.
  static let chunkBytesMax = 262_144

  /// Takes a file in pieces. It is stored once in a service, whoever uploads it how often, and stays for a day unless
  /// it is put on an entry.
  ///
  /// - Throws: SERVICE_NOT_FOUND, BODY_TOO_LARGE, PERMISSION_DENIED, REQUEST_INVALID for a name or content of a type
  ///   that is not taken, CONFLICT.
  package func uploadAttachment(
    _ requests: RequestStream<UploadAttachmentRequest>, _ call: CallContext
  ) async throws -> Attachment {
    var parts = requests.makeAsyncIterator()
    guard case .header(let header)? = try await parts.next()?.part else {
      throw ServiceError.invalid("header", "must be the first part of an upload")
    }
    var check = RequestCheck()
    check.name(header.parent, "header.parent", ServiceName.self)
    let fileName = check.line(header.fileName, "header.file_name", charactersMax: FileType.nameCharactersMax)
    let type = FileType(fileName: fileName)
    check.require(
      type != nil && !fileName.contains("/") && !fileName.contains("\\"), "header.file_name",
      "must be a file's name with one of the endings \(FileType.allCases.map(\.rawValue).joined(separator: ", "))")
    check.require(
      !fileName.unicodeScalars.contains(where: CanonicalText.turnsDirection), "header.file_name",
      "must not turn the direction of writing (U+202A to U+202E, U+2066 to U+2069)")
    try check.done()
    let parent = try ServiceName(header.parent, field: "header.parent")
    let access = try await ledger.access(call, serviceCode: parent.code)
    try access.require(.ticket)
    guard let type else { throw ServiceError(.internal) }
    let service = access.service.id
    let content = try await store.beginContent(in: service, deadline: call.deadline)
    do {
      let (hash, size) = try await receive(&parts, type, into: content, of: service, call)
      let id = try await store.finishUpload(
        content, hash: hash, sizeBytes: size, fileName: fileName, type: type, uploader: access.claimant, in: service,
        deadline: call.deadline)
      guard let made = try await store.attachments([id], of: service, deadline: call.deadline).first else {
        throw ServiceError(.attachmentNotFound)
      }
      return made.message(in: parent.code)
    } catch {
      // A task of its own: that of an upload which its client broke off is cancelled, and can ask the database nothing.
      await Task { await store.dropContent(content, in: service, deadline: .after(.seconds(5))) }.value
      throw error
    }
  }

  /// Sends a file in pieces: to whoever may see its ticket, or an issue ticket that this one was escalated to, and
  /// before it is on one to whoever uploaded it.
  ///
  /// - Throws: ATTACHMENT_NOT_FOUND, PERMISSION_DENIED, REQUEST_INVALID.
  package func downloadAttachment(
    _ request: DownloadAttachmentRequest, _ responses: ResponseWriter<DownloadAttachmentResponse>,
    _ call: CallContext
  ) async throws {
    let name = try AttachmentName(request.name, field: "name")
    let (service, record) = try await attachment(name, call)
    try await responses.send(DownloadAttachmentResponse(part: .attachment(record.message(in: name.service))))
    var number: Int32 = 1
    while let bytes = try await store.chunk(
      number, of: record.contentID, in: service, deadline: call.deadline)
    {
      try await responses.send(DownloadAttachmentResponse(part: .chunk(bytes)))
      number += 1
    }
  }

  /// Stores the pieces of an upload as they come; hash and length of the whole.
  private func receive(
    _ parts: inout RequestStream<UploadAttachmentRequest>.Iterator, _ type: FileType, into content: Int64,
    of service: ServiceID, _ call: CallContext
  ) async throws -> (hash: [UInt8], size: Int64) {
    var sha256 = SHA256()
    var head: [UInt8] = []
    var size = 0
    var number: Int32 = 0
    while let part = try await parts.next() {
      guard case .chunk(let bytes)? = part.part, !bytes.isEmpty, bytes.count <= Self.chunkBytesMax else {
        throw ServiceError.invalid("chunk", "must be 1 to \(Self.chunkBytesMax) bytes, after the one header")
      }
      size += bytes.count
      guard size <= FileType.bytesMax else {
        throw ServiceError(.bodyTooLarge, "a file must be smaller than 10 MB; send a smaller one")
      }
      if head.count < FileType.sniffedBytes { head += bytes.prefix(FileType.sniffedBytes - head.count) }
      sha256.update(bytes)
      number += 1
      try await store.addChunk(bytes, number: number, to: content, in: service, deadline: call.deadline)
    }
    guard size > 0 else { throw ServiceError.invalid("chunk", "is required: the file is empty") }
    guard type.fits(head) else {
      throw ServiceError.invalid("header.file_name", "says .\(type.rawValue), which the content is not")
    }
    return (sha256.finish(), Int64(size))
  }

  private func attachment(_ name: AttachmentName, _ call: CallContext) async throws -> (ServiceID, AttachmentRecord) {
    do {
      return try await ownAttachment(name, call)
    } catch let error as ServiceError
      where [.serviceNotFound, .permissionDenied, .ticketNotFound].contains(error.reason)
    {
      if let found = try await sourceAttachment(name, call) { return found }
      throw error.reason == .permissionDenied ? error : ServiceError(.attachmentNotFound)
    }
  }

  /// A file of a service that the caller works in.
  private func ownAttachment(
    _ name: AttachmentName, _ call: CallContext
  ) async throws -> (ServiceID, AttachmentRecord) {
    let access = try await ledger.access(call, serviceCode: name.service)
    try access.require(.ticket)
    let found = try await store.attachments([name.id], of: access.service.id, deadline: call.deadline).first
    guard let found else { throw ServiceError(.attachmentNotFound) }
    if let ticket = found.ticketID {
      // A deleted ticket takes its files along.
      _ = try await ledger.ticket(ticket, of: access.service.id, deadline: call.deadline)
    } else if found.uploader != access.claimant {
      throw ServiceError(.attachmentNotFound)
    }
    return (access.service.id, found)
  }

  /// A file in the history of a consultation ticket, for whoever reads that through an issue ticket
  /// (``listSourceEntries(_:_:)``); nil for others.
  private func sourceAttachment(
    _ name: AttachmentName, _ call: CallContext
  ) async throws -> (ServiceID, AttachmentRecord)? {
    do {
      let service = try await ledger.directory.service(code: name.service, deadline: call.deadline)
      let found = try await store.attachments([name.id], of: service.id, deadline: call.deadline).first
      guard let found, let ticket = found.ticketID else { return nil }
      let source = try await ledger.ticket(ticket, of: service.id, deadline: call.deadline)
      for id in try await store.services(answering: source.link, deadline: call.deadline) {
        let issues = try await ledger.directory.service(id: id, deadline: call.deadline)
        guard let access = try? await ledger.access(call, serviceCode: issues.code) else { continue }
        if (try? access.require(.ticket)) != nil { return (service.id, found) }
      }
      return nil
    } catch let error as ServiceError where error.reason == .ticketNotFound || error.reason == .serviceNotFound {
      return nil
    }
  }

  /// The API's messages of a ticket's entries, with their attachments.
  func messages(
    for entries: [EntryRecord], of ticket: TicketRecord, deadline: Deadline
  ) async throws -> [Entry] {
    var messages = try await ledger.messages(for: entries, of: ticket, deadline: deadline)
    let files = try await store.attachments(on: entries.map(\.id), of: ticket, deadline: deadline)
    guard !files.isEmpty else { return messages }
    let service = try await ledger.directory.service(id: ticket.serviceID, deadline: deadline)
    let byEntry = Dictionary(grouping: files, by: \.entryID)
    for (index, entry) in entries.enumerated() {
      messages[index].attachments = (byEntry[entry.id] ?? []).map { $0.message(in: service.code) }
    }
    return messages
  }
}

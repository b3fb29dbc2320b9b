internal import CGMime
import EventLoop
import Glibc
import TicketLedger

/// Goes through the parts of a message and collects what they say.
struct PartWalk {
  typealias Object = UnsafeMutablePointer<GMimeObject>

  let limits: ParseLimits
  let deadline: Deadline
  var mail = IncomingMail()
  private var partCount = 0
  private var texts: [String] = []
  /// Whether what is taken now lies in a forwarded message, which is kept whole.
  private var isForwarded = false

  init(limits: ParseLimits, deadline: Deadline) {
    self.limits = limits
    self.deadline = deadline
  }

  /// Collects a part and what is in it.
  mutating func take(_ object: Object, depth: Int) throws(ParseFailure) {
    partCount += 1
    guard partCount <= limits.partsMax else { throw .tooManyParts }
    guard depth <= limits.depthMax else { throw .tooDeep }
    guard !deadline.hasPassed else { throw .tooSlow }
    if Self.isA(object, g_mime_multipart_get_type()) {
      try takeMultipart(object, depth)
    } else if Self.isA(object, g_mime_message_part_get_type()) {
      try takeMessage(object, depth)
    } else {
      takePart(object)
    }
  }

  /// Brings the collected texts into their final form.
  mutating func finish() {
    let whole = texts.map(Self.canonical).filter { !CanonicalText.isBlank($0) }.joined(separator: "\n\n")
    let scalars = whole.unicodeScalars
    guard let end = scalars.index(scalars.startIndex, offsetBy: limits.textScalarsMax, limitedBy: scalars.endIndex),
      end != scalars.endIndex
    else {
      mail.text = whole
      return
    }
    mail.text = String(scalars[..<end])
    mail.files.append(
      IncomingMail.File(kind: .attached, name: "message.txt", contentType: "text/plain", bytes: Array(whole.utf8)))
  }

  private mutating func takeMultipart(_ object: Object, _ depth: Int) throws(ParseFailure) {
    let parts = Self.children(of: object)
    if parts.isEmpty { takePrologue(of: object) }
    switch Self.mediaType(of: object) {
    case "multipart/alternative": try takeAlternatives(parts, depth)
    case "multipart/report":
      for part in parts { try take(part, depth: depth + 1) }
    default:
      for part in parts { try take(part, depth: depth + 1) }
    }
  }

  /// The words of a multipart whose boundary is nowhere: whoever wrote them meant them to be read.
  private mutating func takePrologue(of object: Object) {
    let multipart = UnsafeMutableRawPointer(object).assumingMemoryBound(to: GMimeMultipart.self)
    let words = Self.bytes(g_mime_multipart_get_prologue(multipart))
    if !words.isEmpty { texts.append(plainText(words, object)) }
  }

  /// Of several forms of one text, the plain one when it says anything, else the last that does; what is no form of a
  /// text, such as an invitation, is kept beside it.
  private mutating func takeAlternatives(_ parts: [Object], _ depth: Int) throws(ParseFailure) {
    var forms: [(isPlain: Bool, texts: [String])] = []
    let before = texts
    for part in parts {
      texts = []
      try take(part, depth: depth + 1)
      let isPlain = Self.mediaType(of: part) == "text/plain"
      if texts.contains(where: { !CanonicalText.isBlank($0) }) { forms.append((isPlain, texts)) }
    }
    texts = before + (forms.first { $0.isPlain } ?? forms.last).map(\.texts, default: [])
  }

  /// A forwarded message: its text is read as if it were quoted, and the whole is kept as a file. One inside another is
  /// in that one's file already; kept again on each level, a mail would take thirty times its size.
  private mutating func takeMessage(_ object: Object, _ depth: Int) throws(ParseFailure) {
    let part = UnsafeMutableRawPointer(object).assumingMemoryBound(to: GMimeMessagePart.self)
    guard let message = g_mime_message_part_get_message(part) else { return }
    if mail.report != nil || mail.contentType == "multipart/report" {
      let inner = UnsafeMutableRawPointer(message).assumingMemoryBound(to: GMimeObject.self)
      noteOriginal(
        g_mime_message_get_message_id(message).map { String(cString: $0) } ?? "",
        replyTo: mailboxes(in: inner, "Reply-To").kept.first?.address ?? "")
      return
    }
    let subject = Self.line(g_mime_message_get_subject(message).map { String(cString: $0) } ?? "")
    let name = Self.fileName("\(subject.isEmpty ? "message" : subject).eml")
    let wasForwarded = isForwarded
    if !wasForwarded {
      let inner = UnsafeMutableRawPointer(message).assumingMemoryBound(to: GMimeObject.self)
      mail.files.append(
        IncomingMail.File(
          kind: .message, name: name, contentType: "message/rfc822", bytes: MIMEBytes.written(inner)))
    }
    guard let body = g_mime_message_get_mime_part(message) else { return }
    texts.append("---------- Forwarded message: \(subject) ----------")
    isForwarded = true
    defer { isForwarded = wasForwarded }
    try take(body, depth: depth + 1)
  }

  private mutating func takePart(_ object: Object) {
    let part = UnsafeMutableRawPointer(object).assumingMemoryBound(to: GMimePart.self)
    let type = Self.mediaType(of: object)
    let name = g_mime_part_get_filename(part).map { Self.line(String(cString: $0)) } ?? ""
    let disposition = g_mime_object_get_disposition(object).map { String(cString: $0).lowercased() } ?? ""
    let isAttached = disposition == "attachment" || !name.isEmpty
    let bytes = MIMEBytes.content(of: part)
    switch type {
    case "message/delivery-status", "message/global-delivery-status":
      takeReport(bytes)
      return
    case "text/rfc822-headers", "message/rfc822-headers", "message/global-headers":
      if mail.contentType == "multipart/report" {
        let text = String(decoding: bytes, as: UTF8.self)
        noteOriginal(
          DeliveryStatusText.messageID(inHeaders: text), replyTo: DeliveryStatusText.replyTo(inHeaders: text))
        return
      }
    case "text/plain", "":
      if !isAttached { return texts.append(plainText(bytes, object)) }
    case "text/html", "application/xhtml+xml":
      if !isAttached { return takeHTML(bytes, object) }
    case "text/enriched", "text/richtext":
      if !isAttached { return texts.append(HTMLToText.text(text(bytes, object))) }
    default: break
    }
    guard !bytes.isEmpty else { return }
    mail.files.append(
      IncomingMail.File(
        kind: Self.kind(type, isInline: disposition == "inline" || g_mime_part_get_content_id(part) != nil),
        name: Self.fileName(name.isEmpty ? Self.madeUpName(type, mail.files.count + 1) : name), contentType: type,
        bytes: bytes))
  }

  private static func kind(_ type: String, isInline: Bool) -> IncomingMail.File.Kind {
    switch type {
    case "text/calendar", "application/ics": .calendar
    case "application/pgp-encrypted", "application/pgp-signature", "application/pgp-keys", "application/pkcs7-mime",
      "application/x-pkcs7-mime", "application/pkcs7-signature", "application/x-pkcs7-signature":
      .sealed
    default: isInline && type.hasPrefix("image/") ? .inline : .attached
    }
  }

  private func plainText(_ bytes: [UInt8], _ object: Object) -> String {
    let plain = text(bytes, object)
    guard Self.parameter("format", of: object).lowercased() == "flowed" else { return plain }
    return FlowedText.unfolded(
      Self.canonical(plain), deletesSpace: Self.parameter("delsp", of: object).lowercased() == "yes")
  }

  /// What is longer than is read is kept as a file, so that none of it is lost.
  private mutating func takeHTML(_ bytes: [UInt8], _ object: Object) {
    guard bytes.count > limits.htmlBytesMax else { return texts.append(HTMLToText.text(text(bytes, object))) }
    texts.append(HTMLToText.text(text(Array(bytes.prefix(limits.htmlBytesMax)), object)))
    mail.files.append(
      IncomingMail.File(kind: .attached, name: "message.html", contentType: "text/html", bytes: bytes))
  }

  private func text(_ bytes: [UInt8], _ object: Object) -> String {
    CharsetText.decode(bytes, charset: Self.parameter("charset", of: object))
  }

  private mutating func takeReport(_ bytes: [UInt8]) {
    var report = mail.report ?? DeliveryReport()
    report.recipients += DeliveryStatusText.recipients(
      in: String(decoding: bytes, as: UTF8.self), atMost: limits.addressesMax)
    mail.report = report
  }

  private mutating func noteOriginal(_ messageID: String, replyTo: String) {
    var report = mail.report ?? DeliveryReport()
    if report.originalMessageID.isEmpty { report.originalMessageID = Self.line(messageID) }
    if report.originalReplyTo.isEmpty { report.originalReplyTo = Self.line(replyTo).lowercased() }
    mail.report = report
  }
}

extension PartWalk {
  /// People in the first address header of a name, members of groups included, and how many there are in all.
  func mailboxes(in object: Object, _ header: String) -> (kept: [IncomingMail.Mailbox], count: Int) {
    var kept: [IncomingMail.Mailbox] = []
    var count = 0
    guard let headers = g_mime_object_get_header_list(object),
      let field = g_mime_header_list_get_header(headers, header),
      let list = internet_address_list_parse(
        nil, EncodedWords.rewritten(Self.bytes(g_mime_header_get_raw_value(field))))
    else { return (kept, count) }
    defer { g_object_unref(list) }
    collect(list, &kept, &count, depth: 0)
    return (kept, count)
  }

  static func bytes(_ text: UnsafePointer<CChar>?) -> [UInt8] {
    text.map { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) } ?? []
  }

  private func collect(
    _ list: UnsafeMutablePointer<InternetAddressList>?, _ kept: inout [IncomingMail.Mailbox], _ count: inout Int,
    depth: Int
  ) {
    guard let list, depth < 4 else { return }
    for index in 0..<internet_address_list_length(list) {
      guard let entry = internet_address_list_get_address(list, index) else { continue }
      let raw = UnsafeMutableRawPointer(entry)
      if g_type_check_instance_is_a(raw.assumingMemoryBound(to: GTypeInstance.self), internet_address_group_get_type())
        != 0
      {
        collect(
          internet_address_group_get_members(raw.assumingMemoryBound(to: InternetAddressGroup.self)), &kept, &count,
          depth: depth + 1)
        continue
      }
      count += 1
      guard kept.count < limits.addressesMax else { continue }
      let mailbox = raw.assumingMemoryBound(to: InternetAddressMailbox.self)
      let address = internet_address_mailbox_get_addr(mailbox).map { String(cString: $0) } ?? ""
      let name = internet_address_get_name(entry).map { String(cString: $0) } ?? ""
      kept.append(
        IncomingMail.Mailbox(displayName: Self.line(name, bytesMax: 300), address: Self.line(address).lowercased()))
    }
  }

  static func isA(_ object: Object, _ type: GType) -> Bool {
    g_type_check_instance_is_a(UnsafeMutableRawPointer(object).assumingMemoryBound(to: GTypeInstance.self), type) != 0
  }

  static func children(of object: Object) -> [Object] {
    let multipart = UnsafeMutableRawPointer(object).assumingMemoryBound(to: GMimeMultipart.self)
    return (0..<max(0, g_mime_multipart_get_count(multipart))).compactMap { g_mime_multipart_get_part(multipart, $0) }
  }

  /// `type/subtype` in lower case; `text/plain` when there is none (RFC 2045, 5.2).
  static func mediaType(of object: Object) -> String {
    guard let type = g_mime_object_get_content_type(object), let media = g_mime_content_type_get_media_type(type),
      let subtype = g_mime_content_type_get_media_subtype(type)
    else { return "text/plain" }
    return line("\(String(cString: media))/\(String(cString: subtype))").lowercased()
  }

  static func parameter(_ name: String, of object: Object) -> String {
    guard let type = g_mime_object_get_content_type(object),
      let value = g_mime_content_type_get_parameter(type, name)
    else { return "" }
    return line(String(cString: value))
  }

  /// A text in canonical form, control characters left out.
  static func canonical(_ text: String) -> String { (try? CanonicalText.canonical(text, controls: .dropped)) ?? "" }

  /// A text as one line in canonical form without outer white space, cut to so many bytes.
  static func line(_ text: String, bytesMax: Int = 1_000) -> String {
    var line = String.UnicodeScalarView()
    var bytes = 0
    for scalar in canonical(text).unicodeScalars {
      let shown = scalar.properties.isWhitespace ? " " : scalar
      if shown == " ", line.isEmpty || line.last == " " { continue }
      bytes += UTF8.width(shown)
      if bytes > bytesMax { break }
      line.append(shown)
    }
    if line.last == " " { line.removeLast() }
    return String(line)
  }

  /// A name of a file that is no path and not longer than files' names may be, its ending kept.
  static func fileName(_ name: String) -> String {
    let name = String.UnicodeScalarView(name.unicodeScalars.filter { !CanonicalText.turnsDirection($0) })
    var plain = String(name).map { $0 == "/" || $0 == "\\" || $0 == ":" ? "_" : $0 }
    while plain.first == "." || plain.first == " " { plain.removeFirst() }
    if plain.isEmpty { plain = Array("file") }
    let whole = String(plain)
    guard whole.unicodeScalars.count > fileNameScalarsMax else { return whole }
    let ending = whole.lastIndex(of: ".").map { whole[$0...] } ?? ""
    let kept = ending.unicodeScalars.count <= 10 ? ending : ""
    let stem = whole.unicodeScalars.prefix(fileNameScalarsMax - kept.unicodeScalars.count)
    return String(String.UnicodeScalarView(stem)) + kept
  }

  private static let fileNameScalarsMax = 90

  private static func madeUpName(_ type: String, _ number: Int) -> String {
    let ending = endings[type] ?? (type.hasPrefix("text/") ? "txt" : "bin")
    return "\(type.hasPrefix("image/") ? "image" : "attachment")-\(number).\(ending)"
  }

  private static let endings = [
    "image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/bmp": "bmp", "image/tiff": "tiff",
    "application/pdf": "pdf", "text/calendar": "ics", "application/pgp-encrypted": "asc",
    "application/pgp-signature": "asc", "application/pkcs7-mime": "p7m", "application/pkcs7-signature": "p7s",
    "application/x-pkcs7-mime": "p7m", "application/x-pkcs7-signature": "p7s", "application/zip": "zip",
    "audio/mpeg": "mp3", "audio/wav": "wav",
  ]
}

extension Optional {
  fileprivate func map<T>(_ transform: (Wrapped) -> T, default other: T) -> T { map(transform) ?? other }
}

/// Bytes out of GMime's objects.
enum MIMEBytes {
  /// A part's content, decoded from base64 and the like.
  static func content(of part: UnsafeMutablePointer<GMimePart>) -> [UInt8] {
    guard let wrapper = g_mime_part_get_content(part) else { return [] }
    return collected { g_mime_data_wrapper_write_to_stream(wrapper, $0) }
  }

  /// A part or message as it stands, with its header.
  static func written(_ object: UnsafeMutablePointer<GMimeObject>) -> [UInt8] {
    collected { g_mime_object_write_to_stream(object, nil, $0) }
  }

  private static func collected(_ write: (UnsafeMutablePointer<GMimeStream>) -> gssize) -> [UInt8] {
    guard let output = g_byte_array_new() else { return [] }
    defer { g_byte_array_unref(output) }
    guard let stream = g_mime_stream_mem_new_with_byte_array(output) else { return [] }
    defer { g_object_unref(stream) }
    // The array is ours; left to itself, the stream would free it.
    UnsafeMutableRawPointer(stream).withMemoryRebound(to: GMimeStreamMem.self, capacity: 1) {
      g_mime_stream_mem_set_owner($0, 0)
    }
    guard write(stream) >= 0 else { return [] }
    return Array(UnsafeBufferPointer(start: output.pointee.data, count: Int(output.pointee.len)))
  }
}

import HandoffAPI
import Protobuf
package import RPC
import ServiceKit

extension HTTPGateway {
  /// Files are read as they come, and may take longer than other answers, there and back.
  package func terms(method: String, path: String) -> HTTPTerms {
    let path = Self.parts(of: path).path
    var terms = HTTPTerms()
    // The end of a path tells of nearly all that they are no files.
    let isPlain = !path.utf8.contains(UInt8(ascii: "%"))
    guard !isPlain || fileEndings.contains(where: path.hasSuffix), let decoded = RequestPath(path),
      case .route(let route, _, _) = routes.match(method, decoded), route.shape.isFile
    else { return terms }
    terms.bodyComesInPieces = route.shape == .upload
    terms.timeLimit = GatewayService.fileTimeLimit
    return terms
  }

  /// Passes the body on as a file or a mail, as it comes; how long it may be is for the daemon to say. A file's name is
  /// in the query, its type is found by its content; a mail needs neither.
  ///
  /// - Returns: the serialized resource that was made.
  func upload(
    _ found: Found, _ admission: GatewayService.Admission, _ exchange: HTTPExchange
  ) async throws -> [UInt8] {
    let kind: GatewayService.UploadKind
    if found.route.method == "IngestMessage" {
      guard found.query.isEmpty else { throw ServiceError.invalid("query", "must be empty; the mail is the body") }
      kind = .mail(IngestMessageRequest.Header(parent: found.value))
    } else {
      guard found.query.count == 1, ["fileName", "file_name"].contains(found.query[0].name) else {
        throw ServiceError.invalid("query", "must be fileName and nothing else; the file is the body")
      }
      kind = .file(UploadHeader(parent: found.value, fileName: found.query[0].value))
    }
    return try await service.upload(
      found.route, kind, try exchange.file(), admission, exchange.call)
  }

  /// Sends a file. It is always to be saved, never to be shown: whatever it is, it runs in nobody's browser.
  func download(
    _ found: Found, _ admission: GatewayService.Admission, _ exchange: HTTPExchange
  ) async throws {
    let message = try DownloadAttachmentRequest(name: found.value).serialized()
    try await service.download(found.route, message, admission, exchange.call) { bytes in
      switch try DownloadAttachmentResponse(serialized: bytes).part {
      case .attachment(let attachment):
        await exchange.begin(
          status: 200,
          headers: [
            ("content-type", attachment.contentType), ("content-length", String(attachment.sizeBytes)),
            ("content-disposition", Self.disposition(attachment.fileName)), ("cache-control", "private, no-store"),
          ])
      case .chunk(let bytes): try await exchange.write(bytes)
      default: break
      }
    }
  }

  /// `attachment` with the file's name, by RFC 6266: in ASCII for old clients, and as it is.
  static func disposition(_ fileName: String) -> String {
    let plain = String(
      fileName.unicodeScalars.map { scalar in
        scalar.isASCII && scalar.value >= 0x20 && scalar != "\"" && scalar != "\\" && scalar != "%"
          ? Character(scalar) : "_"
      })
    return "attachment; filename=\"\(plain)\"; filename*=UTF-8''\(PercentEncoding.encode(fileName))"
  }
}

/// The types of files that can be attached, by the endings of their names.
enum FileType: String, CaseIterable, Sendable {
  case jpg, jpeg, png, gif, bmp, tif, tiff, pdf, txt, hwp, xls, xlsx, doc, docx, ppt, pptx, mp3, wav, zip

  /// Longest file name, in characters.
  static let nameCharactersMax = 99
  /// Longest file, in bytes: less than 10 MB.
  static let bytesMax = 10 * 1024 * 1024 - 1
  /// How much of a file is looked at.
  static let sniffedBytes = 512

  /// The type that a file's name says; nil when its ending is none of these.
  init?(fileName: String) {
    guard let dot = fileName.lastIndex(of: "."), dot != fileName.startIndex else { return nil }
    self.init(rawValue: fileName[fileName.index(after: dot)...].lowercased())
  }

  /// The media type.
  var contentType: String {
    switch self {
    case .jpg, .jpeg: "image/jpeg"
    case .png: "image/png"
    case .gif: "image/gif"
    case .bmp: "image/bmp"
    case .tif, .tiff: "image/tiff"
    case .pdf: "application/pdf"
    case .txt: "text/plain; charset=utf-8"
    case .hwp: "application/x-hwp"
    case .xls: "application/vnd.ms-excel"
    case .xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    case .doc: "application/msword"
    case .docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    case .ppt: "application/vnd.ms-powerpoint"
    case .pptx: "application/vnd.openxmlformats-officedocument.presentationml.presentation"
    case .mp3: "audio/mpeg"
    case .wav: "audio/wav"
    case .zip: "application/zip"
    }
  }

  /// Whether a file of this type can begin so.
  func fits(_ head: [UInt8]) -> Bool {
    func begins(_ signature: [UInt8], at offset: Int = 0) -> Bool {
      head.count >= offset + signature.count && Array(head[offset..<offset + signature.count]) == signature
    }
    func begins(_ text: StaticString, at offset: Int = 0) -> Bool { begins(Array("\(text)".utf8), at: offset) }
    switch self {
    case .jpg, .jpeg: return begins([0xFF, 0xD8, 0xFF])
    case .png: return begins([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A])
    case .gif: return begins("GIF87a") || begins("GIF89a")
    case .bmp: return begins("BM")
    case .tif, .tiff: return begins([0x49, 0x49, 0x2A, 0x00]) || begins([0x4D, 0x4D, 0x00, 0x2A])
    case .pdf: return begins("%PDF-")
    case .txt: return Self.isText(head)
    // Old Office files and Hangul documents are compound files; a Hangul document can also be of the older form.
    case .xls, .doc, .ppt: return begins([0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1])
    case .hwp: return begins([0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) || begins("HWP Document File")
    case .xlsx, .docx, .pptx: return begins([0x50, 0x4B, 0x03, 0x04])
    case .zip: return begins([0x50, 0x4B, 0x03, 0x04]) || begins([0x50, 0x4B, 0x05, 0x06])
    case .mp3: return begins("ID3") || (head.count > 1 && head[0] == 0xFF && head[1] & 0xE0 == 0xE0)
    case .wav: return begins("RIFF") && begins("WAVE", at: 8)
    }
  }

  /// Text has no control characters but white space; what it is encoded in does not matter here.
  private static func isText(_ head: [UInt8]) -> Bool {
    !head.contains { $0 < 0x20 && $0 != 0x09 && $0 != 0x0A && $0 != 0x0C && $0 != 0x0D && $0 != 0x1B }
  }
}

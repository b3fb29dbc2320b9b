import Testing

@testable import Tickets

@Suite("types of files") struct FileTypeTests {
  private static let compound: [UInt8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1, 0x00, 0x00]

  /// How files begin, and the endings that they may have.
  private static let beginnings: [(name: String, head: [UInt8], endings: Set<FileType>)] = [
    ("a JPEG picture", [0xFF, 0xD8, 0xFF, 0xE0, 0x00, 0x10] + Array("JFIF".utf8), [.jpg, .jpeg]),
    ("a PNG picture", [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0x00, 0x00], [.png]),
    ("a GIF picture", Array("GIF89a".utf8) + [0x01, 0x00], [.gif]),
    ("an older GIF picture", Array("GIF87a".utf8) + [0x01, 0x00], [.gif]),
    ("a bitmap", Array("BM".utf8) + [0x36, 0x00, 0x00, 0x00], [.bmp]),
    ("a TIFF picture, little-endian", [0x49, 0x49, 0x2A, 0x00, 0x08, 0x00], [.tif, .tiff]),
    ("a TIFF picture, big-endian", [0x4D, 0x4D, 0x00, 0x2A, 0x00, 0x00], [.tif, .tiff]),
    ("a PDF document", Array("%PDF-1.7\n%".utf8) + [0xE2, 0xE3, 0x00], [.pdf]),
    ("an old Office document", compound, [.xls, .doc, .ppt, .hwp]),
    ("an older Hangul document", Array("HWP Document File V3.00 ".utf8) + [0x1A, 0x01, 0x02], [.hwp]),
    ("a zipped archive", [0x50, 0x4B, 0x03, 0x04, 0x14, 0x00], [.xlsx, .docx, .pptx, .zip]),
    ("an empty archive", [0x50, 0x4B, 0x05, 0x06, 0x00, 0x00], [.zip]),
    ("music with a tag", Array("ID3".utf8) + [0x04, 0x00, 0x00], [.mp3]),
    ("music without one", [0xFF, 0xFB, 0x90, 0x64, 0x00], [.mp3]),
    ("a sound", Array("RIFF".utf8) + [0x24, 0x08, 0x00, 0x00] + Array("WAVEfmt ".utf8), [.wav]),
    ("another RIFF file", Array("RIFF".utf8) + [0x24, 0x08, 0x00, 0x00] + Array("AVI LIST".utf8), []),
    ("text", Array("주문번호\tA-1042\r\n".utf8), [.txt]),
    ("text of an older encoding", [0xC1, 0xD6, 0xB9, 0xAE, 0x0D, 0x0A], [.txt]),
    ("a program", [0x7F, 0x45, 0x4C, 0x46, 0x02, 0x01, 0x01, 0x00], []),
    ("a Windows program", Array("MZ".utf8) + [0x90, 0x00, 0x03, 0x00], []),
    ("a script", Array("#!/bin/sh\n".utf8), [.txt]),
    ("nothing", [], [.txt]),
  ]

  @Test("a file begins as its ending says, or is refused")
  func beginnings() {
    for (name, head, endings) in Self.beginnings {
      #expect(Set(FileType.allCases.filter { $0.fits(head) }) == endings, "\(name)")
    }
    let shown = Self.beginnings.reduce(into: Set<FileType>()) { $0.formUnion($1.endings) }
    #expect(shown == Set(FileType.allCases), "every ending has a file")
  }

  @Test("the ending counts whatever its case, the last one only, and a name of nothing else has none")
  func endings() {
    for type in FileType.allCases {
      #expect(FileType(fileName: "영수증.\(type.rawValue)") == type)
      #expect(FileType(fileName: "a.b.\(type.rawValue.uppercased())") == type)
    }
    for name in ["영수증", "png", ".png", "a.png.exe", "a.", "a.png ", "a.svg", "a.html"] {
      #expect(FileType(fileName: name) == nil, "\(name)")
    }
  }
}

import Glibc
import PersonalData
import Testing

/// A text and the personal data in it.
private struct Row: Sendable, CustomTestStringConvertible {
  let text: String
  let expected: [String]
  init(_ text: String, _ expected: String...) {
    self.text = text
    self.expected = expected
  }
  var testDescription: String { text }
}

@Suite("Personal data is found by its shape")
struct PersonalDataScannerTests {
  @Test(
    "each text gives exactly its findings",
    arguments: [
      Row("연락처는 010-0000-1234 입니다", "phone 010-0000-1234 95"),
      Row("01000001234로 전화 주세요", "phone 01000001234 80"),
      Row("02-000-1234, 031.000.1234", "phone 02-000-1234 90", "phone 031.000.1234 90"),
      Row("call +82 10-0000-1234 now", "phone +82 10-0000-1234 92"),
      Row("call +821000001234", "phone +821000001234 92"),
      Row("０１０-００００-１２３４", "phone ０１０-００００-１２３４ 95"),
      Row("메일: hong.gildong+a@mail.example.com.", "email hong.gildong+a@mail.example.com 98"),
      Row("01000001234@example.com", "email 01000001234@example.com 98"),
      Row("a@b", ""),
      Row("@example.com", ""),
      Row("주민번호 900101-0234567 확인", "residentRegistrationNumber 900101-0234567 90"),
      Row("9001010234567", "residentRegistrationNumber 9001010234567 60"),
      Row("991301-9234567", ""),
      Row("990231-9234567", ""),
      Row("4000-0000-0000-0002", "cardNumber 4000-0000-0000-0002 95"),
      Row("4000-0000-0000-0003", ""),
      Row("5000-0000-0000-0009", ""),
      Row("외국인 900101-5234567", "foreignerRegistrationNumber 900101-5234567 90"),
      Row("(02) 000-1234", "phone (02) 000-1234 90"),
      Row("02)000-1234", "phone 02)000-1234 90"),
      Row("3) 010-0000-1234", "phone 010-0000-1234 95"),
      Row("+82 (0)10-0000-1234", "phone +82 (0)10-0000-1234 92"),
      Row("82-10-0000-1234", "phone 82-10-0000-1234 85"),
      Row("0082 10 0000 1234", "phone 0082 10 0000 1234 85"),
      Row("010\u{200B}0000\u{200B}1234", "phone 010\u{200B}0000\u{200B}1234 80"),
      Row("010–0000–1234", "phone 010–0000–1234 95"),
      Row("0505-000-1234", "phone 0505-000-1234 95"),
      Row("010-0000-1234-5678", ""),
      Row("A-010-0000-1234", ""),
      Row("국민은행 000000-00-000000", "bankAccount 000000-00-000000 85"),
      Row("000000-00-000000", ""),
      Row("계좌는 1000000000001 입니다", "bankAccount 1000000000001 85"),
      Row("여권 M00000000", "passport M00000000 95"),
      Row("passport M000A0000", "passport M000A0000 95"),
      Row("XM00000000", ""),
      Row("면허 11-00-000000-00", "driverLicence 11-00-000000-00 85"),
      Row("면허번호 서울 12-000000-00", "driverLicence 12-000000-00 90"),
      Row("99-00-000000-00", ""),
      Row("123-45-67891 사업자", "businessNumber 123-45-67891 95"),
      Row("123-45-67892", ""),
      Row("192.0.2.1 에서 접속", "ipAddress 192.0.2.1 75"),
      Row("192.0.2.256", ""),
      Row("version 1.2.3.4", "ipAddress 1.2.3.4 25"),
      Row("[2001:db8::1]", "ipAddress 2001:db8::1 90"),
      Row("10:30:15", ""),
      Row("ｈｏｎｇ＠ｅｘａｍｐｌｅ．ｃｏｍ", "email ｈｏｎｇ＠ｅｘａｍｐｌｅ．ｃｏｍ 98"),
      Row("1,010-0000-1234", ""),
      Row("HP010-0000-1234, TEL02-000-1234", "phone 010-0000-1234 95", "phone 02-000-1234 90"),
      Row("SHP010-0000-1234 KR010-0000-1234 A4HP010-0000-1234", ""),
      Row("010/0000/1234 010_0000_1234", "phone 010/0000/1234 95", "phone 010_0000_1234 95"),
      Row("010,0000,1234", "phone 010,0000,1234 95"),
      Row("010-0000-1234,010-0000-5678", "phone 010-0000-1234 95", "phone 010-0000-5678 95"),
      Row("010-0000-1234/010-0000-5678", "phone 010-0000-1234 95", "phone 010-0000-5678 95"),
      Row("010ㅡ0000ㅡ1234", "phone 010ㅡ0000ㅡ1234 95"),
      Row("010\u{3164}0000\u{FE0F}1234", "phone 010\u{3164}0000\u{FE0F}1234 80"),
      Row("\u{202A}010-0000-1234\u{202C}", "phone 010-0000-1234 95"),
      Row("입금 12,345,678,901원", ""), Row("2024/05/01, 2024/0501/1234", ""), Row("IMG_20240501_0100", ""),
      Row("주문 취소요 010-0000-1234", "phone 010-0000-1234 95"), Row("택배 01000001234", "phone 01000001234 80"),
      Row("주문 카드 4000-0000-0000-0002", "cardNumber 4000-0000-0000-0002 95"),
      Row("주문했어요. 4000000000000002", "cardNumber 4000000000000002 95"),
      Row("주문번호 4000000000000002", "cardNumber 4000000000000002 45"),
      Row("6200000000000000000", "cardNumber 6200000000000000000 95"),
      Row("기업 000-000000-00-000", "bankAccount 000-000000-00-000 85"),
      Row("토스 1000-0000-0000", "bankAccount 1000-0000-0000 85"),
      Row("2, 010-0000-1234", "phone 010-0000-1234 95"),
      Row("금액 1,234,567원", ""),
      Row("2024.05.01 13:00", ""),
      Row("20240501-0000123", ""),
      Row("주문번호 KR01000001234", ""),
      Row("2024-05-01 13:00", ""),
      Row("1588-0000", "phone 1588-0000 40"),
      Row(
        "010-0000-1234 900101-9234567", "phone 010-0000-1234 95", "residentRegistrationNumber 900101-9234567 90"),
      Row("", ""),
    ])
  fileprivate func findings(_ row: Row) {
    let scalars = Array(row.text.unicodeScalars)
    let found = PersonalDataScanner.findings(in: row.text).map { finding in
      var view = String.UnicodeScalarView()
      view.append(contentsOf: scalars[finding.start..<finding.end])
      return "\(finding.kind) \(String(view)) \(finding.confidencePercent)"
    }
    #expect(found == row.expected.filter { !$0.isEmpty })
  }

  @Test("a long text of digits and at-signs is scanned in one pass")
  func hostileText() {
    let text = String(repeating: "0101-2345-", count: 5_000) + String(repeating: "@a.", count: 5_000)
    let found = PersonalDataScanner.findings(in: text)
    #expect(found.allSatisfy { $0.start >= 0 && $0.end <= text.unicodeScalars.count })
    #expect(zip(found, found.dropFirst()).allSatisfy { $0.end <= $1.start })
  }

  @Test(
    "a text eight times as long takes some eight times as long, whatever it is made of",
    arguments: [
      "0", "0-", "010-", "1.1.", "a.", "@", "@a.", "a@a.", "::", "f:", "계좌 1-", "(02) ", "M1", "4000-", "900101-",
      "서울-11-", "+", "주문 1 ", "\u{200B}", "０", "\u{200B}0",
    ])
  func linear(piece: String) {
    // By the thread's own time, which nobody takes away, and the shortest of some runs, whose caches nobody emptied.
    func nanoseconds(_ text: String) -> Double {
      (0..<6).map { _ in
        let began = threadNanoseconds()
        _ = PersonalDataScanner.findings(in: text)
        return threadNanoseconds() - began
      }.min() ?? 0
    }
    let short = String(repeating: piece, count: 1_000)
    let long = String(repeating: piece, count: 8_000)
    let ratio = nanoseconds(long) / max(nanoseconds(short), 1)
    print("detection of 8 × \(piece.debugDescription): \(Int(ratio * 10)) tenths of the time")
    // Of work that grows with the square it would be 64.
    #expect(ratio < 32)
  }

  private func threadNanoseconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) * 1e9 + Double(time.tv_nsec)
  }
}

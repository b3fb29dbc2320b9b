import ServiceKit
import Testing

@testable import Gateway

@Suite("uploads under way") struct OpenUploadTests {
  @Test("are ten of one credential and a hundred of all, and whoever ends makes room")
  func limits() throws {
    let uploads = OpenUploads()
    func isAdmitted(_ credential: String) -> Bool {
      do throws(ServiceError) {
        try uploads.begin(credential)
        return true
      } catch {
        #expect(error.reason == .tooManyRequests && error.metadata["retry_after_seconds"] == "1")
        return false
      }
    }
    #expect((1...11).map { _ in isAdmitted("a") } == Array(repeating: true, count: 10) + [false])
    #expect(isAdmitted("b"))
    uploads.end("a")
    #expect(isAdmitted("a") && !isAdmitted("a"))
    uploads.end("b")
    for credential in 1...9 {
      for _ in 1...10 { #expect(isAdmitted("c\(credential)")) }
    }
    #expect(!isAdmitted("d"))
    uploads.end("c1")
    #expect(isAdmitted("d") && !isAdmitted("d"))
  }
}

import IntegrationModel
import TestSupport
import Testing

@Suite struct MessagePatternTests {
  @Test(
    "What differs from one message to the next is left out",
    arguments: [
      ("Order 204711 not found", "Order … not found"),
      ("Order SO-204711 not found.", "Order … not found."),
      ("no customer \"Müller & Co\" in the ERP", "no customer … in the ERP"),
      ("Kunde „Müller“ ist gesperrt", "Kunde … ist gesperrt"),
      ("field «Prix» manque", "field … manque"),
      ("product ‘A7’ unknown", "product … unknown"),
      ("can't reach customer's ERP", "can't reach customer's ERP"),
      ("can't find 'Q-1042'", "can't find …"),
      ("timeout after 30 s", "timeout after … s"),
      ("timeout after 30.5s (attempt 3)", "timeout after … (attempt …)"),
      ("lines 3, 4 and 9 have no product", "lines … have no product"),
      ("lines 7 have no product", "lines … have no product"),
      (
        "duplicate key 01938c3e-7a41-7bb2-9d2e-5f0a6c1e8d37 in orders",
        "duplicate key … in orders"
      ),
      ("mail to ada.l@northwind.example bounced", "mail to … bounced"),
      ("GET https://erp.example/orders?id=x failed", "GET … failed"),
      ("due 2026-11-24T08:30:00Z, was 2026-11-23", "due …, was …"),
      ("HTTP 503 from target", "HTTP 503 from target"),
      ("HTTP/1.1 401 Unauthorized", "HTTP/1.1 401 Unauthorized"),
      ("status: 404, order 12", "status: 404, order …"),
      ("exit code=17 of 123456", "exit code=17 of …"),
      ("id:42 is taken", "id:… is taken"),
      ("connect to 10.0.0.7:5432 refused", "connect to … refused"),
      ("  two   spaces\nand a line ", "two spaces and a line"),
      ("an \"open quote and more", "an \"open quote and more"),
      ("it's 'open and it's more", "it's 'open and it's more"),
      ("", ""), ("17", "…"), ("...", "..."), ("日本語の注文 12", "日本語の注文 …"),
    ])
  func pattern(message: String, pattern: String) {
    #expect(MessagePattern.of(message) == pattern)
  }

  @Test("A long message makes a short pattern, and no character is cut in two")
  func length() {
    let words = MessagePattern.of(String(repeating: "word ", count: 800))
    #expect(words.utf8.count <= MessagePattern.maximumBytes + 8)
    #expect(words.hasSuffix("…"))
    let long = MessagePattern.of(String(repeating: "ü", count: 2_000))
    #expect(long.allSatisfy { $0 == "ü" || $0 == "…" })
  }

  @Test("A text of quotes takes no longer than another", .limit(minutes: 1))
  func quotes() {
    for quote in ["\"", "'", "«", "“", "' '", "'a"] {
      for _ in 0..<200 { _ = MessagePattern.of(String(repeating: quote, count: 4_000)) }
    }
  }

  @Test("Any bytes have a pattern, which is its own pattern's beginning in words")
  func anything() {
    var state: UInt64 = 7
    for _ in 0..<2_000 {
      var bytes: [UInt8] = []
      for _ in 0..<40 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        bytes.append(UInt8(truncatingIfNeeded: state >> 33) % 128)
      }
      let pattern = MessagePattern.of(String(decoding: bytes, as: UTF8.self))
      #expect(pattern.utf8.count <= 2 * MessagePattern.maximumBytes)
    }
  }
}

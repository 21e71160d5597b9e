import Testing

@testable import integrationctl

@Suite struct JSONTests {
  struct Inner: Encodable {
    var id = "Q-1"
    var kind = "quote"
  }
  struct Outer: Encodable {
    var zeta = "a\"b\\c\n\u{1}é/"
    var alpha: Int64 = -5
    var ratio = 2.0
    var half = 0.5
    var flag = true
    var missing: String?
    var inner = Inner()
    var labels = ["k": "v"]
    var list: [UInt32] = [1, 2]
    var empty: [String] = []
  }

  @Test("Members keep the order in which they are declared, and text is escaped")
  func compact() throws {
    #expect(
      try JSONTreeEncoder.tree(of: Outer()).compactText
        == #"{"zeta":"a\"b\\c\n\u0001é/","alpha":-5,"ratio":2,"half":0.5,"flag":true,"#
        + #""inner":{"id":"Q-1","kind":"quote"},"labels":{"k":"v"},"list":[1,2],"empty":[]}"#)
  }

  @Test("Pretty text is indented by two spaces and keeps empty lists on their line")
  func pretty() throws {
    struct Small: Encodable {
      var a = [1]
      var b: [Int] = []
      var c = Inner()
    }
    #expect(
      try JSONTreeEncoder.tree(of: Small()).prettyText == """
        {
          "a": [
            1
          ],
          "b": [],
          "c": {
            "id": "Q-1",
            "kind": "quote"
          }
        }
        """)
  }

  @Test("A list of nothing and a message without members are still JSON")
  func empty() throws {
    struct Nothing: Encodable {}
    #expect(try JSONTreeEncoder.tree(of: [Inner]()).compactText == "[]")
    #expect(try JSONTreeEncoder.tree(of: Nothing()).compactText == "{}")
  }

  @Test("Numbers that JSON does not know become text", arguments: [Double.nan, .infinity])
  func notNumbers(value: Double) throws {
    let text = try JSONTreeEncoder.tree(of: [value]).compactText
    #expect(text == (value.isNaN ? "[\"NaN\"]" : "[\"Infinity\"]"))
  }

  @Test("A CSV line holds the members at its paths, quoted where it must be")
  func csv() throws {
    let tree = try JSONTreeEncoder.tree(of: Outer())
    let line = CSVText.line(
      tree, paths: ["inner.id", "labels", "missing", "alpha", "flag", "list"])
    #expect(line == "Q-1,\"{\"\"k\"\":\"\"v\"\"}\",,-5,true,\"[1,2]\"\r\n")
  }
}

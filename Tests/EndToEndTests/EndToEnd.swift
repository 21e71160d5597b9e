import Testing

/// All tests with the real programs, one after another.
///
/// They wait in blocking calls on sockets; one at a time leaves the other threads of the test
/// process to the tests of the modules.
@Suite(.serialized, .timeLimit(.minutes(2))) enum EndToEnd {}

import TestSupport
import Testing

/// All tests with the real programs, one after another.
///
/// They wait in blocking calls on sockets, and start several programs each: one at a time leaves
/// the processors to the tests of the modules.
@Suite(.serialized, .offPool, .limit(minutes: 2)) enum EndToEnd {}

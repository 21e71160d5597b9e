// Shared by all suites.

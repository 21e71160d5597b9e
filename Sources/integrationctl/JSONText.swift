import JSONText

// What is written with `--output json`; every file of the module may say so.

typealias JSONTree = JSONText.JSONTree

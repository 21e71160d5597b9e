import JSONText

// Inputs and their schemas are read as these; every file of the module may say so.

typealias JSONValue = JSONText.JSONValue
typealias JSONParser = JSONText.JSONParser
typealias JSONFault = JSONText.JSONFault

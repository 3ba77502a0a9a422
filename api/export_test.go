package api

// What tests and fuzzing reach directly: the parsers of what a client chose.
var (
	Disposition   = disposition
	ClientAddress = clientAddress
)

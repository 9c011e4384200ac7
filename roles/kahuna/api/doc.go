// Package api is the HTTP interface of Kahuna: the frozen API v1, the native API v2, the stream of
// events, the OpenAPI documents and the documentation pages.
//
// Routes, path and query parameters, answers and documents are derived from core/catalogue. A read is
// served from one view, without locks and without reflection. A write is handed to the engine, which
// authorises, decides, commits and waits; this package only checks the form of what was sent and writes
// what came of it. In API v1 an error is exactly {"status","error","reason"}; in v2 it is a problem
// (RFC 9457) that also says the code, the field and the request's id.
//
// A client that goes away cancels nothing: the work goes on, and repeating the request joins it.
package api

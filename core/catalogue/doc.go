// Package catalogue declares every kind of resource once: its wire fields bound to the struct in
// core/model, its operations with their paths, parameters and rights, its references and indexes, and
// how people see it. REST routes, validation, OpenAPI, authorisation, CLI verbs and completion are
// derived from it.
//
// Binding is by accessor functions, so nothing here reflects at run time; a test compares structs and
// entries by reflection instead.
package catalogue

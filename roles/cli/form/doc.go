// Package form is how people write and read the fields of resources: as values of flags, as documents
// in YAML or JSON, and as text in tables. What a table shows can be written back as the value of a flag;
// several pairs of key and value take a flag each.
//
// Values are what encoding/json makes of them: string, int64, float64, bool, []any, map[string]any. Sizes
// are written with a unit and are bytes inside. References are ids or names; whoever sends the values
// turns names into ids.
package form

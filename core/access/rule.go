// Package access decides who may do what. It is the table of rights of the product and nothing else:
// rules are attached to operations in core/catalogue, and every id an operation names, in its path,
// query or body, is checked for existence and visibility before the rule is.
package access

// Rule says what an operation asks of its caller, besides that everything it names is visible to him.
type Rule string

// The rules. A superAdmin satisfies all of them.
const (
	Public        Rule = "public"        // nobody in particular; rate limited
	Authenticated Rule = "authenticated" // any valid caller; lists are cut down to what he may read
	Read          Rule = "read"          // the object is visible to him
	Operate       Rule = "operate"       // member of the object's project
	Manage        Rule = "manage"        // projectAdmin and member of the object's project
	Self          Rule = "self"          // the user himself, or whose login it is
	Admin         Rule = "admin"         // superAdmin
	NewProject    Rule = "newProject"    // superAdmin, or a projectAdmin where the installation allows it
)
